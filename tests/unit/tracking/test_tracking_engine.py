"""The passes over the real engine: a tiny SAM 2 with random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seektrack.grounding import GroundSettings
from seektrack.segmentation import Sam2, VideoSession
from seektrack.tracking import EngineSettings, FollowSettings, IdentitySettings, follow, follow_prompts
from seektrack.tracking.likeness import LikenessSettings
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.types import Mask, Prompt
from seektrack.video import open_video

HW, N = (48, 64), 5
BELIEVE_ALL = IdentitySettings(
    min_object_score=0.0,
    min_area=1,
    jump_frames=1,
    contest_cover=2.0,
    share=False,
    likeness=LikenessSettings(same=0.0, other=0.0, slack=9.0),
)
AS_THEY_COME = EngineSettings(post="")


@pytest.fixture(scope="module")
def sam2() -> Sam2:
    torch.manual_seed(0)
    model = build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))).eval()
    model.mask_decoder.pred_obj_score_head.proj_out.bias.data.fill_(5.0)
    return Sam2(model, 64)


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    rng = np.random.default_rng(2)
    out = rng.integers(0, 90, (N, *HW, 3), dtype=np.uint8)
    for t in range(N):
        out[t, 12:32, 8 + 4 * t : 28 + 4 * t] = (210, 40, 40)
    return out


def test_prompts_by_hand_give_what_the_session_gives(sam2, clip):
    pixels = np.zeros(HW, dtype=bool)
    pixels[12:32, 12:32] = True
    prompts = [
        Prompt(3, 1, mask=Mask.from_array(pixels)),
        Prompt(5, 1, box=(12.0, 12.0, 32.0, 32.0)),
    ]
    session = VideoSession(sam2)
    for prompt in prompts:
        session.add(prompt)
    expected = {t: session.step(clip[t], t) for t in range(1, N)}
    tracks = follow_prompts(
        sam2,
        open_video(clip, fps=10),
        prompts,
        settings=FollowSettings(identity=BELIEVE_ALL, engine=AS_THEY_COME),
    )
    assert sum(m.any() for t in expected for m in expected[t].masks()) >= N
    for obj_id in (3, 5):
        track = next((t for t in tracks if t.obj_id == obj_id), None)
        for t in range(1, N):
            mask = expected[t].mask(obj_id)
            seen = None if track is None else track.at(t)
            if mask.any():
                assert seen is not None and seen.visible
                assert np.array_equal(seen.mask.to_array(), mask)
            else:
                assert seen is None or not seen.visible


def test_a_text_is_followed_through_the_whole_video(sam2, clip, encoder):
    """Random weights propose anything: what comes out has to be sound, and asked for."""
    anything = {"pred_iou_thresh": -10.0, "stability_score_thresh": 0.0, "min_area": 8.0}
    ground = GroundSettings(min_confidence=0.0, min_quality=-10.0, points_per_side=4, propose=anything)
    settings = FollowSettings(ground=ground, identity=BELIEVE_ALL, min_confidence=0.0, min_sights=1)
    calls = []
    source = open_video(clip, fps=10)
    tracks = follow(
        sam2, encoder, source, "a red box", settings=settings, progress=lambda *c: calls.append(c)
    )
    assert len(tracks) >= 1
    assert sorted(tracks.frame_times) == list(range(N))
    assert [c[:2] for c in calls if c[2] == "forward"] == [(i + 1, N) for i in range(N)]
    for track in tracks:
        frames = [o.frame_index for o in track.observations]
        assert frames == sorted(set(frames))
        for o in track.observations:
            assert (o.mask is not None) == o.visible
            if o.mask is not None:
                assert o.mask.size == HW and o.mask.box == o.box
    sure = FollowSettings(ground=ground, identity=BELIEVE_ALL, min_confidence=0.999)
    assert len(follow(sam2, encoder, source, "a green box", settings=sure)) == 0
