"""Sessions made of the prompts a ``VideoPredictor`` was given, for whatever is asked of them next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from seektrack.segmentation.features import ImageFeatures
from seektrack.segmentation.flow_session import FlowSession
from seektrack.segmentation.inference_state import InferenceState
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.memory import ObjectMemory, Row
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.propagation import PropagationSettings
from seektrack.segmentation.session import VideoSession
from seektrack.types import Frame, Prompt
from seektrack.video import VideoSource


@dataclass(frozen=True)
class VideoSessions:
    """Makes sessions of what a state holds; each is used once and dropped.

    Attributes:
        sam2: The network, with one set of weights for all of the video.
        max_objects_per_batch: Objects computed at once.
        propagation: How masks get from frame to frame.
    """

    sam2: Sam2
    max_objects_per_batch: int
    propagation: PropagationSettings

    def answer(self, state: InferenceState, frame_index: int) -> FrameMasks:
        """What the prompts of one frame say of it."""
        here = {o: {i: p for i, p in of.items() if i == frame_index} for o, of in state.prompts.items()}
        session = self._session(state, here)
        features = self._features(state, frame_index)
        answer = session.condition(features, frame_index)
        if session.objects.keys() - set(answer.obj_ids):
            answer = session.step(features, frame_index)
        return answer

    def correct(self, state: InferenceState, prompt: Prompt) -> Row:
        """Follow one object to a frame as it was followed before, and let points correct the answer."""
        start, direction = state.tracked[prompt.frame_index]
        others = {i: p for i, p in state.prompts[prompt.obj_id].items() if i != prompt.frame_index}
        session = self._session(state, {prompt.obj_id: others}, direction=direction)
        self._condition(session, state)
        distance = abs(prompt.frame_index - start)
        for frame in frames_from(state.source, start, distance, reverse=direction < 0):
            features = self.sam2.encode(frame.image)
            session.step(features, frame.index)
        session.add(prompt)
        session.step(features, prompt.frame_index)
        state.looked = (prompt.frame_index, features)
        return session.latest[prompt.obj_id]

    def ready(self, state: InferenceState, start: int, direction: int) -> VideoSession | FlowSession:
        """A session that knows of all prompts, about to step the frame to start from."""
        if self.propagation.mode == "memory":
            session = self._session(state, state.prompts, direction=direction)
            self._condition(session, state)
            return session
        fresh = self._session(state, state.prompts, corrections=False)
        flow = FlowSession(fresh, self.propagation)
        behind = [i for i in state.prompted_frames if (start - i) * direction > 0]
        for frame_index in sorted(behind, reverse=direction < 0):
            flow.step(state.source.frame_at(frame_index).image, frame_index)
        return flow

    def _condition(self, session: VideoSession, state: InferenceState) -> None:
        """Let a session know of the prompts on all frames before it steps any."""
        for frame_index in sorted(i for i, waiting in session.pending.items() if waiting):
            session.condition(self._features(state, frame_index), frame_index)

    def _session(
        self,
        state: InferenceState,
        prompts: Mapping[int, Mapping[int, Prompt]],
        *,
        direction: int = 0,
        corrections: bool = True,
    ) -> VideoSession:
        """A session with some of the prompts; corrected frames are conditioned with their answers."""
        session = VideoSession(
            self.sam2,
            hw=state.source.info.hw,
            max_objects_per_batch=self.max_objects_per_batch,
            max_conditioning=max(sum(len(of_object) for of_object in prompts.values()), 1),
            total_frames=state.source.len_frames(),
            direction=direction,
            remember=self.propagation.remember,
        )
        for obj_id, of_object in prompts.items():
            for frame_index, prompt in of_object.items():
                row = state.corrected.get(obj_id, {}).get(frame_index) if corrections else None
                if row is None:
                    session.add(prompt)
                else:
                    memory = session.objects.setdefault(obj_id, ObjectMemory(session.settings))
                    memory.condition(frame_index, frame_index, row)
        return session

    def _features(self, state: InferenceState, frame_index: int) -> ImageFeatures:
        if state.looked is None or state.looked[0] != frame_index:
            state.looked = (frame_index, self.sam2.encode(state.source.frame_at(frame_index).image))
        return state.looked[1]


def frames_from(source: VideoSource, start: int, length: int, *, reverse: bool) -> Iterator[Frame]:
    """Frames from ``start`` on, ``length`` more, in either direction."""
    if reverse:
        last = max(start - length, 0)
        frames = source.frames_reversed(start) if start > 0 else iter(())
    else:
        last = start + length
        frames = source.frames(start_s=float(source.times()[start]) if start else None)
    for frame in frames:
        if (frame.index < last) if reverse else (frame.index > last):
            return
        yield frame
