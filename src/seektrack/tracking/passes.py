"""One pass of the engine over frames, in either direction, under the eyes of the identity layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from seektrack.encoders.shots import CutFinder
from seektrack.geometry import Box
from seektrack.grounding import Grounder, PromptKind, make_prompt
from seektrack.tracking.candidates import candidates_on
from seektrack.tracking.cues import Cues, cues_of
from seektrack.tracking.depth import DepthSource
from seektrack.tracking.engine import Engine, MasksLike, masks_in
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.halves import TouchingLooks
from seektrack.tracking.identity import IdentityTracker
from seektrack.tracking.memory import Detection, FrameIdentities
from seektrack.tracking.motion import CameraMotion
from seektrack.tracking.record import Look, Record
from seektrack.tracking.seek import Glance
from seektrack.tracking.surroundings import Surroundings
from seektrack.types import Frame, Mask, Observation, Prompt

_ASKED = 0.75
"""Belief in what the engine sees where it was told to look: enough to be shown, not to learn looks from."""


@dataclass(frozen=True)
class PassSettings:
    """How a pass prompts and looks.

    Attributes:
        prompt: What the engine is given of a grounded mask.
        look_every_s: Seconds between two looks at an object that is in sight.
        backwards: Whether the frames come in decreasing order.
        depth: Gives a frame's depth where pixels are claimed twice; None without a source.
        refresh_iou: A grounded mask that overlaps the engine's by less may replace it.
        shrink_gain: A smaller one has to be this many times as sure; a larger, `GroundSettings.join_gain`.
    """

    prompt: PromptKind = "box_point"
    look_every_s: float = 0.5
    backwards: bool = False
    depth: DepthSource | None = None
    refresh_iou: float = 0.6
    shrink_gain: float = 1.3


class Pass:
    """Steps the engine frame by frame and writes down what the identity layer believes.

    Args:
        engine: The segmentation networks.
        tracker: The identity layer.
        record: Where observations and looks are written.
        eyes: Judge looks; None where no text is asked for.
        grounder: Finds newcomers and lost objects; none are looked for when None.
        settings: See `PassSettings`.
        camera: Told of every frame; one of its own when None.
    """

    def __init__(
        self,
        engine: Engine,
        tracker: IdentityTracker,
        record: Record,
        *,
        eyes: Eyes | None = None,
        grounder: Grounder | None = None,
        settings: PassSettings | None = None,
        camera: CameraMotion | None = None,
    ) -> None:
        self.engine = engine
        self.tracker = tracker
        self.record = record
        self.eyes = eyes
        self.grounder = grounder
        self.settings = settings or PassSettings()
        self.session = engine.session()
        self._last_look: dict[int, float] = {}
        self._halves = TouchingLooks(None if self.settings.backwards else eyes, self.settings.look_every_s)
        self._begins_shot = CutFinder()
        self.camera = camera or CameraMotion()

    @property
    def following(self) -> list[int]:
        """Ids the engine follows now."""
        return list(self.session.obj_ids)

    def step(self, frame: Frame, *, prompts: Sequence[Prompt] = (), ground: bool = False) -> FrameIdentities:
        """Take the next frame.

        Args:
            frame: The frame.
            prompts: For this frame, under their own ids; their masks are beyond doubt here.
            ground: Look for newcomers and lost objects.

        Returns:
            What the identity layer settled.
        """
        features: Any = None
        detections: list[Detection] = []
        if self._begins_shot(frame.image):
            self.tracker.cut()
            ground = True
        self.camera.update(frame.index, frame.image)
        for prompt in prompts:
            self.session.add(prompt)
            self.record.labels.setdefault(prompt.obj_id, prompt.label)
            self.record.sightings.setdefault(prompt.obj_id, []).append(frame.index)
        if prompts or self.session.obj_ids:
            features = self.engine.encode(frame.image)
            answer = self.session.step(features, frame.index)
            detections = self._detections(frame, answer, {p.obj_id: p for p in prompts})
        if ground and self.eyes is not None and self.grounder is not None:
            features = self.engine.encode(frame.image) if features is None else features
            followed = [(d.label, d.mask) for d in detections if d.mask is not None]
            detections += candidates_on(
                frame, features, engine=self.engine, grounder=self.grounder, eyes=self.eyes, followed=followed
            )
        deep = self.settings.depth
        settled = self.tracker.update(
            frame.index,
            frame.time_s,
            detections,
            image=frame.image,
            camera=self.camera.step,
            glance=None if features is None else self._glance(frame, features),
            depth=None if deep is None else cache(partial(deep, frame)),
        )
        seen = (o for o in settled.observations.values() if o.visible)
        self.camera.apart_from = [o.box for o in seen]
        for pair in settled.swapped:
            self.session.swap(*pair)
        for obj_id in settled.doubted & set(self.session.obj_ids):
            self.session.leave_out(obj_id)
        candidates = [d for d in detections if d.obj_id is None]
        better = self._better(frame, settled, detections)
        self._prompt_engine(frame, features, settled, candidates, better)
        self._look_down(frame, settled, detections)
        self._halves.look(self.record, frame, settled.observations)
        for obj_id in settled.dropped:
            if obj_id in self.session.obj_ids:
                self.session.remove(obj_id)
        self.record.write(settled, backwards=self.settings.backwards)
        self.record.frame_times[frame.index] = frame.time_s
        return settled

    def stop_following(self, obj_id: int) -> None:
        """Take one object out of the engine."""
        if obj_id in self.session.obj_ids:
            self.session.remove(obj_id)

    def _detections(self, frame: Frame, answer: MasksLike, prompted: dict[int, Prompt]) -> list[Detection]:
        """The engine's masks that are not empty, with a look at those due for one."""
        found: list[tuple[int, Mask, float]] = []
        cues: list[Cues] = []
        answers = zip(answer.obj_ids, answer.masks(), answer.object_scores, answer.pointers, strict=True)
        for obj_id, pixels, score, pointer in answers:
            if pixels.any():
                found.append((obj_id, Mask.from_array(np.ascontiguousarray(pixels)), float(score)))
                cues.append(cues_of(frame.image, pixels, pointer=pointer))
        due = [k for k, (obj_id, _, _) in enumerate(found) if self._due(obj_id, frame.time_s)]
        looks: dict[int, tuple[Any, tuple[float, ...]]] = {}
        if self.eyes is not None and due:
            embeddings, claims = self.eyes.look(frame.image, [found[k][1] for k in due])
            told = claims.tolist() if self.eyes.judges else [()] * len(due)
            looks = {k: (e, tuple(c)) for k, e, c in zip(due, embeddings, told, strict=True)}
        out = []
        for k, (obj_id, mask, score) in enumerate(found):
            box = mask.box
            if box is None:
                continue
            embedding, claimed = looks.get(k, (None, ()))
            label = self.record.labels.get(obj_id, "")
            sure = self.eyes.share(label, claimed) if self.eyes is not None and claimed else None
            trusted = obj_id in prompted
            out.append(Detection(box, mask, score, obj_id, embedding, sure, label, trusted, claimed, cues[k]))
        return out

    def _due(self, obj_id: int, time_s: float) -> bool:
        """An object is looked at at intervals, and always when it seems to come back."""
        memory = self.tracker.memory(obj_id)
        if memory is None or memory.hidden or memory.strikes:
            return True
        last = self._last_look.get(obj_id)
        return last is None or abs(time_s - last) >= self.settings.look_every_s - 1e-6

    def _glance(self, frame: Frame, features: Any) -> Glance:
        """A closer look at a frame; over all of it where no grounding does that."""
        anywhere = None
        if self.grounder is None and self.eyes is not None and not self.settings.backwards:
            there = Surroundings(frame, features, self.engine, self.eyes, self.eyes.settings, _ASKED)
            anywhere = partial(there.like, settings=self.tracker.settings.likeness)
        return Glance(frame.image, partial(self._ask, frame, features), anywhere)

    def _ask(self, frame: Frame, features: Any, boxes: Sequence[Box]) -> list[Detection | None]:
        """What the engine sees in boxes of this frame, where it is not followed."""
        made = masks_in(self.engine, features, frame.index, boxes)
        held = [mask for mask in made if mask is not None and mask.box is not None]
        looks = iter(self.eyes.look(frame.image, held)[0] if self.eyes is not None and held else ())
        return [
            None
            if mask is None or mask.box is None
            else Detection(
                mask.box,
                mask,
                _ASKED,
                embedding=next(looks, None),
                cues=cues_of(frame.image, mask.to_array()),
            )
            for mask in made
        ]

    def _prompt_engine(
        self,
        frame: Frame,
        features: Any,
        settled: FrameIdentities,
        candidates: Sequence[Detection],
        better: frozenset[int],
    ) -> None:
        """Tell the engine of newcomers, of those recognised, and of better masks."""
        wanted = {*settled.new, *settled.revived}
        prompted = False
        for k, (obj_id, candidate) in enumerate(zip(settled.candidate_ids, candidates, strict=True)):
            if (obj_id not in wanted and k not in better) or candidate.mask is None:
                continue
            score = 1.0 if candidate.confidence is None else candidate.confidence
            self.session.add(
                make_prompt(
                    candidate.mask,
                    obj_id,
                    frame.index,
                    kind=self.settings.prompt,
                    score=score,
                    label=candidate.label,
                )
            )
            wanted.discard(obj_id)
            prompted = True
            self.record.labels.setdefault(obj_id, candidate.label)
            self.record.sightings.setdefault(obj_id, []).append(frame.index)
        for obj_id, mask in settled.corrected.items():
            self.session.add(Prompt(obj_id, frame.index, mask=mask))
            self.record.sightings.setdefault(obj_id, []).append(frame.index)
            prompted = True
        if prompted:
            self.session.step(features, frame.index)

    def _better(
        self, frame: Frame, settled: FrameIdentities, detections: Sequence[Detection]
    ) -> frozenset[int]:
        """Candidates that show a followed object clearly better than the engine's mask of it.

        The engine may hold on to a part, or bleed over its border, until it is told again. The observation of
        the frame becomes the candidate's.
        """
        if self.eyes is None or not self.eyes.judges or self.eyes.settings.join_gain <= 0:
            return frozenset()
        engine = {d.obj_id: d for d in detections if d.obj_id is not None}
        candidates = [d for d in detections if d.obj_id is None]
        best: dict[int, int] = {}
        for k, (obj_id, c) in enumerate(zip(settled.candidate_ids, candidates, strict=True)):
            mask = engine[obj_id].mask if obj_id in engine and obj_id not in settled.revived else None
            if mask is None or c.mask is None or c.mask.iou(mask) >= self.settings.refresh_iou:
                continue
            if obj_id not in best or (c.confidence or 0) > (candidates[best[obj_id]].confidence or 0):
                best[obj_id] = k
        out = set()
        for obj_id, k in best.items():
            mask, candidate = engine[obj_id].mask, candidates[k]
            if mask is None or candidate.mask is None or obj_id not in settled.observations:
                continue
            larger = candidate.mask.area > mask.area
            least = self.eyes.settings.join_gain if larger else self.settings.shrink_gain
            if self.eyes.gain(frame.image, candidate.label, candidate.mask, mask) >= least:
                out.add(k)
                settled.observations[obj_id] = Observation(
                    frame.index, frame.time_s, candidate.box, candidate.mask, candidate.score
                )
        return frozenset(out)

    def _look_down(self, frame: Frame, settled: FrameIdentities, detections: Sequence[Detection]) -> None:
        """Write down the looks taken on this frame at what was believed."""
        ids = iter(settled.candidate_ids)
        for detection in detections:
            obj_id = next(ids) if detection.obj_id is None else detection.obj_id
            seen = settled.observations.get(obj_id)
            if seen is None or not seen.visible:
                continue
            if detection.embedding is not None:
                self._last_look[obj_id] = frame.time_s
            if detection.confidence is None:
                continue
            area = detection.mask.area if detection.mask is not None else 0
            look = Look(frame.index, detection.confidence, area, detection.claims)
            self.record.looks.setdefault(obj_id, []).append(look)
