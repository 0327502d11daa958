"""What a tracking session holds in memory of its file, and how the two are kept alike."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from seektrack.anomaly import Anomaly
from seektrack.errors import InputError, ModelError, PromptError
from seektrack.pipeline import session_edits as edits
from seektrack.pipeline.models import Models
from seektrack.pipeline.session_asked import Asked, unpacked
from seektrack.pipeline.session_checks import reading
from seektrack.pipeline.session_rows import OWN, unpack_named, unpack_seen
from seektrack.pipeline.session_store import Changes, Edit, SessionStore
from seektrack.types import Frame, Mask, Track, Tracks, VideoInfo

if TYPE_CHECKING:
    from seektrack.segmentation import Sam2
    from seektrack.segmentation.network import ImageFeatures
    from seektrack.video import VideoInput, VideoSource

_KEPT = 4
"""Frames whose features are kept for the next click on them."""


class HeldSession:
    """A session as it stands: its tracks, edits, frames; see `seektrack.pipeline.session.TrackingSession`.

    Args:
        store: Its file.
        video: The video, as it was opened.
        models: The networks.

    Attributes:
        path: Its file; None for a session in memory.
    """

    def __init__(self, store: SessionStore, video: VideoInput, models: Models) -> None:
        self._store, self._video, self.models = store, video, models
        self.path = store.path
        self._lock = RLock()
        self._objects: dict[int, edits.Held] = {}
        self._stamps: dict[int, int] = {}
        self._tracks: dict[int, Track] = {}
        self._frames: dict[int, float] = {}
        self._features: OrderedDict[int, tuple[Frame, ImageFeatures]] = OrderedDict()
        self._read()

    @property
    def info(self) -> VideoInfo:
        """What is known of the video."""
        return self._source.info

    @property
    def query(self) -> str:
        """The text that was asked for; empty when objects were pointed at."""
        return str(self._store.meta("query") or "")

    @property
    def followed(self) -> bool:
        """Whether the video was followed to its end; `follow` does what is missing."""
        return bool(self._store.meta("followed"))

    @property
    def tracks(self) -> Tracks:
        """The tracks as they are now."""
        from seektrack.outputs.remarks import Remarks

        with self._lock:
            order = sorted(self._objects, key=lambda i: (self._objects[i].named.place, i))
            for obj_id in order:
                if obj_id not in self._tracks:
                    self._tracks[obj_id] = self._objects[obj_id].track(obj_id)
            tracks = tuple(self._tracks[i] for i in order if self._objects[i].frames)
            found = Tracks(self.info, self.query, tracks, dict(self._frames))
            told = Remarks.read(self._store.meta("remarks") or {})
            return replace(told, anomalies=self._still_wrong(told.anomalies)).onto(found)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Everything that was done by hand, in order; undone edits come last."""
        with self._lock:
            return tuple(self._store.edits())

    @property
    def pending(self) -> tuple[int, ...]:
        """Objects that were put right on a frame while the frames around it are still as they were."""
        with self._lock:
            return tuple(dict.fromkeys(obj_id for _, obj_id in edits.pending(self._store.edits())))

    def masks(self, frame_index: int) -> dict[int, Mask]:
        """Masks of the objects seen on a frame, by id; nothing is computed."""
        with self._lock:
            found = ((i, held.frames.get(frame_index)) for i, held in self._objects.items())
            return {
                i: s.observation.mask
                for i, s in found
                if s is not None and s.observation.visible and s.observation.mask is not None
            }

    def frame(self, frame_index: int) -> Frame:
        """A frame of the video, as it is looked at.

        Raises:
            PromptError: The video has no such frame, or the session does not show it.
        """
        with self._lock:
            start, stop = self._source._range()
            if not start <= frame_index < stop:
                frames = f"frames are {start} to {stop - 1}" if stop > start else "it shows no frames"
                raise PromptError(f"there is no frame {frame_index} in {self.info.path}", hint=frames)
            if frame_index in self._features:
                return self._features[frame_index][0]
            return self._source.frame_at(frame_index)

    def rest(self) -> None:
        """Let go of the video's decoder, the largest thing held, until a frame is asked for again."""
        from seektrack.segmentation.heap import release_free_memory

        with self._lock:
            if "_source" in self.__dict__:
                self._source.close()
        release_free_memory()

    def _still_wrong(self, anomalies: tuple[Anomaly, ...]) -> tuple[Anomaly, ...]:
        """What was found wrong, less what a person put right on one of its frames."""
        right = self._store.put_right() if anomalies else set()
        return tuple(
            a
            for a in anomalies
            if not any((a.obj_id, f) in right for f in range(a.first_frame, a.last_frame + 1))
        )

    @cached_property
    def asked(self) -> Asked:
        """What the session was asked."""
        asked = unpacked(self._store.meta("asked"))
        if not isinstance(asked, Asked):
            raise InputError(f"the session {self.path} is damaged: it does not hold what it was asked")
        return asked

    @cached_property
    def sam2(self) -> Sam2:
        """The segmenter, with the set of weights that was chosen for this video at first."""
        own, chosen = self.models.sam2, self._store.meta("weights")
        if chosen is not None:
            return own.of(str(chosen))
        with self._opened() as source:
            found = own.for_video(source)
        if found.weights:
            self._store.put_meta({"weights": found.weights})
        return found

    @cached_property
    def _source(self) -> VideoSource:
        return self._opened()

    def _opened(self) -> VideoSource:
        """The video as it is looked at."""
        from seektrack.video.filtered import FilteredSource
        from seektrack.video.filters import parse_filter

        source = self.asked.opening.open(self._video)
        return (
            source if self.asked.filters is None else FilteredSource(source, parse_filter(self.asked.filters))
        )

    def _read(self) -> None:
        """Take in what the file holds.

        Raises:
            InputError: A row cannot be read.
        """
        self._objects, self._tracks = {}, {}
        rows = list(self._store.rows())
        with reading(self.path):
            for obj_id, frame_index, value in rows:
                if frame_index == OWN:
                    self._objects[obj_id] = edits.Held(unpack_named(value))
                else:
                    self._objects[obj_id].frames[frame_index] = unpack_seen(frame_index, value)
        self._frames = self._store.frames()

    def _apply(self, changes: Changes) -> None:
        """Take in what was written to the file."""
        with reading(self.path):
            self._take(changes)

    def _take(self, changes: Changes) -> None:
        for (obj_id, frame_index), value in sorted(changes.items(), key=lambda c: c[0]):
            self._tracks.pop(obj_id, None)
            self._stamps[obj_id] = self._stamps.get(obj_id, 0) + 1
            if frame_index == OWN and value is None:
                self._objects.pop(obj_id, None)
            elif frame_index == OWN and value is not None:
                frames = self._objects[obj_id].frames if obj_id in self._objects else {}
                self._objects[obj_id] = edits.Held(unpack_named(value), frames)
            elif obj_id in self._objects and value is None:
                self._objects[obj_id].frames.pop(frame_index, None)
            elif obj_id in self._objects and value is not None:
                self._objects[obj_id].frames[frame_index] = unpack_seen(frame_index, value)

    def _do(self, kind: str, what: Mapping[str, Any], changes: Changes) -> None:
        self._store.add(kind, what, changes)
        self._apply(changes)

    def _back(self, step: Any, what: str) -> Edit:
        with self._lock:
            found = step()
            if found is None:
                raise InputError(
                    f"there is nothing to {what}", hint="edits of this session are listed by edits"
                )
            edit: Edit = found[0]
            self._apply(found[1])
            return edit

    def _next_id(self) -> int:
        pointed = [p.obj_id for p in self.asked.prompts]
        return max([0, *self._objects, *pointed]) + 1

    def _next_place(self) -> int:
        return max((held.named.place for held in self._objects.values()), default=-1) + 1

    def _looked(self, frame_index: int) -> tuple[Frame, ImageFeatures]:
        """A frame and its features, kept for the next click on it."""
        if frame_index not in self._features:
            self._check_networks()
            frame = self.frame(frame_index)
            self._features[frame_index] = frame, self.sam2.encode(frame.image)
            if len(self._features) > _KEPT:
                self._features.popitem(last=False)
        self._features.move_to_end(frame_index)
        return self._features[frame_index]

    def _check_networks(self) -> None:
        """Refuse another segmenter than the one the session was made with.

        Raises:
            ModelError: It is another one.
        """
        if self.__dict__.get("_checked"):
            return
        own, kept = self.models.sam2_fingerprint, self._store.meta("network")
        if kept is None:
            self._store.put_meta({"network": own})
        elif kept != own:
            made_with = self._store.meta("model")
            raise ModelError(
                f"the session {self.path} was made with another segmenter than {self.models.sam2_name!r}",
                hint=f"it was made with {made_with!r}; take that model, or start another session",
            )
        self.__dict__["_checked"] = True
