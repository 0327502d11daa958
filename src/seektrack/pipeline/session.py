"""A tracking session: the objects followed through one video, put right by hand, kept and resumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seektrack import defaults
from seektrack.closing import Closing
from seektrack.errors import InputError, PromptError
from seektrack.pipeline import session_edits as edits
from seektrack.pipeline.session_clicks import clicked_mask
from seektrack.pipeline.session_corrections import Corrected, Correction, together
from seektrack.pipeline.session_edited import EditedSession
from seektrack.pipeline.session_repair import PropagatedMask, repair_around
from seektrack.pipeline.session_rows import (
    OWN,
    Named,
    Said,
    Seen,
    pack_named,
    pack_seen,
)
from seektrack.pipeline.session_store import Key
from seektrack.types import Observation, Progress, Tracks

if TYPE_CHECKING:
    from seektrack.outputs import OverlayStyle


class TrackingSession(EditedSession, Closing):
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

    def write(
        self,
        folder: str | Path,
        *,
        formats: Iterable[str] = defaults.FORMATS,
        overlay: bool | str | OverlayStyle = True,
        progress: Progress | None = None,
    ) -> Tracks:
        """Write the tracks as they are now, as :func:`seektrack.track_objects` does with ``out``.

        Returns:
            The tracks written.

        Raises:
            InputError: A format or render mode is unknown.
            OutputError: The folder cannot be written.
        """
        from seektrack.pipeline.checks import check_outputs
        from seektrack.pipeline.source_to_tracks import write_results

        tracks = self.tracks
        chosen = check_outputs(folder, formats, overlay=overlay, sources=[self.info.path])
        with self.asked.opening.open(self._video) as source:
            write_results(tracks, source, Path(folder), chosen, overlay=overlay, progress=progress)
        return tracks

    def follow(self, *, progress: Progress | None = None) -> Tracks:
        """Follow the video to its end where that was not done yet; corrections made meanwhile stand.

        Killed at any instant, it goes on from where it was some seconds before, with the same result.

        Args:
            progress: Called with ``(done, total, stage)``.

        Raises:
            SeekTrackError: As :func:`seektrack.track_objects`.
        """
        from seektrack.tracking.logged import LogEndedError

        if self.followed:
            return self.tracks
        self._check_networks()
        try:
            tracks = self._follow(progress)
        except LogEndedError:
            self._store.forget_log()
            tracks = self._follow(progress)
        pointed = {(p.obj_id, p.frame_index): Said.of_prompt(p) for p in self.asked.prompts}
        self.take_over(tracks, said=pointed)
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
            mask = correction.mask or clicked_mask(self, obj_id, f, said)
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
            yield from repair_around(self, start, here, progress)

    def _follow(self, progress: Progress | None) -> Tracks:
        """Follow, from where a log of it ends where there is one."""
        from seektrack.pipeline.session_log import FollowLog
        from seektrack.pipeline.source_to_tracks import follow_source
        from seektrack.tracking.engine import Sam2Engine
        from seektrack.tracking.logged import LoggedEngine

        asked = self.asked
        engine = Sam2Engine(self.sam2, asked.settings.engine)
        with self._opened() as source:
            tracks = follow_source(
                source,
                self.models,
                asked.query,
                asked.prompts,
                settings=asked.settings,
                engine=LoggedEngine(engine, FollowLog(self._store)),
                templates=asked.templates,
                progress=progress,
            )
            return replace(tracks, damage="" if source.damage is None else str(source.damage))


@contextmanager
def closing_on_error(session: TrackingSession) -> Iterator[TrackingSession]:
    """A session that is closed where something fails while it is set up."""
    try:
        yield session
    except BaseException:
        session.close()
        raise
