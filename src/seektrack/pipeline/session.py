"""A tracking session: the objects followed through one video, put right by hand, kept and resumed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from seektrack.errors import InputError, ModelError, PromptError
from seektrack.pipeline import session_edits as edits
from seektrack.pipeline.models import Models
from seektrack.pipeline.session_asked import Asked, unpacked
from seektrack.pipeline.session_corrections import Corrected, Correction, together
from seektrack.pipeline.session_rows import (
    OWN,
    Named,
    Said,
    Seen,
    pack_named,
    pack_seen,
    unpack_named,
    unpack_seen,
)
from seektrack.pipeline.session_store import Changes, Edit, Key, SessionStore
from seektrack.types import Frame, Mask, Observation, Progress, Track, Tracks, VideoInfo

if TYPE_CHECKING:
    from seektrack.segmentation.network import ImageFeatures
    from seektrack.tracking.repair import Mended
    from seektrack.video import VideoInput, VideoSource

_KEPT = 4
"""Frames whose features are kept for the next click on them."""


class PropagatedMask(NamedTuple):
    """One object on one frame around a correction; ``mask`` is None where it is not seen."""

    frame_index: int
    obj_id: int
    mask: Mask | None


class TrackingSession:
    """The objects of one video, followed, put right by hand, saved as it goes.

    Made by :func:`seektrack.start_session` and :func:`seektrack.open_session`. Every edit is in the file
    before the method returns. One session may be used from several threads, and belongs to one process at a
    time.

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "followed" if self.followed else "to be followed"
        where, objects = str(self.path), sorted(self._objects)
        return f"TrackingSession({where!r}, {self.info.name!r}, {state}, objects={objects})"

    def close(self) -> None:
        """Let go of the file and the video; everything is kept already."""
        with self._lock:
            if "_source" in self.__dict__:
                self._source.close()
                del self.__dict__["_source"]
            self._store.close()

    def save(self, path: str | Path) -> None:
        """Write a copy of the session to another file.

        Raises:
            OutputError: It cannot be written.
        """
        with self._lock:
            self._store.save(Path(path))

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
            return Remarks.read(self._store.meta("remarks") or {}).onto(found)

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

    def follow(self, *, progress: Progress | None = None) -> Tracks:
        """Follow the video to its end where that was not done yet; corrections made meanwhile stand.

        Args:
            progress: Called with ``(done, total, stage)``.

        Raises:
            SeekTrackError: As :func:`seektrack.track_objects`.
        """
        from seektrack.pipeline.track import track_objects

        if self.followed:
            return self.tracks
        asked = self.asked
        self._check_networks()
        tracks = track_objects(
            self._video,
            asked.query,
            prompts=asked.prompts or None,
            model=self.models,
            opening=asked.opening,
            filters=asked.filters,
            templates=asked.templates,
            settings=asked.settings,
            progress=progress,
        )
        self.take_over(tracks, said={(p.obj_id, p.frame_index): Said.of_prompt(p) for p in asked.prompts})
        return self.tracks

    def take_over(self, tracks: Tracks, *, said: Mapping[Key, Said] | None = None) -> None:
        """Fill the session with tracks that were followed, here or elsewhere.

        Args:
            tracks: Of its video.
            said: What was pointed at, by object and frame.

        Raises:
            InputError: A mask is not of the size of the video's frames.
        """
        from seektrack.outputs.remarks import Remarks

        with self._lock:
            if self.followed:
                raise InputError("the session was followed already", hint="start another one")
            hw = self.info.hw
            taken = set(self._objects) if self.asked.query is not None else set[int]()
            free = (i for i in range(1, len(tracks) + len(taken) + 1) if i not in taken)
            rows: dict[Key, str | None] = {}
            for place, track in enumerate(tracks):
                obj_id = next(free) if taken else track.obj_id
                named = Named(track.label, track.score, place, track.domain, track.absences)
                rows[obj_id, OWN] = pack_named(named)
                for o in track.observations:
                    if o.mask is not None and o.mask.size != hw:
                        raise InputError(
                            f"object {obj_id} has masks of {o.mask.size}, the video's frames are {hw}"
                        )
                    rows[obj_id, o.frame_index] = pack_seen(
                        Seen(o, (said or {}).get((obj_id, o.frame_index)))
                    )
            told = {"followed": True, "remarks": Remarks.of(tracks).to_dict()}
            self._store.fill(rows, tracks.frame_times, told)
            self._read()

    def correct(self, correction: Correction) -> Corrected:
        """Put an object right on one frame, or add one; it stays so whatever the network says.

        The frames around it follow with `propagate`. No other object is touched.

        Args:
            correction: Clicks, a box or a mask.

        Returns:
            The object and its mask on that frame.

        Raises:
            PromptError: There is no such frame, the clicks contradict each other or an earlier correction,
                lie outside the picture, or leave nothing of the object.
            InputError: There is no such object.
            ModelError: The network is another one than the session was made with.
        """
        from seektrack.segmentation.prompts import check_prompt

        with self._lock:
            f = correction.frame_index
            new = correction.obj_id is None
            obj_id = self._next_id() if correction.obj_id is None else correction.obj_id
            held = None if new else edits.known(self._objects, obj_id)
            frame = self.frame(f)
            check_prompt(correction.prompt(obj_id), frame.hw)
            if new and not (correction.positive or correction.box is not None or correction.mask is not None):
                raise PromptError(
                    "a new object is given by clicks that are not on it", hint="click on it, or draw a box"
                )
            earlier = None if held is None else held.frames.get(f)
            others = {
                i: other.frames[f].said or Said()
                for i, other in self._objects.items()
                if i != obj_id and f in other.frames
            }
            said = together(correction, obj_id, None if earlier is None else earlier.said, others)
            mask = correction.mask or self._mask(obj_id, f, said, earlier)
            if mask.box is None:
                raise PromptError(
                    "the clicks leave nothing of the object", hint="click on the object as well"
                )
            named = Named(correction.label, 1.0, self._next_place()) if held is None else held.named
            seen = Seen(Observation(f, frame.time_s, mask.box, mask, 1.0), said)
            self._do(
                "correct",
                {**correction.to_dict(), "obj_id": obj_id},
                {
                    (obj_id, OWN): pack_named(replace(named, absences=edits.without(named.absences, {f}))),
                    (obj_id, f): pack_seen(seen),
                },
            )
            return Corrected(obj_id, f, mask)

    def propagate(self, *, progress: Progress | None = None) -> Iterator[PropagatedMask]:
        """Repair the frames around every correction, forwards and backwards.

        An object is followed from where it was put right until the next frame that is sure: one a person put
        right, or where the earlier track agrees for some frames. Those frames alone change, of that object
        alone. What is followed around one frame is kept when all of it is there; a generator closed before
        that leaves the session as it was, and `pending` says so.

        Args:
            progress: Called with ``(done, total, stage)`` after every frame; the total is not known.

        Yields:
            Every object on every frame as it is followed.
        """
        done: set[int] = set()
        while True:
            with self._lock:
                due = [(e, i) for e, i in edits.pending(self._store.edits()) if e.id not in done]
                if not due:
                    return
                start = min(int(e.what["frame_index"]) for e, _ in due)
                here = [(e, i) for e, i in due if int(e.what["frame_index"]) == start]
            done.update(e.id for e, _ in here)
            yield from self._repair(start, here, progress)

    def rename(self, obj_id: int, label: str) -> None:
        """Call an object something else.

        Raises:
            InputError: There is no such object.
        """
        with self._lock:
            self._do(
                "rename", {"obj_id": obj_id, "label": label}, edits.renamed(self._objects, obj_id, label)
            )

    def merge(self, obj_id: int, into: int) -> None:
        """Make one object part of another; where both are seen the other's masks stand.

        Raises:
            InputError: There is no such object, or they are one.
        """
        with self._lock:
            self._do("merge", {"obj_id": obj_id, "into": into}, edits.merged(self._objects, obj_id, into))

    def split(self, obj_id: int, frame_index: int) -> int:
        """Make an object of its own of what an object is from a frame on.

        Returns:
            The id of the new object.

        Raises:
            InputError: There is no such object, or one part would be empty.
        """
        with self._lock:
            new_id = self._next_id()
            changes = edits.split(self._objects, obj_id, frame_index, new_id, self._next_place())
            self._do("split", {"obj_id": obj_id, "frame_index": frame_index, "new_id": new_id}, changes)
            return new_id

    def delete(self, obj_id: int) -> None:
        """Take an object out.

        Raises:
            InputError: There is no such object.
        """
        with self._lock:
            self._do("delete", {"obj_id": obj_id}, edits.deleted(self._objects, obj_id))

    def undo(self) -> Edit:
        """Take back the latest edit and everything repaired since; every byte is as it was before it.

        Raises:
            InputError: There is nothing to undo.
        """
        return self._back(self._store.undo, "undo")

    def redo(self) -> Edit:
        """Do again what was undone last.

        Raises:
            InputError: There is nothing to redo.
        """
        return self._back(self._store.redo, "redo")

    @cached_property
    def asked(self) -> Asked:
        """What the session was asked."""
        asked: Asked = unpacked(self._store.meta("asked"))
        return asked

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
        try:
            for obj_id, frame_index, value in rows:
                if frame_index == OWN:
                    self._objects[obj_id] = edits.Held(unpack_named(value))
                else:
                    self._objects[obj_id].frames[frame_index] = unpack_seen(frame_index, value)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the session {self.path} is damaged: {error}") from error
        self._frames = self._store.frames()

    def _apply(self, changes: Changes) -> None:
        """Take in what was written to the file."""
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

    def _mask(self, obj_id: int, frame_index: int, said: Said, earlier: Seen | None) -> Mask:
        """The mask that a person's clicks ask for."""
        from seektrack.segmentation.clicks import Clicks, Expected, mask_of_clicks

        frame, features = self._looked(frame_index)
        held = self._objects.get(obj_id)
        before = None
        if earlier is not None and earlier.observation.visible and earlier.observation.mask is not None:
            before = earlier.observation.mask.to_array()
        expected = Expected(before, None if held is None else _usual_area(held.frames, frame_index))
        clicks = Clicks(said.positive, said.negative, said.box)
        mask = mask_of_clicks(self.models.sam2, features, frame.image, clicks, expected)
        return Mask.from_array(self._less_others(mask, obj_id, frame_index, said))

    def _less_others(self, mask: Any, obj_id: int, frame_index: int, said: Said) -> Any:
        """The mask without what bled over onto other objects, unless the clicks lie there."""
        from seektrack.segmentation.clicks import pixel_of

        hw = (int(mask.shape[0]), int(mask.shape[1]))
        for other, theirs in self.masks(frame_index).items():
            pixels = theirs.to_array()
            clicked = any(pixels[pixel_of(p, hw)] for p in said.positive)
            if other != obj_id and not clicked and 0 < (mask & pixels).sum() < 0.5 * mask.sum():
                mask = mask & ~pixels
        return mask

    def _looked(self, frame_index: int) -> tuple[Frame, ImageFeatures]:
        """A frame and its features, kept for the next click on it."""
        if frame_index not in self._features:
            self._check_networks()
            frame = self.frame(frame_index)
            self._features[frame_index] = frame, self.models.sam2.encode(frame.image)
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

    def _repair(
        self, start: int, due: Sequence[tuple[Edit, int]], progress: Progress | None
    ) -> Iterator[PropagatedMask]:
        """Follow anew what was put right on one frame, and keep it when all of it is there."""
        from seektrack.tracking.engine import Sam2Engine
        from seektrack.tracking.repair import Earlier, Repair

        self._check_networks()
        with self._lock:
            known = {}
            for _, obj_id in due:
                held = self._objects.get(obj_id)
                if held is None or start not in held.frames or held.frames[start].said is None:
                    continue
                sure = {
                    f: s.observation.mask
                    for f, s in held.frames.items()
                    if s.said is not None and s.observation.mask is not None
                }
                track = {f: s.observation for f, s in held.frames.items()}
                known[obj_id] = Earlier(sure, track, held.named.label)
            stamps = {obj_id: self._stamps.get(obj_id, 0) for obj_id in known}
        engine = Sam2Engine(self.models.sam2, self.asked.settings.engine)
        both = []
        with self._opened() as source:
            count = 0
            for direction in (1, -1) if known else ():
                repair = Repair(
                    engine,
                    source,
                    start,
                    known,
                    direction=1 if direction > 0 else -1,
                    settings=self.asked.settings,
                )
                for one in repair:
                    o = one.observation
                    count += 1
                    if progress is not None:
                        progress(count, 0, "repairing")
                    yield PropagatedMask(
                        one.frame_index, one.obj_id, None if o is None or not o.visible else o.mask
                    )
                both.append(repair.mended)
            times = self._new_times(source, both)
        with self._lock:
            changes: dict[Key, str | None] = {}
            mended = [i for i in known if self._stamps.get(i, 0) == stamps[i]]
            self._frames = dict(sorted((self._frames | times).items()))
            for obj_id in mended:
                changes |= self._mended(obj_id, [one[obj_id] for one in both])
            top = max(e.id for e in self._store.edits() if not e.undone)
            repaired = [e.id for e, i in due if i in mended or i not in known]
            self._store.extend(top, changes, repaired, times)
            self._apply(changes)

    def _new_times(self, source: VideoSource, both: Sequence[Mapping[int, Mended]]) -> dict[int, float]:
        """Seconds of frames that were never gone through before."""
        new = {f for mended in both for one in mended.values() for f in one.observations} - set(self._frames)
        if not new:
            return {}
        times, first = source.times(), source.first_index
        return {f: float(times[f - first]) for f in new}

    def _mended(self, obj_id: int, both: Sequence[Mended]) -> Changes:
        """The rows of one object after the frames on both sides were followed anew."""
        from seektrack.tracking.repair import Mended, mended_absences

        held = self._objects[obj_id]
        whole = Mended(
            [f for one in both for f in one.frames],
            {f: o for one in both for f, o in one.observations.items()},
            {f: why for one in both for f, why in one.away.items()},
        )
        changes: dict[Key, str | None] = {}
        observed = {f: s.observation for f, s in held.frames.items()}
        for f in whole.frames:
            seen = whole.observations.get(f)
            if seen is None:
                observed.pop(f, None)
            else:
                observed[f] = seen
            changes[obj_id, f] = None if seen is None else pack_seen(Seen(seen))
        absences = mended_absences(held.named.absences, whole, sorted(self._frames), observed)
        changes[obj_id, OWN] = pack_named(replace(held.named, absences=absences))
        return changes


def _usual_area(frames: Mapping[int, Seen], frame_index: int) -> float | None:
    """Pixels an object has on frames near one, those a person put right first; None where nobody knows."""
    seen = [s for f, s in frames.items() if s.observation.visible and s.observation.mask and f != frame_index]
    sure = [s for s in seen if s.said is not None]
    near = sorted(sure or seen, key=lambda s: abs(s.observation.frame_index - frame_index))[:9]
    areas = [s.observation.mask.area for s in near if s.observation.mask is not None]
    return float(np.median(areas)) if areas else None


@contextmanager
def closing_on_error(session: TrackingSession) -> Iterator[TrackingSession]:
    """A session that is closed where something fails while it is set up."""
    try:
        yield session
    except BaseException:
        session.close()
        raise
