"""Masks carried by the optical flow: where they land, and what the network sees of the frames."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from seektrack.errors import InputError, ModelError, PromptError
from seektrack.geometry import mask_iou
from seektrack.segmentation import (
    FlowSession,
    LazyFeatures,
    PropagationSettings,
    Sam2,
    VideoSession,
    open_session,
    segment_video,
)
from seektrack.segmentation.carry import Carrier
from seektrack.segmentation.flow import make_flow
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.types import Frame, Mask, Prompt

HW = (96, 128)
BOX = (30.0, 20.0, 80.0, 70.0)
HYBRID = PropagationSettings(mode="hybrid", every=3)


@pytest.fixture(scope="module")
def sam2() -> Sam2:
    torch.manual_seed(0)
    return Sam2(build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))).eval(), 64)


@pytest.fixture(scope="module")
def scenery() -> np.ndarray:
    coarse = np.random.default_rng(3).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    return cv2.resize(coarse, (360, 240), interpolation=cv2.INTER_CUBIC)


def view(scenery: np.ndarray, x: float, y: float = 20) -> np.ndarray:
    """What a camera at (x, y) sees."""
    shift = np.array([[1, 0, -x], [0, 1, -y]], dtype=np.float64)
    return cv2.warpAffine(scenery, shift, HW[::-1])


@pytest.fixture(scope="module")
def clip(scenery: np.ndarray) -> list[np.ndarray]:
    return [view(scenery, 20 + 2 * t) for t in range(10)]


def square(x: float, y: float, side: int = 64, half: float = 9) -> np.ndarray:
    ys, xs = np.mgrid[:side, :side]
    return (half - np.maximum(abs(xs - x), abs(ys - y))).astype(np.float32)


@pytest.mark.parametrize("method", ["dis", "farneback"])
def test_flow_points_from_the_first_picture_to_the_second(scenery: np.ndarray, method: str) -> None:
    field = make_flow(method)(view(scenery, 60, 40), view(scenery, 57, 42))
    np.testing.assert_allclose(np.median(field.reshape(-1, 2), axis=0), (3, -2), atol=0.1)


@pytest.mark.parametrize("two_way", [False, True])
@pytest.mark.parametrize("side", [64, 128])
def test_masks_move_with_what_is_under_them(scenery: np.ndarray, side: int, two_way: bool) -> None:
    """The camera pans by (4, 2) of 128 by 96 pixels for four frames: (8, 5.3) of 64 by 64 logits."""
    carrier = Carrier(make_flow("dis"), side=side, two_way=two_way)
    carrier.anchor(view(scenery, 40, 40))
    for t in range(1, 5):
        carrier.advance(view(scenery, 40 + 4 * t, 40 + 2 * t))
    carried = carrier.carry(np.stack([square(30, 30), square(40, 25)]))
    assert mask_iou(carried[0] > 0, square(30 - 8, 30 - 16 / 3) > 0) > 0.9
    assert mask_iou(carried[1] > 0, square(40 - 8, 25 - 16 / 3) > 0) > 0.9
    assert carrier.trust(64)[15:50, 10:45].mean() > 0.8


def test_what_leaves_the_picture_is_gone_and_what_comes_in_is_not_trusted(scenery: np.ndarray) -> None:
    carrier = Carrier(make_flow("dis"), side=128)
    carrier.anchor(view(scenery, 40))
    for t in range(1, 13):
        carrier.advance(view(scenery, 40 + 4 * t))
    assert not (carrier.carry(square(10, 30, half=8)[None]) > 0).any()
    assert carrier.trust(64)[:, -15:].mean() < 0.2 < 0.8 < carrier.trust(64)[:, 5:30].mean()


def test_a_flow_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="take one of dis, farneback, raft"):
        make_flow("horn-schunck")


def test_raft_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models.optical_flow", None)
    with pytest.raises(ModelError, match="RAFT needs torchvision") as told:
        make_flow("raft")
    assert "dis" in told.value.hint


def test_raft_gets_pictures_as_it_wants_them(monkeypatch: pytest.MonkeyPatch, scenery: np.ndarray) -> None:
    """A stand-in for torchvision's network, which asks for [-1, 1] and sides that are multiples of 8."""
    asked = []

    class Network(torch.nn.Module):
        def forward(self, first: torch.Tensor, second: torch.Tensor) -> list[torch.Tensor]:
            asked.append((first, second))
            where = torch.meshgrid(*(torch.arange(float(n)) for n in first.shape[2:]), indexing="ij")
            return [torch.zeros(1, 2, *first.shape[2:]), torch.stack(where[::-1])[None]]

    loaded = []
    weights = SimpleNamespace(DEFAULT=SimpleNamespace(get_state_dict=lambda **how: loaded.append(how) or {}))
    fake = ModuleType("torchvision.models.optical_flow")
    fake.Raft_Small_Weights, fake.raft_small = weights, lambda weights, progress: Network()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", ModuleType("torchvision.models"))
    monkeypatch.setitem(sys.modules, "torchvision.models.optical_flow", fake)
    first, second = scenery[:100, :150], scenery[:100, 10:160]
    field = make_flow("raft")(first, second)
    assert field.shape == (100, 150, 2) and field.dtype == np.float32
    assert tuple(field[30, 40]) == (40.0, 30.0)
    assert loaded[0]["weights_only"] is True
    for picture, given in zip(asked[0], (first, second), strict=True):
        assert picture.shape == (1, 3, 128, 152)
        back = ((picture[0, :, :100, :150] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(back, given)


def test_the_network_sees_one_frame_in_so_many(sam2: Sam2, clip: list[np.ndarray]) -> None:
    """On those it answers exactly as a session that steps them alone."""
    plain, hybrid = VideoSession(sam2), FlowSession(VideoSession(sam2), HYBRID)
    for session in (plain, hybrid):
        session.add(Prompt(1, 0, box=BOX))
        session.add(Prompt(2, 3, box=BOX))
    answers = [hybrid.step(image, t) for t, image in enumerate(clip)]
    assert [a.frame_index for a in answers] == list(range(10))
    assert hybrid.n_seen == 4 and hybrid.frame_index == 9
    for t in (0, 3, 6, 9):
        torch.testing.assert_close(answers[t].logits, plain.step(clip[t], t).logits, atol=0, rtol=0)
    assert [a.obj_ids for a in answers[:4]] == [[1], [1], [1], [1, 2]]
    assert not torch.equal(answers[1].logits, answers[0].logits)


def test_between_them_the_flow_carries(sam2: Sam2, clip: list[np.ndarray]) -> None:
    hybrid = FlowSession(VideoSession(sam2), HYBRID)
    mask = np.zeros(HW, dtype=bool)
    mask[30:60, 50:90] = True
    hybrid.add(Prompt(1, 0, mask=Mask.from_array(mask)))
    hybrid.step(clip[0], 0)
    for t in (1, 2):
        answer = hybrid.step(clip[t], t)
        assert mask_iou(answer.mask(1), np.roll(mask, -2 * t, axis=1)) > 0.85
        assert float(answer.object_scores[0]) > 0.99


def test_a_prompt_a_correction_and_a_cut_call_the_network(sam2: Sam2, clip: list[np.ndarray]) -> None:
    session = FlowSession(VideoSession(sam2), PropagationSettings(mode="hybrid", every=100))
    session.add(Prompt(1, 0, box=BOX))
    session.add(Prompt(2, 2, box=BOX))
    for t in range(4):
        carried = session.step(clip[t], t)
    assert session.n_seen == 2
    assert session.step(clip[3], 3) is carried
    session.add(Prompt(1, 3, points=np.array([[40.0, 40.0]]), point_labels=np.array([1])))
    corrected = session.step(clip[3], 3)
    assert session.n_seen == 4, "once to know what it corrects, once for the correction"
    assert not torch.equal(corrected.logits[0], carried.logits[0])
    session.step(clip[4], 4)
    assert session.n_seen == 4
    session.step(255 - clip[5], 5)
    assert session.n_seen == 5


def test_flow_alone_leaves_all_but_prompted_frames_to_the_flow(sam2: Sam2, clip: list[np.ndarray]) -> None:
    session = open_session(sam2, PropagationSettings(mode="flow"))
    assert isinstance(session, FlowSession)
    session.add(Prompt(1, 0, box=BOX))
    for t, image in enumerate([*clip, 255 - clip[0]]):
        session.step(image, t)
    assert session.n_seen == 1
    assert isinstance(open_session(sam2, PropagationSettings()), VideoSession)
    assert isinstance(open_session(sam2), VideoSession)


def test_an_object_carried_out_is_absent(sam2: Sam2, scenery: np.ndarray) -> None:
    mask = np.zeros(HW, dtype=bool)
    mask[30:60, 4:20] = True
    session = FlowSession(VideoSession(sam2), PropagationSettings(mode="flow"))
    session.add(Prompt(1, 0, mask=Mask.from_array(mask)))
    for t in range(9):
        answer = session.step(view(scenery, 20 + 4 * t), t)
    assert answer.obj_ids == [1] and not answer.masks().any()
    assert float(answer.object_scores[0]) == 0.0 and (answer.logits == -1024).all()


def test_objects_leave_and_sessions_stand_empty(sam2: Sam2, clip: list[np.ndarray]) -> None:
    session = FlowSession(VideoSession(sam2), HYBRID)
    assert session.step(clip[0], 0).masks().shape == (0, *HW) and session.n_seen == 0
    session.add(Prompt(1, 1, box=BOX))
    session.add(Prompt(2, 1, box=BOX))
    both = session.step(clip[1], 1)
    session.step(clip[2], 2)
    session.remove(1)
    left = session.step(clip[2], 2)
    assert left.obj_ids == [2] and session.obj_ids == [2]
    assert session.step(clip[3], 3).logits.shape == both.logits[1:].shape
    session.remove(2)
    assert session.step(clip[4], 4).obj_ids == [] and session.n_seen == 1
    with pytest.raises(PromptError, match="no object 2"):
        session.remove(2)


def test_lazy_features_are_computed_once_and_only_when_asked(
    sam2: Sam2, clip: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = []
    encode = Sam2.encode
    monkeypatch.setattr(Sam2, "encode", lambda self, image: encoded.append(1) or encode(self, image))
    session = FlowSession(VideoSession(sam2), HYBRID)
    session.add(Prompt(1, 0, box=BOX))
    for t, image in enumerate(clip[:6]):
        session.step(LazyFeatures(sam2, image), t)
    assert len(encoded) == 2
    lazy = LazyFeatures(sam2, clip[0])
    assert lazy.features() is lazy.features() and len(encoded) == 3


def test_a_session_is_usable_after_what_it_refused(sam2: Sam2, clip: list[np.ndarray]) -> None:
    session, same = FlowSession(VideoSession(sam2), HYBRID), FlowSession(VideoSession(sam2), HYBRID)
    for one in (session, same):
        one.add(Prompt(1, 0, box=BOX))
        one.step(clip[0], 0)
    with pytest.raises(InputError, match="the session's frames are"):
        session.step(clip[1][:50], 1)
    with pytest.raises(InputError, match="counts from 0"):
        session.step(clip[1], -1)
    with pytest.raises(PromptError, match="outside"):
        session.add(Prompt(1, 0, points=np.array([[500.0, 5.0]]), point_labels=np.array([1])))
    for t in range(1, 5):
        torch.testing.assert_close(session.step(clip[t], t).logits, same.step(clip[t], t).logits)


def test_settings_that_cannot_be() -> None:
    for wrong in ({"mode": "magic"}, {"every": 0}, {"side": 4}):
        with pytest.raises(InputError):
            PropagationSettings(**wrong)


def test_a_whole_video(sam2: Sam2, clip: list[np.ndarray]) -> None:
    frames = [Frame(t, t, image) for t, image in enumerate(clip)]  # type: ignore[arg-type]
    answers = list(segment_video(sam2, frames, [Prompt(1, 2, box=BOX)], propagation=HYBRID))
    assert [a.frame_index for a in answers] == list(range(2, 10))
    back = list(segment_video(sam2, frames[::-1], [Prompt(1, 7, box=BOX)], propagation=HYBRID))
    assert [a.frame_index for a in back] == list(range(7, -1, -1))
