"""A session of the optical flow written to disk stands where it stood: between anchors, corrected, turned."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from seektrack.errors import InputError, ModelError, OutputError
from seektrack.segmentation import (
    FlowSession,
    FrameMasks,
    PropagationSettings,
    Sam2,
    VideoSession,
    open_session,
    resume_session,
)
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.types import Prompt

HW = (96, 128)
BOX = (30.0, 20.0, 80.0, 70.0)


def network(seed: int = 0) -> Sam2:
    torch.manual_seed(seed)
    return Sam2(build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))).eval(), 64)


@pytest.fixture(scope="module")
def sam2() -> Sam2:
    return network()


@pytest.fixture(scope="module")
def clip() -> list[np.ndarray]:
    coarse = np.random.default_rng(3).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    scenery = cv2.resize(coarse, (360, 240), interpolation=cv2.INTER_CUBIC)
    return [np.ascontiguousarray(scenery[20 : 20 + HW[0], 20 + 2 * t : 20 + 2 * t + HW[1]]) for t in range(9)]


def same(a: FrameMasks, b: FrameMasks) -> bool:
    columns = ("logits", "object_scores", "iou_scores", "pointers")
    return (a.frame_index, a.obj_ids, a.hw) == (b.frame_index, b.obj_ids, b.hw) and all(
        torch.equal(getattr(a, name), getattr(b, name)) for name in columns
    )


SETTINGS = [
    PropagationSettings(mode="hybrid", every=4),
    PropagationSettings(mode="hybrid", every=100, flow="farneback", side=96, two_way=True),
    PropagationSettings(mode="flow"),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: f"{s.mode}-{s.flow}")
@pytest.mark.parametrize("stop", [0, 2, 3, 5])
def test_it_goes_on_identically(
    sam2: Sam2, clip: list[np.ndarray], tmp_path: Path, settings: PropagationSettings, stop: int
) -> None:
    session = open_session(sam2, settings)
    session.add(Prompt(1, 0, box=BOX))
    session.add(Prompt(2, 4, box=BOX, label="later"))
    for t in range(stop):
        session.step(clip[t], t)
    session.save(tmp_path / "s")
    assert [p.name for p in tmp_path.iterdir()] == ["s"]
    loaded = resume_session(tmp_path / "s", network())
    assert isinstance(session, FlowSession) and isinstance(loaded, FlowSession)
    assert loaded.settings == settings and loaded.frame_index == session.frame_index
    for t in range(max(stop - 1, 0), 6):  # the frame it stands on first, again
        assert same(session.step(clip[t], t), loaded.step(clip[t], t))
    click = Prompt(1, 5, points=np.array([[40.0, 40.0]]), point_labels=np.array([1]))
    for one in (session, loaded):
        one.add(click)
    assert same(session.step(clip[5], 5), loaded.step(clip[5], 5))
    for one in (session, loaded):
        one.remove(2)
        one.turn()
    for t in (7, 6, 5):
        assert same(session.step(clip[t], t), loaded.step(clip[t], t))
    assert loaded.n_seen == session.n_seen and loaded.obj_ids == [1]


def test_a_correction_right_after_loading(sam2: Sam2, clip: list[np.ndarray], tmp_path: Path) -> None:
    """The network looks at the frame the flow carried to, so the picture must have been kept."""
    session = FlowSession(VideoSession(sam2), SETTINGS[0])
    session.add(Prompt(1, 0, box=BOX))
    for t in range(3):
        session.step(clip[t], t)
    session.save(tmp_path / "s")
    loaded = FlowSession.load(tmp_path / "s", network())
    click = Prompt(1, 2, points=np.array([[40.0, 40.0]]), point_labels=np.array([1]))
    for one in (session, loaded):
        one.add(click)
    assert same(session.step(clip[2], 2), loaded.step(clip[2], 2))
    assert loaded.n_seen == 3


def test_a_turn_makes_the_network_look(sam2: Sam2, clip: list[np.ndarray]) -> None:
    session, plain = FlowSession(VideoSession(sam2), SETTINGS[0]), VideoSession(sam2)
    for one in (session, plain):
        one.add(Prompt(1, 0, box=BOX))
        one.step(clip[0], 0)
        one.turn()
    assert same(session.step(clip[6], 6), plain.step(clip[6], 6))
    assert session.n_seen == 2
    session.step(clip[5], 5)
    assert session.n_seen == 2 and session.session.timeline.direction == -1


def test_each_kind_is_told_from_the_other(sam2: Sam2, clip: list[np.ndarray], tmp_path: Path) -> None:
    plain, flow = VideoSession(sam2), FlowSession(VideoSession(sam2), SETTINGS[0])
    for one, name in ((plain, "plain"), (flow, "flow")):
        one.add(Prompt(1, 0, box=BOX))
        one.step(clip[0], 0)
        one.save(tmp_path / name)
    assert isinstance(resume_session(tmp_path / "plain", sam2), VideoSession)
    with pytest.raises(InputError, match="optical flow") as refused:
        VideoSession.load(tmp_path / "flow", sam2)
    assert "resume_session" in str(refused.value.hint)
    with pytest.raises(InputError, match="every frame"):
        FlowSession.load(tmp_path / "plain", sam2)
    with pytest.raises(ModelError, match="another network"):
        resume_session(tmp_path / "flow", network(1))
    with pytest.raises(InputError, match="cannot be read"):
        resume_session(tmp_path / "missing", sam2)
    with pytest.raises(OutputError):
        flow.save(tmp_path / "flow" / "below a file")
