"""Standing queries: texts watched for in a video as it comes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from seektrack.closing import Closing
from seektrack.encoders import Encoder, check_language
from seektrack.encoders.prompts import Templates
from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.known import Known, fields, told
from seektrack.query import Query, left_aside, read
from seektrack.retrieval.calibrate import calibrated, confidence_settings
from seektrack.retrieval.confidence import ConfidenceSettings, temporal_evidence
from seektrack.retrieval.exclusions import allowed_in_frame
from seektrack.retrieval.query import TextQuery, prepare_query
from seektrack.retrieval.scores import shown_in_frame
from seektrack.types import Frame
from seektrack.video import Picture, VideoSource

Embed = Callable[[Frame], tuple[NDArray[np.floating], Sequence[Box | None]]]
_REMEMBERED_S = 6.0
REMEMBERED = 9
"""Distances of the last frames that decide where the stream lies."""


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """When a match is worth an alert.

    Attributes:
        threshold: Belief in [0, 1] from which on the thing is taken to be there; what the encoder's
            calibration says when None.
        leave_s: It must have been gone for so many seconds before its return is told.
        repeat_s: Tell again, while it stays, after so many seconds; None: once a visit.
        confidence: How scores become beliefs.
    """

    threshold: float | None = None
    leave_s: float = 2.0
    repeat_s: float | None = None
    confidence: ConfidenceSettings = field(default_factory=ConfidenceSettings)

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise InputError(f"threshold must lie in (0, 1], got {self.threshold}")
        if self.leave_s < 0 or (self.repeat_s is not None and self.repeat_s < 0):
            raise InputError(f"seconds must be ≥ 0, got leave_s={self.leave_s}, repeat_s={self.repeat_s}")


@dataclass(frozen=True, eq=False)
class Alert:
    """A standing query is answered.

    Attributes:
        query: Its text, as given.
        frame: The frame that shows it; its index and time are the stream's.
        score: Cosine of the query and the best region of the frame.
        confidence: Belief in [0, 1], from this frame and those before.
        box: The best region, ``xyxy`` pixels, or None for the whole frame.
        number: Which of the queries, counted from 0.
        domain: Whether the encoder was shown frames like these; ``outside``, the confidence means nothing.
        latency_s: From the arrival of the frame to this alert; for a file read without hurry, the time the
            frame took.
    """

    query: str
    frame: Frame
    score: float
    confidence: float
    box: Box | None
    latency_s: float
    number: int = 0
    domain: Known = "unmeasured"

    def to_dict(self) -> dict[str, object]:
        """As JSON values, without the pixels."""
        sure = told(self.confidence, self.domain)
        return {
            "query": self.query,
            "frame_index": self.frame.index,
            "time_s": round(self.frame.time_s, 6),
            "score": round(self.score, 6),
            "confidence": None if sure is None else round(sure, 6),
            "box": None if self.box is None else [round(v, 3) for v in self.box],
            "latency_s": round(self.latency_s, 4),
            **fields(self.domain),
        }


class Watch(Closing):
    """Standing queries over a stream of pictures; iterate it for `Alert`s.

    Args:
        pictures: Of a live source, or of any other, all or sampled.
        queries: Texts, weights and exclusions understood.
        encoder: Embeds pictures and texts.
        embed: Embeds a frame and regions of it, (N, D) rows of unit length and the box of each, None for the
            whole; by default the whole frame alone.
        templates: See `seektrack.encoders.embed_query`.
        settings: When to alert.
        distances: Those of the frames so far from what the encoder was shown, as ``embed`` measures them.
        source: Where the pictures come from; closed by `close`.

    Attributes:
        queries: The questions as they were read.
        notices: What of them a stream cannot answer, one line each.
        seen: Frames looked at so far.
        latencies_s: Of the last thousand frames, from arrival to answered.

    Raises:
        InputError: No query.
        QueryError: A query has no words.
    """

    def __init__(
        self,
        pictures: Iterable[Picture],
        queries: Sequence[str | Query],
        *,
        encoder: Encoder,
        embed: Embed | None = None,
        templates: Templates = "auto",
        settings: WatchSettings | None = None,
        distances: Sequence[float] = (),
        source: VideoSource | None = None,
    ) -> None:
        if isinstance(queries, str) or not queries:
            raise InputError(f"queries must be several texts, got {queries!r}", hint="put them in a list")
        calibration = calibrated(encoder)
        self._settings = settings or WatchSettings(confidence=confidence_settings(calibration))
        if self._settings.threshold is None:
            self._settings = replace(self._settings, threshold=calibration.min_confidence)
        self._distances = distances
        self._pictures, self._encoder = pictures, encoder
        self._embed = embed or self._whole
        self._source = source
        self.queries = tuple(map(read, queries))
        self.notices = tuple(
            dict.fromkeys(
                notice
                for query in self.queries
                for notice in (
                    *query.notices,
                    *check_language(encoder, query),
                    *left_aside(query, door="live"),
                )
            )
        )
        self._standing = [
            _Standing(
                one.typed if query.ordered or len(query.groups) > 1 else query.typed,
                prepare_query(encoder, one, templates=templates, settings=self._settings.confidence),
                self._settings,
                number,
            )
            for number, query in enumerate(self.queries)
            for one in query.alone()
        ]
        self.seen = 0
        self.latencies_s: deque[float] = deque(maxlen=1000)

    def __iter__(self) -> Iterator[Alert]:
        for picture in self._pictures:
            began = getattr(picture, "received_at", None) or time.monotonic()
            frame = picture.frame()
            vectors, boxes = self._embed(frame)
            self.seen += 1
            alerts = [s.answer(frame, vectors, boxes) for s in self._standing]
            latency = time.monotonic() - began
            self.latencies_s.append(latency)
            for answer in alerts:
                if answer is not None:
                    number, query, score, belief, box = answer
                    yield Alert(query, frame, score, belief, box, latency, number, self.domain)

    @property
    def domain(self) -> Known:
        """Whether the encoder was shown pictures like those of the last seconds."""
        near = [d for d in self._distances if d == d]
        if not near:
            return "unmeasured"
        return "outside" if float(np.median(near)) > 1 else "inside"

    @property
    def dropped(self) -> int:
        """Pictures passed over because they came while another was looked at; 0 for what can wait."""
        return int(getattr(self._source, "dropped", 0))

    def close(self) -> None:
        """End the stream; the iteration stops."""
        if self._source is not None:
            self._source.close()

    def _whole(self, frame: Frame) -> tuple[NDArray[np.floating], Sequence[Box | None]]:
        return self._encoder.embed_images([frame.image]), [None]


class _Standing:
    """One query and what it remembers: the last seconds of evidence, and whether the thing is there."""

    def __init__(self, text: str, query: TextQuery, settings: WatchSettings, number: int) -> None:
        self._text, self._query, self._settings, self._number = text, query, settings, number
        self._times: deque[float] = deque()
        self._alone: deque[float] = deque()
        self._last_there: float | None = None
        self._told_at: float | None = None

    def answer(
        self, frame: Frame, vectors: NDArray[np.floating], boxes: Sequence[Box | None]
    ) -> tuple[int, str, float, float, Box | None] | None:
        s, now = self._settings, frame.time_s
        shown = shown_in_frame(self._query, vectors, s.confidence)
        shown = shown * allowed_in_frame(self._query.without, vectors, boxes, s.confidence)
        best = int(np.argmax(shown))
        self._times.append(now)
        self._alone.append(float(shown[best]))
        while now - self._times[0] > _REMEMBERED_S:
            self._times.popleft()
            self._alone.popleft()
        belief = float(temporal_evidence(np.array(self._alone), np.array(self._times), s.confidence)[-1])
        if belief < (s.threshold or 0.0):
            return None
        there = self._last_there is not None and now - self._last_there <= s.leave_s
        self._last_there = now
        due = s.repeat_s is not None and self._told_at is not None and now - self._told_at >= s.repeat_s
        if there and not due:
            return None
        self._told_at = now
        score = float(np.clip(vectors[best] @ self._query.vector, -1, 1))
        return self._number, self._text, score, belief, boxes[best]
