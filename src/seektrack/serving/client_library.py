"""A library of a server, in the words of `seektrack.Library`."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seektrack.closing import Closing
from seektrack.errors import InputError
from seektrack.library import LibraryStats, VideoRecord, Where
from seektrack.pipeline.answer import Answer
from seektrack.pipeline.library import IndexReport
from seektrack.query import Query, read
from seektrack.retrieval import Chain, Comparison, TimedText, Wording
from seektrack.serving.client_http import Http, error_of
from seektrack.serving.wire import hit_of, moment_of
from seektrack.types import Hit, Moment, Progress

if TYPE_CHECKING:
    import os

    from seektrack.encoders.spelling import Correction

Question = str | Sequence[str] | Query


class RemoteLibrary(Closing):
    """A library of a server; its methods take and give what those of :class:`seektrack.Library` do.

    Args:
        http: The server.
        name: Of the library there.
    """

    def __init__(self, http: Http, name: str) -> None:
        self._http, self.name = http, name
        self.at = f"/libraries/{name}"

    def __repr__(self) -> str:
        return f"Library({self.name!r} at {self._http.url!r})"

    def close(self) -> None:
        """Nothing is open here."""

    def search(self, text: Question, **options: Any) -> Answer[Moment]:
        """Moments that show what a question asks for; options as :meth:`seektrack.Library.search`."""
        answer = self._http.post(f"{self.at}/search", {"text": sendable(text), **asked(options)})
        return _answer(answer, [moment_of(one) for one in answer["results"]])

    def hits(self, text: Question, **options: Any) -> Answer[Hit]:
        """Single frames and regions; options as :meth:`seektrack.Library.hits`."""
        answer = self._http.post(f"{self.at}/hits", {"text": sendable(text), **asked(options)})
        return _answer(answer, [hit_of(one) for one in answer["results"]])

    def similar(self, image: NDArray[np.uint8], **options: Any) -> Answer[Hit]:
        """Frames and regions that look like a picture; options as :meth:`seektrack.Library.similar`."""
        from PIL import Image

        out = io.BytesIO()
        Image.fromarray(image).save(out, "PNG")
        answer = self._http.post_bytes(f"{self.at}/similar", out.getvalue(), **asked(options))
        return Answer(hit_of(one) for one in answer["results"])

    def sequences(self, text: Question, **options: Any) -> Answer[Chain]:
        """Chains of moments in the order asked; options as :meth:`seektrack.Library.sequences`."""
        answer = self._http.post(f"{self.at}/sequences", {"text": sendable(text), **asked(options)})
        found = [moment_of(one) for one in answer["results"]]
        return _answer(answer, [one for one in found if isinstance(one, Chain)], ordered=True)

    def align(
        self, texts: Sequence[TimedText], video: str | os.PathLike[str], **options: Any
    ) -> Answer[Moment]:
        """Texts with intervals of their own placed in a video; see :meth:`seektrack.Library.align`."""
        timed = [
            {"text": sendable(text.text), "start_s": text.start_s, "end_s": text.end_s} for text in texts
        ]
        answer = self._http.post(f"{self.at}/align", {"texts": timed, "video": str(video), **asked(options)})
        return Answer((moment_of(one) for one in answer["results"]), notices=answer["notices"])

    def compare(self, texts: Sequence[str | Query], **options: Any) -> Comparison:
        """How wordings rank the frames of the library; see :meth:`seektrack.Library.compare`."""
        body = {"texts": [sendable(text) for text in texts], **asked(options)}
        answer = self._http.post(f"{self.at}/compare", body)
        wordings = tuple(
            Wording(
                text=one["text"],
                frames=tuple(hit_of(hit) for hit in one["frames"]),
                best=one["best"],
                found=one["found"],
                mean_score=one["mean_score"],
            )
            for one in answer["wordings"]
        )
        overlap, correlation = (
            np.array(answer[name], dtype=np.float64) for name in ("overlap", "correlation")
        )
        return Comparison(wordings, overlap, correlation, tuple(answer["notices"]))

    def corrected(self, text: str) -> Correction:
        """A query with mistyped words put right; nothing is searched."""
        from seektrack.encoders import spelling

        answer = self._http.post(f"{self.at}/corrected", {"text": text})
        changes = tuple((one[0], one[1]) for one in answer["changes"])
        return spelling.Correction(answer["typed"], answer["text"], changes)

    def index(
        self,
        videos: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        progress: Progress | None = None,
        **options: Any,
    ) -> IndexReport:
        """Bring videos of the server into the library; see :meth:`seektrack.Library.index`.

        Args:
            videos: As the server knows them: paths, folders below its roots, or what was uploaded.
            progress: Called with ``(done, total, stage)``.
            options: As there: ``sampling``, ``regions``, ``filters``, ``temporal``, ``reindex``, ``exclude``.

        Raises:
            SeekTrackError: As there.
        """
        named = [videos] if isinstance(videos, str) or not isinstance(videos, Iterable) else list(videos)
        given = {key: list(value) if key == "exclude" else value for key, value in options.items()}
        job = self._http.post(
            f"{self.at}/index", {"videos": [str(one) for one in named], **asked(given)}, once=True
        )
        result = self._http.wait(job, progress)
        told = result["index"]
        return IndexReport(
            indexed=told["indexed"],
            skipped=told["skipped"],
            failed=[(one["video"], error_of(one["error"])) for one in result["failed"]],
            frames=told["frames"],
            seconds=told["seconds"],
            motion=told["motion"],
            waiting=tuple(told["waiting"]),
            moved=tuple((one[0], one[1]) for one in told["moved"]),
            damaged=tuple((one["video"], one["damage"]) for one in told["damaged"]),
            measured=told["measured"],
            passed_over=tuple((one[0], one[1]) for one in told["passed_over"]),
            outside=list(told["outside"]),
        )

    def videos(self) -> list[VideoRecord]:
        """Every video of the library."""
        found: list[VideoRecord] = []
        while True:
            answer = self._http.get(f"{self.at}/videos", limit=1000, offset=len(found))
            found += [_record(one) for one in answer["videos"]]
            if len(found) >= answer["total"] or not answer["videos"]:
                return found

    def stats(self) -> LibraryStats:
        """The library in numbers."""
        held = self._http.get(self.at)
        if held["why"]:
            raise error_of({"code": "bad_library", "message": held["why"], "hint": ""})
        names = ("videos", "unfinished", "frames", "vectors", "bytes")
        numbers = {name: held[name] for name in names}
        made = {"model": held["encoder"], "fingerprint": held["fingerprint"], "dim": held["dim"]}
        return LibraryStats(**numbers, **made)

    def remove(self, path: str | os.PathLike[str]) -> bool:
        """Forget a video; False when it was not there."""
        return bool(self._http.post(f"{self.at}/remove", {"video": str(path)})["removed"])

    def prune(self) -> list[str]:
        """Forget every video whose file is gone; their paths."""
        return list(self._http.post(f"{self.at}/prune")["removed"])


def sendable(text: Question | None) -> Any:
    """A question as a server takes it: in its words, which it reads as they are read here.

    Raises:
        InputError: It was changed after it was read, so that its words no longer say it.
    """
    if not isinstance(text, Query):
        return text if text is None or isinstance(text, str) else [sendable(one) for one in text]
    if read(text.typed) != text:
        raise InputError(
            f"the question {text.typed!r} was changed after it was read, which a server cannot be told",
            hint="say it in words",
        )
    return text.typed


def asked(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a search as a server takes them.

    Raises:
        InputError: One that only works where the networks are.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if given.pop("translate", None) is not None:
        raise InputError("translate is not taken by a server", hint="translate the text first")
    where = given.pop("where", None)
    if where is not None:
        given |= _of_where(where)
    if "video" in given:
        given["video"] = str(given["video"])
    if not isinstance(given.get("templates", ""), str):
        given["templates"] = list(given["templates"])
    return given


def _of_where(where: Where) -> dict[str, Any]:
    if where.min_score is not None:
        raise InputError("min_score is not taken by a server", hint="give min_confidence")
    names = ("video", "start_s", "end_s", "label", "min_confidence", "per_video")
    given = {name: getattr(where, name) for name in names if getattr(where, name) is not None}
    only = {("object", "tile"): "objects", ("frame",): "frames", (): None}.get(where.kinds, "")
    if only == "":
        raise InputError(f"the kinds {where.kinds} are not taken by a server", hint="use only=")
    return given | ({"only": only} if only else {}) | ({"missing": True} if where.missing else {})


def _answer(held: dict[str, Any], found: Any, *, ordered: bool = False) -> Answer[Any]:
    from dataclasses import replace

    query = None if held["query"] is None else _read_again(held)
    if query is not None and ordered and not query.ordered:
        query = replace(query, ordered=True)
    return Answer(found, query=query, notices=held["notices"])


def _read_again(held: dict[str, Any]) -> Query:
    """The question as it was read there, which is how it is read here."""
    return read(held["asked"])


def _record(held: dict[str, Any]) -> VideoRecord:
    return VideoRecord(
        path=held["video"],
        done=held["done"],
        frames=held["frames"],
        vectors=held["vectors"],
        duration_s=held["duration_s"],
        width=held["width"],
        height=held["height"],
        fps=Fraction(held["fps_exact"]),
        settings=held["settings"],
        available=held["available"],
        damage=held["damage"],
        renewing=held["renewing"],
    )
