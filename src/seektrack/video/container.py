"""A media file as a container: opening it, which stream, where its time begins, whether it is whole."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
from av.stream import Disposition

from seektrack.errors import VideoError
from seektrack.limits import Limits
from seektrack.video.wall import reason

# Demuxers that make a "video" of text, or follow what a file says to other files.
_REFUSED_FORMATS = frozenset({"tty", "hls", "concat", "dash", "lavfi", "bin", "xbin", "adf", "idf"})
_NO_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
_DEFAULT_COUNTS = 5_000_000  # as many pixels the default stream is ahead, in ffmpeg's own choice
S = TypeVar("S", av.VideoStream, av.AudioStream)

_SEGMENT = b"\x18\x53\x80\x67"
_LOOKED_AT = 4096
_HOLE, _SEARCHED = 1024, 1 << 24


def open_container(path: Path) -> av.container.InputContainer:
    """Open a media file, as a file whatever its name looks like.

    Raises:
        VideoError: Missing, empty, no file, text or a playlist, or not readable.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise VideoError(f"no such video: {path}", hint="check the path") from None
    except (OSError, ValueError) as error:
        raise VideoError(f"cannot read {path}: {reason(error)}", hint="check its rights and name") from error
    if not stat.S_ISREG(status.st_mode):
        raise VideoError(f"{path} is no file", hint="a camera or a pipe is opened with LiveSource")
    if status.st_size == 0:
        raise VideoError(f"the file is empty: {path}", hint="was the download or recording cut off?")
    try:
        container = av.open(
            f"file:{path}",
            "r",
            options={"max_pixels": str(Limits.current().max_pixels)},
            container_options={"protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except MemoryError as error:
        raise VideoError(f"{path} does not fit into memory", hint="is it damaged?") from error
    except Exception as error:
        raise VideoError(
            f"not a readable video: {path} ({reason(error)})",
            hint="the file is no video, or is damaged where the container keeps its index",
        ) from error
    if container.format.name in _REFUSED_FORMATS:
        container.close()
        raise VideoError(f"not a video: {path} is text or a playlist", hint="give the video file itself")
    return container


def video_stream(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    """The pictures of a container.

    Raises:
        VideoError: There are none, no decoder for them, or they are too large.
    """
    stream = chosen([s for s in container.streams.video if not s.disposition & _NO_PICTURES])
    if stream is None:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise VideoError(f"no video stream in {path}: it holds {kinds}", hint="give a file with pictures")
    if stream.codec_context is None:
        raise VideoError(f"no decoder for the pictures of {path}", hint="convert it with a tool that has one")
    pixels, limit = stream.width * stream.height, Limits.current().max_pixels
    if pixels > limit:
        raise VideoError(
            f"the pictures of {path} have {pixels} pixels, more than {limit}",
            hint="make it smaller, or set SEEKTRACK_MAX_PIXELS",
        )
    return stream


def chosen(streams: Sequence[S]) -> S | None:
    """The stream ffmpeg takes of several of one kind: the default one, then the largest, then the first.

    Those without a decoder count last.
    """

    def merit(stream: S) -> tuple[bool, int]:
        if stream.codec_context is None:
            return False, 0
        size = stream.width * stream.height if isinstance(stream, av.VideoStream) else stream.channels
        return True, size + _DEFAULT_COUNTS * bool(stream.disposition & Disposition.default)

    return max(streams, key=merit, default=None)


def origin(container: av.container.InputContainer, stream: av.VideoStream | None) -> Fraction:
    """Seconds of the container's clock that a player counts as 0.

    It is where the first of picture and sound begins, so that both count alike when they start apart. Sound
    before zero is what its codec needs to run in, and does not count.
    """
    media = [*container.streams.video, *container.streams.audio]
    starts = [
        s.start_time * s.time_base
        for s in media
        if s.start_time is not None and s.time_base is not None and not s.disposition & _NO_PICTURES
    ]
    first = max(min(starts, default=Fraction(0)), Fraction(0))
    if stream is None or stream.start_time is None or stream.time_base is None:
        return first
    return min(first, stream.start_time * stream.time_base)


def cut_short(path: Path, container: av.container.InputContainer) -> bool:
    """Whether a file ends before its container says; False where the container does not tell.

    Matroska and WebM tell the length of their segment, AVI of its first chunk; MP4 and MOV list where each
    sample lies.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(_LOOKED_AT)
    except OSError:
        return False
    kind = container.format.name.split(",")[0]
    if kind == "matroska":
        end = _segment_end(head)
        return end is not None and end > size
    if kind == "avi":
        return head[:4] == b"RIFF" and int.from_bytes(head[4:8], "little") + 8 > size + 1
    if kind == "mov":
        return any(_last_byte(stream) > size for stream in container.streams)
    return False


def _segment_end(head: bytes) -> int | None:
    """Byte behind a Matroska segment, or None when it was written without knowing its length."""
    at = head.find(_SEGMENT)
    if at < 0 or at + 5 > len(head) or head[at + 4] == 0:
        return None
    length = 9 - head[at + 4].bit_length()
    bits = 7 * length
    value = int.from_bytes(head[at + 4 : at + 4 + length], "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else at + 4 + length + value


def _last_byte(stream: av.stream.Stream) -> int:
    entries = stream.index_entries
    last = entries[len(entries) - 1] if len(entries) else None
    return 0 if last is None else last.pos + last.size


def has_hole(path: Path, start: int | None, end: int | None) -> bool:
    """Whether between two places of a file there is a stretch that was never written, and reads as zeros."""
    if start is None or end is None or end <= start:
        return False
    with path.open("rb") as stream:
        stream.seek(start)
        return bytes(_HOLE) in stream.read(min(end - start, _SEARCHED))
