"""The reference's method names over the engine: what goes in, what comes out, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seektrack.errors import InputError, PromptError
from seektrack.segmentation import (
    AutomaticMaskGenerator,
    ImagePredictor,
    PropagationSettings,
    Sam2,
    VideoPredictor,
    VideoSession,
    segment_video,
)
from seektrack.segmentation.postprocess import fill_holes, remove_specks
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.types import Prompt
from seektrack.video import VideoWriter, open_video

HW, N_FRAMES = (48, 64), 6
BOX = np.array([10.0, 8.0, 40.0, 30.0])


@pytest.fixture(scope="module")
def sam2() -> Sam2:
    torch.manual_seed(0)
    return Sam2(build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))).eval(), 64)


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 255, (N_FRAMES, *HW, 3), dtype=np.uint8)


@pytest.fixture
def predictor(sam2: Sam2, clip: np.ndarray) -> ImagePredictor:
    out = ImagePredictor(sam2)
    out.set_image(clip[0])
    return out


def test_shapes_of_a_prediction(predictor: ImagePredictor) -> None:
    masks, scores, logits = predictor.predict(np.array([[20, 20]]), np.array([1]))
    assert masks.shape == (3, *HW) and masks.dtype == bool
    assert scores.shape == (3,) and logits.shape == (3, 16, 16)
    masks, scores, logits = predictor.predict(box=BOX, multimask_output=False)
    assert masks.shape == (1, *HW) and scores.shape == (1,) and logits.shape == (1, 16, 16)
    several, _, _ = predictor.predict(box=np.stack([BOX, BOX + 5]), multimask_output=False)
    assert several.shape == (2, 1, *HW)
    assert (several[0] == masks).all()
    assert predictor.get_image_embedding().shape == (1, 128, 4, 4)


def test_logits_threshold_to_the_masks(predictor: ImagePredictor) -> None:
    masks, _, _ = predictor.predict(box=BOX)
    logits, _, _ = predictor.predict(box=BOX, return_logits=True)
    assert ((logits > 0) == masks).all()


def test_coordinates_in_fractions(predictor: ImagePredictor) -> None:
    fractions = BOX / np.array([HW[1], HW[0], HW[1], HW[0]])
    pixels = predictor.predict(box=BOX, return_logits=True)[0]
    same = predictor.predict(box=fractions, return_logits=True, normalize_coords=False)[0]
    np.testing.assert_allclose(pixels, same, atol=1e-4)


def test_an_earlier_answer_refines(predictor: ImagePredictor) -> None:
    first = predictor.predict(box=BOX, multimask_output=False)
    again = predictor.predict(box=BOX, mask_input=first[2], multimask_output=False)
    alone = predictor.predict(mask_input=first[2], multimask_output=False)
    assert not np.array_equal(first[2], again[2])
    assert not np.array_equal(again[2], alone[2])


def test_pictures_in_a_batch(sam2: Sam2, clip: np.ndarray) -> None:
    batch, single = ImagePredictor(sam2), ImagePredictor(sam2)
    batch.set_image_batch([clip[0], Image.fromarray(clip[1])])
    masks, scores, logits = batch.predict_batch(box_batch=[BOX, BOX + 3], multimask_output=False)
    assert len(masks) == len(scores) == len(logits) == 2
    single.set_image(Image.fromarray(clip[1]))
    np.testing.assert_array_equal(single.predict(box=BOX + 3, multimask_output=False)[2], logits[1])


def test_what_a_picture_predictor_refuses(sam2: Sam2, clip: np.ndarray, predictor: ImagePredictor) -> None:
    empty = ImagePredictor(sam2)
    with pytest.raises(InputError, match="set_image first"):
        empty.predict(box=BOX)
    with pytest.raises(InputError, match="set_image_batch first"):
        predictor.predict_batch(box_batch=[BOX])
    for prompt in (
        {},
        {"box": BOX[:3]},
        {"box": BOX * np.nan},
        {"point_coords": np.zeros((2, 2)), "point_labels": np.array([1])},
        {"point_coords": np.zeros((2, 3)), "point_labels": np.array([1, 1])},
        {"mask_input": np.zeros((1, 7, 7))},
        {"box": np.stack([BOX, BOX]), "point_coords": np.zeros((1, 2)), "point_labels": np.array([1])},
    ):
        with pytest.raises(PromptError):
            predictor.predict(**prompt)
    empty.set_image_batch(list(clip[:2]))
    with pytest.raises(InputError, match="2 pictures"):
        empty.predict_batch(box_batch=[BOX])
    predictor.reset_predictor()
    with pytest.raises(InputError):
        predictor.predict(box=BOX)


@pytest.fixture
def video(sam2: Sam2, clip: np.ndarray) -> tuple[VideoPredictor, object]:
    predictor = VideoPredictor(sam2)
    return predictor, predictor.init_state(clip)


def test_a_prompt_is_answered_at_once(video: tuple[VideoPredictor, object]) -> None:
    predictor, state = video
    frame, ids, logits = predictor.add_new_points_or_box(state, 2, 7, box=BOX)
    assert (frame, ids, logits.shape) == (2, [7], (1, 1, *HW))
    frame, ids, both = predictor.add_new_points_or_box(state, 2, 3, points=[[20, 20]], labels=[1])
    assert ids == [7, 3]
    torch.testing.assert_close(both[0], logits[0], atol=1e-3, rtol=1e-3)
    _, _, elsewhere = predictor.add_new_points_or_box(state, 4, 3, points=[[20, 20]], labels=[1])
    assert (elsewhere[0] == -1024).all() and (elsewhere[1] > -1024).all()


def test_points_add_up_or_replace(video: tuple[VideoPredictor, object]) -> None:
    predictor, state = video
    predictor.add_new_points_or_box(state, 0, 1, box=BOX)
    _, _, added = predictor.add_new_points_or_box(state, 0, 1, [[20, 20]], [1], clear_old_points=False)
    prompt = state.prompts[1][0]
    assert prompt.box == tuple(BOX) and prompt.points.tolist() == [[20, 20]]
    predictor.add_new_points_or_box(state, 0, 1, [[30, 25]], [0], clear_old_points=False)
    assert state.prompts[1][0].points.tolist() == [[20, 20], [30, 25]]
    assert state.prompts[1][0].point_labels.tolist() == [1, 0]
    _, _, replaced = predictor.add_new_points_or_box(state, 0, 1, [[20, 20]], [1])
    assert state.prompts[1][0].box is None
    assert not torch.equal(added, replaced)


def frames_of(video: tuple[VideoPredictor, object], **settings: object) -> list[int]:
    return [i for i, _, _ in video[0].propagate_in_video(video[1], **settings)]


def test_which_frames_are_propagated_to(video: tuple[VideoPredictor, object]) -> None:
    predictor, state = video
    predictor.add_new_points_or_box(state, 2, 1, box=BOX)
    assert frames_of(video) == [2, 3, 4, 5]
    assert frames_of(video, start_frame_idx=1, max_frame_num_to_track=2) == [1, 2, 3]
    assert frames_of(video, reverse=True) == [2, 1, 0]
    assert frames_of(video, start_frame_idx=4, max_frame_num_to_track=1, reverse=True) == [4, 3]
    assert frames_of(video, start_frame_idx=0, reverse=True) == []


def test_objects_and_prompts_are_taken_back(video: tuple[VideoPredictor, object]) -> None:
    predictor, state = video
    predictor.add_new_points_or_box(state, 0, 1, box=BOX)
    predictor.add_new_points_or_box(state, 0, 2, box=BOX + 3)
    mask = np.zeros(HW, dtype=bool)
    mask[5:20, 5:30] = True
    predictor.add_new_mask(state, 3, 2, torch.from_numpy(mask))
    frame, ids, logits = predictor.clear_all_prompts_in_frame(state, 0, 2)
    assert (frame, ids) == (0, [1, 2]) and (logits[1] == -1024).all()
    assert next(ids for _, ids, _ in predictor.propagate_in_video(state, 0)) == [1, 2]
    ids, updated = predictor.remove_object(state, 2)
    assert ids == [1] and [i for i, _ in updated] == [3]
    assert predictor.remove_object(state, 99) == ([1], [])
    predictor.reset_state(state)
    assert state.obj_ids == []


def test_what_a_video_predictor_refuses(video: tuple[VideoPredictor, object]) -> None:
    predictor, state = video
    with pytest.raises(PromptError, match="nothing to propagate"):
        next(predictor.propagate_in_video(state))
    with pytest.raises(PromptError, match="no object 5"):
        predictor.clear_all_prompts_in_frame(state, 0, 5)
    with pytest.raises(PromptError, match="no object 5"):
        predictor.remove_object(state, 5, strict=True)
    with pytest.raises(InputError, match="no frame 6"):
        predictor.add_new_points_or_box(state, 6, 1, box=BOX)
    with pytest.raises(PromptError, match="first prompt"):
        predictor.add_new_points_or_box(state, 0, 1, box=BOX, clear_old_points=False)
    with pytest.raises(PromptError, match="the mask is"):
        predictor.add_new_mask(state, 0, 1, np.ones((3, 3), dtype=bool))
    with pytest.raises(PromptError, match="outside"):
        predictor.add_new_points_or_box(state, 0, 1, points=[[64.5, 3]], labels=[1])
    assert state.obj_ids == []


def test_a_state_stays_usable_after_everything_it_refused(sam2: Sam2, clip: np.ndarray) -> None:
    predictor = VideoPredictor(sam2)
    state, same = predictor.init_state(clip), predictor.init_state(clip)
    for one in (state, same):
        predictor.add_new_points_or_box(one, 0, 1, box=BOX)
    nan, outside = np.array([[np.nan, 3.0]]), np.array([[80.0, 3.0]])
    for given in (
        {"points": nan, "labels": [1]},
        {"points": outside, "labels": [1]},
        {"points": [[3, 3]], "labels": [7]},
        {"points": [[3, 3]]},
        {"box": [30, 8, 10, 30]},
        {"box": [10, 8, np.nan, 30]},
        {"box": [100, 100, 140, 130]},
        {"box": [1, 2, 3]},
        {},
    ):
        with pytest.raises(PromptError):
            predictor.add_new_points_or_box(state, 1, 1, **given)
    with pytest.raises(PromptError, match="the mask is empty"):
        predictor.add_new_mask(state, 1, 1, np.zeros(HW, dtype=bool))
    for frame in (-1, 6):
        with pytest.raises(InputError, match="frames are 0 to 5"):
            next(predictor.propagate_in_video(state, frame))
        with pytest.raises(InputError, match="frames are 0 to 5"):
            predictor.clear_all_prompts_in_frame(state, frame, 1)
    assert state.obj_ids == [1] and state.prompted_frames == [0]
    for a, b in zip(predictor.propagate_in_video(state), predictor.propagate_in_video(same), strict=True):
        assert a[:2] == b[:2]
        torch.testing.assert_close(a[2], b[2])


def test_propagating_nothing_is_a_runtime_error_too(video: tuple[VideoPredictor, object]) -> None:
    with pytest.raises(RuntimeError, match="nothing to propagate"):
        next(video[0].propagate_in_video(video[1]))


def test_removing_the_last_object_resets_the_state(video: tuple[VideoPredictor, object]) -> None:
    predictor, state = video
    predictor.add_new_points_or_box(state, 0, 1, box=BOX)
    assert len(list(predictor.propagate_in_video(state))) == N_FRAMES == len(state.tracked)
    assert predictor.remove_object(state, 1) == ([], [])
    assert not state.tracked and not state.corrected and not state.prompted_frames


def test_corrections_add_up_and_are_taken_back(video: tuple[VideoPredictor, object]) -> None:
    predictor, state = video
    predictor.add_new_points_or_box(state, 0, 1, box=BOX)
    before = {i: logits for i, _, logits in predictor.propagate_in_video(state)}
    _, _, once = predictor.add_new_points_or_box(state, 3, 1, [[20, 20]], [0])
    _, _, twice = predictor.add_new_points_or_box(state, 3, 1, [[30, 25]], [1], clear_old_points=False)
    assert state.prompts[1][3].points.tolist() == [[20, 20], [30, 25]]
    assert not torch.equal(once, twice)
    predictor.clear_all_prompts_in_frame(state, 3, 1)
    after = {i: logits for i, _, logits in predictor.propagate_in_video(state)}
    for i, logits in before.items():
        torch.testing.assert_close(logits, after[i])


def test_holes_are_filled_and_overlaps_shared_out(sam2: Sam2, clip: np.ndarray) -> None:
    plain = VideoPredictor(sam2)
    tidy = VideoPredictor(sam2, fill_hole_area=10_000, non_overlap_masks=True)
    out = []
    for predictor in (plain, tidy):
        state = predictor.init_state(clip)
        predictor.add_new_points_or_box(state, 0, 1, box=BOX)
        predictor.add_new_points_or_box(state, 0, 2, box=BOX + 4)
        out.append([logits for _, _, logits in predictor.propagate_in_video(state)])
    before, after = (torch.stack(o)[:, :, 0] > 0 for o in out)
    assert (before.sum(dim=1) > 1).any() and (after.sum(dim=1) <= 1).all()
    assert (before.any(dim=1) <= after.any(dim=1)).all()


def test_a_video_with_the_flow_between(sam2: Sam2, clip: np.ndarray) -> None:
    flow = PropagationSettings(mode="hybrid", every=3)
    predictor = VideoPredictor(sam2, propagation=flow)
    state = predictor.init_state(clip)
    predictor.add_new_points_or_box(state, 1, 1, box=BOX)
    assert [i for i, _, _ in predictor.propagate_in_video(state)] == [1, 2, 3, 4, 5]
    late = list(predictor.propagate_in_video(state, 3))
    assert [i for i, _, _ in late] == [3, 4, 5] and all(ids == [1] for _, ids, _ in late)
    assert all((logits > -1024).any() for _, _, logits in late)
    assert [i for i, _, _ in predictor.propagate_in_video(state, reverse=True)] == [1, 0]


def test_small_pieces_and_holes_of_a_picture_are_cleaned(sam2: Sam2, clip: np.ndarray) -> None:
    plain, tidy = ImagePredictor(sam2), ImagePredictor(sam2, max_hole_area=50, max_sprinkle_area=50)
    for predictor in (plain, tidy):
        predictor.set_image(clip[0])
    before = plain.predict(box=BOX)[0]
    after, _, _ = tidy.predict(box=BOX)
    logits = tidy.predict(box=BOX, return_logits=True)[0]
    assert ((logits > 0) == after).all()
    wanted = [remove_specks(fill_holes(mask, 50), 51) for mask in before]
    np.testing.assert_array_equal(after, np.stack(wanted))


def test_a_video_that_breaks_off_half_way(sam2: Sam2, tmp_path: Path) -> None:
    """What could be decoded is answered, the source says what could not, and the session goes on."""
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "whole.mp4", width=128, height=96, fps=10) as writer:
        for _ in range(16):
            writer.write(rng.integers(0, 255, (96, 128, 3), dtype=np.uint8))
    whole, broken = (tmp_path / "whole.mp4").read_bytes(), tmp_path / "broken.mp4"
    broken.write_bytes(whole[: len(whole) // 2])
    session = VideoSession(sam2)
    session.add(Prompt(1, 0, box=tuple(BOX)))
    source = open_video(broken)
    answers = [session.step(frame.image, frame.index) for frame in source]
    assert source.damage and source.damage.cut_short
    assert 2 < len(answers) < 16
    again = session.step(rng.integers(0, 255, (96, 128, 3), dtype=np.uint8), len(answers))
    assert again.obj_ids == [1] and again.masks().shape == (1, 96, 128)


def test_segmenting_a_source_of_frames(sam2: Sam2, clip: np.ndarray) -> None:
    prompts = [Prompt(1, 3, box=tuple(BOX)), Prompt(0, 1, box=tuple(BOX + 2))]
    answers = list(segment_video(sam2, open_video(clip), prompts))
    assert [a.frame_index for a in answers] == [1, 2, 3, 4, 5]
    assert [a.obj_ids for a in answers] == [[0], [0], [0, 1], [0, 1], [0, 1]]
    backward = list(segment_video(sam2, open_video(clip).frames_reversed(), prompts[:1]))
    assert [a.frame_index for a in backward] == [3, 2, 1, 0]
    beliefs = [float(a.object_scores.min()) for a in answers]
    sure = list(segment_video(sam2, open_video(clip), prompts, min_object_score=1.0))
    assert max(beliefs) < 1.0 and all(a.obj_ids == [] and a.logits.shape[0] == 0 for a in sure)


def test_frames_are_taken_one_at_a_time(sam2: Sam2, clip: np.ndarray) -> None:
    taken = []

    def source():  # type: ignore[no-untyped-def]
        for frame in open_video(clip):
            taken.append(frame.index)
            yield frame

    answers = segment_video(sam2, source(), [Prompt(0, 0, box=tuple(BOX))])
    next(answers)
    assert taken == [0]


def test_nothing_to_segment(sam2: Sam2, clip: np.ndarray) -> None:
    with pytest.raises(PromptError, match="nothing to follow"):
        list(segment_video(sam2, open_video(clip), []))
    with pytest.raises(PromptError, match="no frame has a prompt"):
        list(segment_video(sam2, open_video(clip), [Prompt(0, 50, box=tuple(BOX))]))


def test_automatic_masks_as_dicts(sam2: Sam2, clip: np.ndarray) -> None:
    settings = {"points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    found = AutomaticMaskGenerator(sam2, **settings).generate(clip[0])
    assert found
    for item in found:
        ys, xs = np.nonzero(item["segmentation"])
        assert item["area"] == len(xs)
        assert item["bbox"] == [xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()]
        assert item["crop_box"] == [0, 0, HW[1], HW[0]]
    coded = AutomaticMaskGenerator(sam2, output_mode="coco_rle", **settings).generate(clip[0])
    assert [c["area"] for c in coded] == [f["area"] for f in found]
    assert coded[0]["segmentation"]["size"] == list(HW)
    one = AutomaticMaskGenerator(
        sam2, None, point_grids=[np.array([[0.5, 0.25]])], pred_iou_thresh=0, stability_score_thresh=0
    )
    assert all(item["point_coords"] == [[32.0, 12.0]] for item in one.generate(clip[0]))


def test_automatic_masks_refuse(sam2: Sam2) -> None:
    for settings in (
        {"output_mode": "png"},
        {"points_per_side": None},
        {"point_grids": [np.zeros((1, 2))]},
        {"points_per_side": None, "point_grids": []},
    ):
        with pytest.raises(InputError):
            AutomaticMaskGenerator(sam2, **settings)
