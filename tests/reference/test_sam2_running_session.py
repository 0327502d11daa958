"""One running session where everything happens, against transformers' own sessions of one object each.

Objects are added on different frames, one is corrected by a click on a frame it was followed to, one is
removed in the middle, and following turns round and goes back from a frame further on. Memories are kept in
float32 on both sides, as the reference's rounding to bfloat16 makes a last bit a thousand times larger.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers.models.sam2_video import modeling_sam2_video
from transformers.models.sam2_video.modeling_sam2_video import (
    Sam2VideoInferenceCache,
    Sam2VideoInferenceSession,
)

from seektrack.segmentation import FrameMasks, Sam2, VideoPredictor, VideoSession, load_sam2, video_sessions
from seektrack.types import Mask, Prompt

SIDE, HW, N_FRAMES = 128, (96, 144), 8
SCALE = torch.tensor([SIDE / HW[1], SIDE / HW[0]])
COLOURS = ((220, 60, 40), (50, 80, 230), (240, 210, 60), (60, 190, 90))


class TorchWithoutRounding:
    """torch, with bfloat16 standing for float32."""

    bfloat16 = torch.float32

    def __getattr__(self, name: str) -> object:
        return getattr(torch, name)


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the reference from rounding memories."""
    monkeypatch.setattr(modeling_sam2_video, "torch", TorchWithoutRounding())


@pytest.fixture(scope="module")
def sam2() -> Sam2:
    return load_sam2("pocket", device="cpu", resolution=SIDE)


@pytest.fixture(scope="module")
def sure() -> Sam2:
    """The same, but never taking an object for gone: every answer has pixels to compare."""
    sam2 = load_sam2("pocket", device="cpu", resolution=SIDE)
    with torch.no_grad():
        sam2.model.mask_decoder.pred_obj_score_head.proj_out.bias += 30
    return sam2


def centre(obj_id: int, t: int) -> tuple[int, int]:
    return 22 + 33 * obj_id + (3 - 2 * (obj_id % 2)) * t, 30 + 12 * obj_id + (-1) ** obj_id * 2 * t


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """Four discs moving over a soft background, uint8 (T, H, W, 3)."""
    coarse = np.random.default_rng(5).integers(60, 130, (6, 9, 3), dtype=np.uint8)
    still = cv2.resize(coarse, HW[::-1], interpolation=cv2.INTER_CUBIC)
    out = []
    for t in range(N_FRAMES):
        image = still.copy()
        for obj_id, colour in enumerate(COLOURS):
            cv2.circle(image, centre(obj_id, t), 13, colour, -1, cv2.LINE_AA)
        out.append(image)
    return np.stack(out)


def box(obj_id: int, t: int) -> Prompt:
    x, y = centre(obj_id, t)
    return Prompt(obj_id, t, box=(x - 14.0, y - 14.0, x + 14.0, y + 14.0))


def click(obj_id: int, t: int, *, dx: float = 0.0, label: int = 1) -> Prompt:
    x, y = centre(obj_id, t)
    return Prompt(obj_id, t, points=np.array([[x + dx, float(y)]]), point_labels=np.array([label]))


def mask(obj_id: int, t: int) -> Prompt:
    disc = cv2.circle(np.zeros(HW, np.uint8), centre(obj_id, t), 13, 1, -1)
    return Prompt(obj_id, t, mask=Mask.from_array(disc.astype(bool)))


class Theirs:
    """transformers' session of one object."""

    def __init__(self, sam2: Sam2, clip: np.ndarray, cache: Sam2VideoInferenceCache) -> None:
        self.sam2 = sam2
        self.session = Sam2VideoInferenceSession(
            video=sam2.preprocess_batch(list(clip)),
            video_height=HW[0],
            video_width=HW[1],
            dtype=torch.float32,
        )
        self.session.cache = cache

    def at(self, t: int, prompt: Prompt | None = None, *, reverse: bool = False) -> torch.Tensor | None:
        """Low-resolution logits (h, h) on a frame, with what is prompted there; None before any prompt."""
        if prompt is not None:
            self._prompt(prompt)
        elif not self.session.obj_ids:
            return None
        return self.sam2.model(self.session, frame_idx=t, reverse=reverse).pred_masks[0, 0]

    def _prompt(self, prompt: Prompt) -> None:
        slot, t = self.session.obj_id_to_idx(prompt.obj_id), prompt.frame_index
        if prompt.mask is not None:
            pixels = torch.from_numpy(prompt.mask.to_array()).float()[None, None]
            square = F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
            self.session.add_mask_inputs(slot, t, (square >= 0.5).float())
        else:
            corners = [] if prompt.box is None else [prompt.box[:2], prompt.box[2:]]
            labels = [] if prompt.box is None else [2, 3]
            if prompt.points is not None and prompt.point_labels is not None:
                corners += prompt.points.tolist()
                labels += prompt.point_labels.tolist()
            inputs = {
                "point_coords": (torch.tensor(corners, dtype=torch.float32) * SCALE)[None, None],
                "point_labels": torch.tensor(labels)[None, None],
            }
            self.session.add_point_inputs(slot, t, inputs)
        self.session.obj_with_new_inputs.append(prompt.obj_id)


def agree(got: FrameMasks, want: dict[int, torch.Tensor]) -> float:
    """Hold one frame's answers against the reference's; returns how many pixels lie inside."""
    assert got.obj_ids == list(want)
    inside = 0.0
    for slot, (obj_id, logits) in enumerate(want.items()):
        mine = got.logits[slot]
        worst = float((mine - logits).abs().max())
        assert worst < 1e-3, f"object {obj_id} on frame {got.frame_index}: logits differ by {worst}"
        either = float(((mine > 0) | (logits > 0)).sum())
        assert float(((mine > 0) & (logits > 0)).sum()) >= 0.999 * either
        inside += either
    return inside


Walk = list[tuple[int, list[Prompt], list[int], bool]]

WALK: Walk = [
    # frame, prompts given on it, objects removed before it, whether it begins a run back
    (0, [box(0, 0), mask(1, 0)], [], False),
    (1, [click(2, 1)], [], False),
    (2, [], [], False),
    (3, [], [], False),
    (3, [click(0, 3, dx=6.0)], [], False),  # corrects the frame the session stands on
    (4, [], [1], False),
    (6, [box(3, 6), click(2, 6)], [], True),
    (5, [], [], False),
    (4, [], [], False),
    (4, [click(2, 4, dx=-20.0, label=0)], [], False),
    (3, [mask(1, 3)], [], False),  # the id of the removed object comes back
    (2, [], [3], False),
    (1, [], [], False),
    (0, [], [], False),
]


def reference(sam2: Sam2, clip: np.ndarray, walk: Walk) -> Iterator[dict[int, torch.Tensor]]:
    """What the reference says at each step of the walk: an object removed is a session forgotten."""
    cache = Sam2VideoInferenceCache(max_vision_features_cache_size=N_FRAMES)
    sessions: dict[int, Theirs] = {}
    answers: dict[int, torch.Tensor] = {}
    back, previous = False, -1
    for t, prompts, removed, turns in walk:
        back = back or turns
        for obj_id in removed:
            del sessions[obj_id]
            del answers[obj_id]
        given = {p.obj_id: p for p in prompts}
        again = t == previous and not turns
        for obj_id in dict.fromkeys([*sessions, *given]):
            if again and obj_id not in given:
                continue
            one = sessions.setdefault(obj_id, Theirs(sam2, clip, cache))
            logits = one.at(t, given.get(obj_id), reverse=back)
            assert logits is not None
            answers[obj_id] = logits
        previous = t
        yield dict(answers)


def test_everything_in_one_session(sam2: Sam2, clip: np.ndarray) -> None:
    session = VideoSession(sam2, total_frames=N_FRAMES, memory_dtype=torch.float32)
    inside, steps = [], []
    for (t, prompts, removed, turns), want in zip(WALK, reference(sam2, clip, WALK), strict=True):
        for obj_id in removed:
            session.remove(obj_id)
        for prompt in prompts:
            session.add(prompt)
        if turns:
            session.turn()
        got = session.step(clip[t], t)
        inside.append(agree(got, want))
        steps.append(got)
    assert min(inside) > 30, "masks of nothing would agree with anything"
    assert session.obj_ids == [0, 2, 1]
    before, after = steps[3].logits[0], steps[4].logits[0]
    assert float((before - after).abs().max()) > 0.05, "the click changes the answer"


def test_a_turn_on_the_same_frame(sure: Sam2, clip: np.ndarray) -> None:
    """The last frame is looked at again, now from behind, as the reference does when it starts back there."""
    walk: Walk = [
        (1, [box(0, 1)], [], False),
        (2, [box(2, 2)], [], False),
        (3, [], [], False),
        (3, [], [], True),
        (2, [], [], False),
        (1, [], [], False),
        (0, [], [], False),
    ]
    session = VideoSession(sure, total_frames=N_FRAMES, memory_dtype=torch.float32)
    for (t, prompts, _, turns), want in zip(walk, reference(sure, clip, walk), strict=True):
        for prompt in prompts:
            session.add(prompt)
        if turns:
            session.turn()
        assert agree(session.step(clip[t], t), want) > 30


def test_an_object_added_after_propagation_started(
    sam2: Sam2, clip: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the predictor: left half way, given a new object and a correction, and propagated anew."""
    exact_session = functools.partial(VideoSession, memory_dtype=torch.float32)
    monkeypatch.setattr(video_sessions, "VideoSession", exact_session)
    predictor = VideoPredictor(sam2)
    state = predictor.init_state(clip)
    predictor.add_new_points_or_box(state, 0, 4, box=box(0, 0).box)
    for at, _, _ in predictor.propagate_in_video(state):
        if at == 3:
            break
    wrong, right = click(0, 3, dx=6.0), click(2, 2)
    predictor.add_new_points_or_box(state, 3, 4, points=wrong.points, labels=wrong.point_labels)
    _, ids, prompted = predictor.add_new_points_or_box(
        state, 2, 7, points=right.points, labels=right.point_labels
    )
    assert ids == [4, 7] and state.obj_ids == [4, 7]
    assert bool((prompted[0] == -1024).all()), "nothing was said of the first object there"
    got = {i: logits for i, _, logits in predictor.propagate_in_video(state, start_frame_idx=2)}

    cache = Sam2VideoInferenceCache(max_vision_features_cache_size=N_FRAMES)
    newcomer = Theirs(sam2, clip, cache)
    want = {2: newcomer.at(2, click(2, 2))}
    want.update({t: newcomer.at(t) for t in range(3, N_FRAMES)})
    assert list(got) == list(want) == list(range(2, N_FRAMES))
    for t, low in want.items():
        assert low is not None
        full = F.interpolate(low[None, None], HW, mode="bilinear", align_corners=False)[0]
        torch.testing.assert_close(got[t][1], full, atol=1e-3, rtol=0)
        both, either = (got[t][1] > 0) & (full > 0), (got[t][1] > 0) | (full > 0)
        assert float(either.sum()) > 60 and float(both.sum()) >= 0.999 * float(either.sum())

    corrected = Theirs(sam2, clip, cache)
    corrected.at(0, box(0, 0))
    for t in (1, 2, 3):
        corrected.at(t)
    low = corrected.at(3, wrong)
    assert low is not None
    full = F.interpolate(low[None, None], HW, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(got[3][0], full, atol=1e-3, rtol=0)
