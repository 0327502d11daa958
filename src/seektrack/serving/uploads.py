"""Uploads: a film goes from the wire to its file as it comes, and is kept once it is known to be a video."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

from seektrack.errors import InputError, OutputError, SeekTrackError, VideoError
from seektrack.files import NewFile
from seektrack.outputs.optional import needed
from seektrack.serving.roots import check_plain
from seektrack.serving.service import Service
from seektrack.video import open_video

_UNFIT = re.compile(r"[^\w .,()+=@-]+")
_LONGEST = 120
_LARGEST_HEAD = 16_384


class _Part:
    """The first file of a multipart body, written as it comes.

    Args:
        folder: Where it goes.
        boundary: Between parts.
    """

    def __init__(self, folder: Path, boundary: bytes) -> None:
        multipart = needed("python_multipart.multipart", "serve")
        self.folder = folder
        self.path: Path | None = None
        self.whole = False
        self._file: NewFile | None = None
        self._handle: BinaryIO | None = None
        self._name, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._parser = multipart.MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": lambda data, start, end: self._grow(self._name, data[start:end]),
                "on_header_value": lambda data, start, end: self._grow(self._value, data[start:end]),
                "on_header_end": self._header,
                "on_headers_finished": self._begin,
                "on_part_data": self._write,
                "on_part_end": self._end,
            },
        )
        self._options = multipart.parse_options_header
        self._wrong = needed("python_multipart.exceptions", "serve").FormParserError

    async def read(self, body: AsyncIterator[bytes]) -> Path:
        """The file, written whole.

        Raises:
            InputError: The body is no multipart form with a file in it.
            OutputError: The disk is full.
        """
        try:
            async for chunk in body:
                self._parser.write(chunk)
            self._parser.finalize()
        except self._wrong as error:
            raise InputError(
                f"the body is no multipart form: {error}", hint="send the file as multipart/form-data"
            ) from error
        finally:
            if self._handle is not None:
                self._handle.close()
            if self._file is not None:
                self._file.discard()
        if self.path is None or not self.whole:
            raise InputError(
                "the form holds no whole file", hint="send it as the field 'file', with its name"
            )
        return self.path

    def _grow(self, what: bytearray, data: bytes) -> None:
        what += data
        if len(what) > _LARGEST_HEAD:
            raise InputError("a header of the form is too long")

    def _header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _begin(self) -> None:
        _, options = self._options(self._headers.get(b"content-disposition", b""))
        name = options.get(b"filename", b"").decode("utf-8", "replace")
        if name and self.path is None:
            self.path = self.folder / fitting(name)
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = NewFile(self.path)
            self._handle = self._file.temporary.open("wb")

    def _write(self, data: bytes, start: int, end: int) -> None:
        if self._handle is not None and not self.whole:
            self._handle.write(data[start:end])

    def _end(self) -> None:
        if self._handle is not None and self._file is not None and not self.whole:
            self._handle.close()
            self._file.commit()
            self.whole = True


def fitting(name: str) -> str:
    r"""A file name of somebody else's as one that is safe here: no folder in it, nothing hidden.

    >>> fitting("../../etc/pass wd.mp4"), fitting("C:\films\a.mp4"), fitting("...")
    ('pass wd.mp4', 'a.mp4', 'video')
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    clean = _UNFIT.sub("_", last).strip(" .")
    stem, dot, suffix = clean.rpartition(".")
    short = f"{stem[:_LONGEST]}{dot}{suffix[:10]}" if stem else clean[:_LONGEST]
    return short or "video"


async def receive(service: Service, content_type: str, body: AsyncIterator[bytes]) -> dict[str, Any]:
    """Take an upload, and what is known of the video in it.

    Raises:
        InputError: It is no multipart form, or no video.
        OutputError: The disk is full.
        RefusedError: It leads to other files, or is too large.
    """
    kind, _, options = content_type.partition(";")
    boundary = re.search(r'boundary="?([^";,\s]{1,70})"?', options)
    if kind.strip().lower() != "multipart/form-data" or boundary is None:
        raise InputError(
            f"an upload is multipart/form-data with a boundary, got {content_type[:100]!r}",
            hint="curl -F file=@film.mp4 sends one",
        )
    folder = service.settings.uploads / uuid.uuid4().hex[:16]
    try:
        path = await _Part(folder, boundary[1].encode("latin-1", "replace")).read(body)
        return await service.clicks.run(_described, service, path)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, SeekTrackError):
            raise OutputError(f"the upload cannot be written: {error.strerror}") from error
        raise


def _described(service: Service, path: Path) -> dict[str, Any]:
    """What is known of an uploaded video, once a picture of it was seen."""
    check_plain(path, service.videos.roots)
    try:
        with open_video(path) as source:
            source.frame_at(source.first_index)
    except VideoError as error:  # who sent it knows it by its name, not by where it lies here
        raise VideoError(error.message.replace(str(path), path.name), hint=error.hint) from error
    named = service.videos.find(str(path))
    service.videos.check_length(named)
    return service.videos.describe(named)
