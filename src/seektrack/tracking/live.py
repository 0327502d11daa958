"""Following objects of a stream as it comes: one frame at a time, forwards, with what is kept bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seektrack.anomaly import Anomaly
from seektrack.grounding import Grounder
from seektrack.query import Concept
from seektrack.tracking.anomalies import Onlooker, find_anomalies
from seektrack.tracking.engine import Engine
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.follow_settings import FollowSettings
from seektrack.tracking.identity import IdentityTracker
from seektrack.tracking.judge import belief, surest_concept
from seektrack.tracking.light import SameLight
from seektrack.tracking.motion import CameraMotion
from seektrack.tracking.passes import Pass, PassSettings
from seektrack.tracking.record import Record
from seektrack.tracking.where_to_look import Looks
from seektrack.types import Frame, Observation, Prompt, Track, Tracks, VideoInfo

KEPT_S = 6.0
"""Seconds of what was seen that are kept: for paths, and to tell where tracks are wrong."""
_CHECK_S = 0.5
"""Seconds from one check of the tracks to the next."""
_LOOKS = 24
"""Latest looks at an object that judge it."""


@dataclass(frozen=True)
class Seen:
    """What one frame showed.

    Attributes:
        objects: Each track that is shown, of the last `KEPT_S` seconds, and what is observed of it here.
        anomalies: What was found wrong at this frame, each told once.
    """

    objects: tuple[tuple[Track, Observation], ...]
    anomalies: tuple[Anomaly, ...]


class LiveFollower:
    """Follows what a text names, or what is pointed at, from frame to frame of a stream.

    Args:
        engine: The segmentation networks.
        info: Of the stream; every frame has its size.
        settings: How objects are found, followed and recognised.
        prompts: To be given on the first frame that comes.
        finds: With ``eyes`` and ``concepts``, finds what a text names; None follows prompts alone.
        eyes: Judge looks.
        concepts: What is asked for.
    """

    def __init__(
        self,
        engine: Engine,
        info: VideoInfo,
        *,
        settings: FollowSettings,
        prompts: Sequence[Prompt] = (),
        finds: Grounder | None = None,
        eyes: Eyes | None = None,
        concepts: Sequence[Concept] = (),
    ) -> None:
        identity = settings.identity if eyes is not None else replace(settings.identity, merge=False)
        self.info, self.settings, self.concepts = info, settings, tuple(concepts)
        self.record, self.tracker = Record(), IdentityTracker(info.hw, settings=identity)
        self._camera = CameraMotion()
        steps = PassSettings(settings.prompt, settings.look_every_s, depth=settings.depth)
        self._pass = Pass(
            engine, self.tracker, self.record, eyes=eyes, grounder=finds, settings=steps, camera=self._camera
        )
        self._looks = (
            None
            if eyes is None
            else Looks(eyes, frozenset(), settings.ground_every_s, settings.looks, camera=self._camera)
        )
        self._prompts = list(prompts)
        self._onlooker = Onlooker() if settings.anomalies is not None else None
        self._checked_s, self._told = 0.0, list[Anomaly]()
        self._was_away, self._light = False, SameLight()
        self._known: list[tuple[float, float, float, float]] = []

    def restart(self) -> None:
        """Take in that the stream was away until the next frame: nobody is where they were."""
        self._was_away = True
        self._light.restart()

    def step(self, frame: Frame) -> Seen:
        """Follow through the next frame."""
        frame = replace(frame, image=self._light(frame.image))
        prompts = [replace(p, frame_index=frame.index) for p in self._prompts]
        self._prompts = []
        if self._was_away:
            self.tracker.resume(frame.time_s - max(self.record.frame_times.values(), default=frame.time_s))
            self._was_away = False
        ground = self._wanted(frame)
        settled = self._pass.step(frame, prompts=prompts, ground=ground)
        self._known = [o.box for o in settled.observations.values() if o.visible]
        if ground and self._looks is not None:
            self._looks.looked(frame, self._known)
        self._forget(frame)
        shown = [(t, o) for t in self._tracks() if (o := t.at(frame.index)) is not None]
        return Seen(tuple(shown), self._anomalies(frame, shown))

    def _wanted(self, frame: Frame) -> bool:
        if self._looks is None:
            return False
        hidden = any(memory.hidden for memory in self.tracker.memories)
        wanted = self._looks.wanted(frame, known=self._known, hidden=hidden) is not None
        return wanted

    def _tracks(self) -> list[Track]:
        """What is shown of late: what was pointed at, or what is believed to be asked for."""
        out = []
        for obj_id, frames in sorted(self.record.observations.items()):
            label, score = self.record.labels.get(obj_id, ""), 1.0
            if self.concepts:
                k = surest_concept(self.record, obj_id, self.concepts)
                sure = belief(self.record, obj_id, self.concepts, k)
                if sure is None or sure < self.settings.min_confidence:
                    continue
                label, score = self.concepts[k].said, sure
            seen = tuple(frames[f] for f in sorted(frames))
            if seen:
                out.append(Track(obj_id, label, score, seen, absences=self.record.absences(obj_id)))
        return out

    def _forget(self, frame: Frame) -> None:
        """Drop what is older than what is kept."""
        times = self.record.frame_times
        first = min((f for f, t in times.items() if t >= frame.time_s - KEPT_S), default=frame.index)
        self.record.forget_before(first, looks=_LOOKS)
        for f in [f for f in self._camera.to_first if f < first]:
            del self._camera.to_first[f]
        if self._looks is not None:
            self._looks.forget_before(first)
        if self._onlooker is not None:
            self._onlooker.looks.forget_before(first)
        self._told = [a for a in self._told if a.last_frame >= first]

    def _anomalies(self, frame: Frame, shown: Sequence[tuple[Track, Observation]]) -> tuple[Anomaly, ...]:
        if self._onlooker is None:
            return ()
        self._onlooker.look(frame, [(t.obj_id, o) for t, o in shown])
        if frame.time_s - self._checked_s < _CHECK_S:
            return ()
        self._checked_s = frame.time_s
        kept = Tracks(self.info, "", tuple(self._tracks()), dict(self.record.frame_times))
        found = find_anomalies(kept, self._onlooker.looks, settings=self.settings.anomalies)
        new = tuple(a for a in found if not any(_same(a, told) for told in self._told))
        self._told += new
        return new


def _same(one: Anomaly, told: Anomaly) -> bool:
    """Whether an anomaly was told already: of one kind and object, of frames that meet."""
    return (
        one.kind == told.kind
        and one.obj_id == told.obj_id
        and one.first_frame <= told.last_frame + 1
        and one.last_frame >= told.first_frame - 1
    )
