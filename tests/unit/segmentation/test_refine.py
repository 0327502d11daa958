"""Looking again in source resolution: windows, blending, and what a closer look brings on true shapes."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.geometry import mask_iou, mask_to_box
from seektrack.segmentation import (
    Finish,
    FinishedMasks,
    FinishedSession,
    PropagationSettings,
    RefineSettings,
    Sam2,
    VideoSession,
    load_sam2,
    open_session,
    parse_steps,
    refine,
    segment_video,
)
from seektrack.segmentation.propagation import LazyFeatures
from seektrack.segmentation.windows import blend, feather, tile_windows, window_around
from seektrack.types import Frame, Prompt

HW = (420, 520)
METHODS = ("roi", "progressive", "multiscale", "tiles")


@pytest.fixture(scope="module")
def sam2() -> Sam2:
    return load_sam2("pocket", device="cpu", resolution=128)


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Four small stars in a large picture, and their masks (4, H, W)."""
    rng = np.random.default_rng(1)
    picture = rng.integers(95, 110, (*HW, 3), dtype=np.uint8)
    masks = np.zeros((4, *HW), np.uint8)
    for mask, centre in zip(masks, ((90, 80), (400, 100), (120, 300), (430, 330)), strict=True):
        angle = np.linspace(0, 2 * np.pi, 11)[:-1]
        radius = np.where(np.arange(10) % 2, 9, 24)
        star = np.stack([np.cos(angle) * radius, np.sin(angle) * radius], axis=1) + centre
        cv2.fillPoly(mask, [star.round().astype(np.int32)], 1)
        picture[mask > 0] = rng.integers(0, 255, 3)
        picture[mask > 0] = (230, 40, 40)
    return picture, masks > 0


@pytest.fixture(scope="module")
def coarse(sam2: Sam2, scene: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    session = VideoSession(sam2)
    for k, mask in enumerate(scene[1]):
        session.add(Prompt(k, 0, box=mask_to_box(mask)))
    return session.step(scene[0], 0).masks()


def test_a_window_is_square_around_the_box_and_inside_the_picture() -> None:
    assert window_around((40, 50, 60, 60), (200, 300), margin=0.5) == (30, 35, 70, 75)
    assert window_around((0, 190, 10, 200), (200, 300), margin=1.0) == (0, 168, 32, 200)
    assert window_around((10, 10, 290, 190), (200, 300), margin=0.2) == (0, 0, 300, 200)


@pytest.mark.parametrize("size", [(100, 130), (30, 500), (64, 64), (65, 64)])
def test_tiles_cover_everything_evenly(size: tuple[int, int]) -> None:
    seen = np.zeros(size, dtype=int)
    tiles = tile_windows(size, 64, overlap=0.25)
    for x0, y0, x1, y1 in tiles:
        assert (x1 - x0, y1 - y0) == (min(64, size[1]), min(64, size[0]))
        seen[y0:y1, x0:x1] += 1
    assert seen.min() >= 1
    for axis, length in ((0, size[1]), (1, size[0])):
        starts = sorted({t[axis] for t in tiles})
        assert all(64 - (b - a) >= 16 for a, b in pairwise(starts))
        assert (len(starts) - 2) * 48 < max(length - 64, 1)
    with pytest.raises(InputError):
        tile_windows(size, 0)


def test_blending_tiles_of_a_smooth_field_gives_it_back_and_disagreement_has_no_seam() -> None:
    ys, xs = np.mgrid[:100, :150].astype(np.float32)
    field = np.sin(xs / 20) + np.cos(ys / 15)
    tiles = tile_windows(field.shape, 64, overlap=0.3)
    parts = [(w, field[w[1] : w[3], w[0] : w[2]], 1.0) for w in tiles]
    np.testing.assert_allclose(blend(parts, np.full_like(field, -9)), field, atol=1e-5)
    steps = [
        (w, np.full((w[3] - w[1], w[2] - w[0]), float(i % 2), np.float32), 1.0) for i, w in enumerate(tiles)
    ]
    merged = blend(steps, np.zeros_like(field), share=0.3)
    assert np.abs(np.diff(merged, axis=1)).max() < 0.2 and np.ptp(merged) > 0.9
    window = (20, 0, 84, 64)
    outside = blend([(window, np.ones((64, 64), np.float32), 1.0)], np.full_like(field, -9))
    assert outside[70, 50] == -9 and outside[32, 50] == 1


def test_weights_fall_towards_cut_edges_only() -> None:
    weights = feather((0, 30, 64, 94), (200, 300), share=0.25)
    assert weights[32, 0] == weights[32, 32] == 1.0
    assert weights[0, 32] < 0.05 and weights[-1, 32] < 0.05 and weights[32, -1] < 0.05


@pytest.mark.parametrize("method", METHODS)
def test_small_things_gain_from_a_closer_look(
    sam2: Sam2, scene: tuple[np.ndarray, np.ndarray], coarse: np.ndarray, method: str
) -> None:
    picture, truth = scene
    boxes = [mask_to_box(mask) for mask in truth]
    settings = RefineSettings(method=method)  # type: ignore[arg-type]
    found = refine(sam2, picture, coarse, boxes=boxes, settings=settings)
    before = np.mean([mask_iou(m, t) for m, t in zip(coarse, truth, strict=True)])
    after = np.mean([mask_iou(r.mask, t) for r, t in zip(found, truth, strict=True)])
    assert after > before + 0.05
    assert all(r.mask.shape == HW and r.mask.dtype == bool for r in found)
    assert sum(r.n_windows for r in found) >= 3


def test_what_no_window_confirms_stays(sam2: Sam2, scene: tuple[np.ndarray, np.ndarray]) -> None:
    picture, truth = scene
    empty = np.zeros(HW, dtype=bool)
    wrong = empty.copy()
    wrong[200:230, 240:300:2] = True
    settings = RefineSettings(min_agreement=0.999)
    found = refine(sam2, picture, np.stack([empty, wrong]), settings=settings)
    for result, mask in zip(found, (empty, wrong), strict=True):
        np.testing.assert_array_equal(result.mask, mask)
        assert (result.score, result.n_windows) == (0.0, 0)
    assert refine(sam2, picture, np.zeros((0, *HW), dtype=bool)) == []
    whole = refine(sam2, picture, np.ones((1, *HW), dtype=bool), settings=RefineSettings(method="tiles"))
    assert whole[0].mask.all() and whole[0].n_windows == 0
    del truth


def test_windows_of_all_objects_go_in_batches_of_any_size(
    sam2: Sam2, scene: tuple[np.ndarray, np.ndarray], coarse: np.ndarray
) -> None:
    one, many = (
        refine(sam2, scene[0], coarse, settings=RefineSettings(method="tiles", batch=b)) for b in (1, 16)
    )
    assert np.mean([mask_iou(a.mask, b.mask) for a, b in zip(one, many, strict=True)]) > 0.99


def test_what_cannot_be_refined(sam2: Sam2, scene: tuple[np.ndarray, np.ndarray]) -> None:
    picture, truth = scene
    with pytest.raises(InputError, match="masks must be bool"):
        refine(sam2, picture, truth[:, :-1])
    with pytest.raises(InputError, match="as many boxes"):
        refine(sam2, picture, truth, boxes=[None])
    for wrong in ({"method": "zoom"}, {"zoom": 1.0}, {"margin": -1.0}, {"batch": 0}):
        with pytest.raises(InputError):
            RefineSettings(**wrong)  # type: ignore[arg-type]


def frames(scene: tuple[np.ndarray, np.ndarray], n: int = 3) -> list[Frame]:
    return [Frame(t, t, np.roll(scene[0], 2 * t, axis=1)) for t in range(n)]  # type: ignore[arg-type]


def test_a_video_refined_and_cleaned(sam2: Sam2, scene: tuple[np.ndarray, np.ndarray]) -> None:
    """The engine's own answer stays beside the finished masks, and the finished are what the steps make."""
    prompts = [Prompt(k, 0, box=mask_to_box(mask)) for k, mask in enumerate(scene[1])]
    plain = list(segment_video(sam2, frames(scene), prompts))
    cleaned = list(segment_video(sam2, frames(scene), prompts, post="close:2,specks:50"))
    steps = parse_steps("close:2,specks:50")
    for a, b in zip(plain, cleaned, strict=True):
        assert isinstance(b, FinishedMasks) and not isinstance(a, FinishedMasks)
        assert (a.logits == b.logits).all()
        np.testing.assert_array_equal(b.masks(), np.stack([steps(m) for m in a.masks()]))
        np.testing.assert_array_equal(b.mask(2), b.masks()[2])
        assert b.masks((50, 60)).shape == (4, 50, 60)
    closer = list(segment_video(sam2, frames(scene), prompts, refine=RefineSettings()))
    true = [np.roll(scene[1], 2 * t, axis=2) for t in range(3)]

    def j(answers: list) -> float:  # type: ignore[type-arg]
        return float(
            np.mean(
                [
                    mask_iou(m, t)
                    for a, ts in zip(answers, true, strict=True)
                    for m, t in zip(a.masks(), ts, strict=True)
                ]
            )
        )

    assert j(closer) > j(plain) + 0.05


def test_thresholds_and_sharing_out(sam2: Sam2, scene: tuple[np.ndarray, np.ndarray]) -> None:
    box = mask_to_box(scene[1][0])
    prompts = [Prompt(0, 0, box=box), Prompt(1, 0, box=box)]
    loose, tight = (
        next(segment_video(sam2, frames(scene, 1), prompts, mask_threshold=t)).masks() for t in (0.0, 2.0)
    )
    assert 0 < tight.sum() < loose.sum() and not (tight & ~loose).any()
    shared = next(segment_video(sam2, frames(scene, 1), prompts, exclusive=True)).masks()
    assert loose.all(axis=0).any() and not shared.all(axis=0).any()
    np.testing.assert_array_equal(shared.any(axis=0), loose.any(axis=0))
    for wrong in ({"mask_threshold": np.nan}, {"min_object_score": 1.5}, {"post": "polish"}):
        with pytest.raises(InputError):
            next(segment_video(sam2, frames(scene, 1), prompts, **wrong))


def test_a_finished_session_over_any_other(sam2: Sam2, scene: tuple[np.ndarray, np.ndarray]) -> None:
    finish = Finish.of(sam2, post="largest")
    assert not finish.does_nothing and Finish.of(sam2).does_nothing
    for settings in (None, PropagationSettings(mode="hybrid", every=2)):
        session = FinishedSession(open_session(sam2, settings), finish)
        session.add(Prompt(3, 0, box=mask_to_box(scene[1][0])))
        for frame in frames(scene):
            lazy = session.step(LazyFeatures(sam2, frame.image), frame.index)
            same = session.step(frame.image, frame.index)
            np.testing.assert_array_equal(lazy.masks(), same.masks())
        assert session.obj_ids == [3] and session.frame_index == 2
        session.remove(3)
        assert session.step(scene[0], 3).masks().shape == (0, *HW)
