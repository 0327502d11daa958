"""The image and video predictors against transformers' own models on the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Sam2Model
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from seektrack.segmentation import AutomaticMaskGenerator, ImagePredictor, Sam2, VideoPredictor, load_sam2
from seektrack.training.sam2.config import PocketSize, build_pocket

SIDE, HW = 64, (48, 80)
SCALE = torch.tensor([SIDE / HW[1], SIDE / HW[0]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("sam2")
    model = build_pocket(PocketSize(resolution=SIDE, stem=16, blocks=(1, 1, 1, 1)))
    model.config.max_object_pointers_in_encoder = 4
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def sam2(folder: Path) -> Sam2:
    return load_sam2(folder, device="cpu")


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 255, (6, *HW, 3), dtype=np.uint8)


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("kind", ["points", "box", "boxes"])
def test_pictures(folder: Path, sam2: Sam2, clip: np.ndarray, kind: str, multimask: bool) -> None:
    reference = Sam2Model.from_pretrained(folder).eval()
    points = np.array([[20.0, 15.0], [60.0, 40.0]])
    boxes = np.array([[10.0, 8.0, 50.0, 30.0], [4.0, 20.0, 30.0, 44.0]])
    given: dict[str, dict[str, np.ndarray]] = {
        "points": {"point_coords": points, "point_labels": np.array([1, 0])},
        "box": {"box": boxes[0]},
        "boxes": {"box": boxes},
    }
    scaled = torch.tensor(boxes, dtype=torch.float32) * SCALE.repeat(2)
    asked: dict[str, dict[str, torch.Tensor]] = {
        "points": {
            "input_points": (torch.tensor(points, dtype=torch.float32) * SCALE)[None, None],
            "input_labels": torch.tensor([[[1, 0]]]),
        },
        "box": {"input_boxes": scaled[None, :1]},
        "boxes": {"input_boxes": scaled[None]},
    }
    predictor = ImagePredictor(sam2)
    predictor.set_image(clip[0])
    _, scores, logits = predictor.predict(**given[kind], multimask_output=multimask)
    with torch.inference_mode():
        out = reference(pixel_values=sam2.preprocess(clip[0]), multimask_output=multimask, **asked[kind])
    wanted = out.pred_masks[0].numpy().reshape(logits.shape)
    np.testing.assert_allclose(logits, wanted, atol=1e-3)
    np.testing.assert_allclose(scores, out.iou_scores[0].numpy().reshape(scores.shape), atol=1e-4)
    assert np.ptp(logits) > 0.5, "a flat answer would agree with anything"


@pytest.mark.parametrize("reverse", [False, True])
def test_a_video_prompted_on_two_frames(sam2: Sam2, clip: np.ndarray, reverse: bool) -> None:
    """Both prompted frames are known before following begins, whichever way it goes.

    Memories are rounded to bfloat16 on both sides, which lets the last bits differ.
    """
    box = np.array([10.0, 8.0, 50.0, 30.0])
    session = Sam2VideoInferenceSession(
        video=sam2.preprocess_batch(list(clip)), video_height=HW[0], video_width=HW[1], dtype=torch.float32
    )
    slot = session.obj_id_to_idx(1)
    corners = torch.tensor(box.reshape(2, 2), dtype=torch.float32) * SCALE
    inputs = {"point_coords": corners[None, None], "point_labels": torch.tensor([[[2, 3]]])}
    for frame_index in (1, 4):
        session.add_point_inputs(slot, frame_index, inputs)
        session.obj_with_new_inputs.append(1)
        sam2.model(session, frame_idx=frame_index)
    start = 4 if reverse else 1
    outputs = sam2.model.propagate_in_video_iterator(session, start_frame_idx=start, reverse=reverse)
    wanted = {o.frame_idx: o.pred_masks for o in outputs}

    predictor = VideoPredictor(sam2)
    state = predictor.init_state(clip)
    for frame_index in (1, 4):
        predictor.add_new_points_or_box(state, frame_index, 1, box=box)
    got = list(predictor.propagate_in_video(state, start_frame_idx=start, reverse=reverse))
    assert [i for i, _, _ in got] == list(wanted)
    for frame_index, _, logits in got:
        full = torch.nn.functional.interpolate(wanted[frame_index], HW, mode="bilinear", align_corners=False)
        torch.testing.assert_close(logits, full, atol=0.02, rtol=0)
        assert float((logits - logits.mean()).abs().max()) > 0.5


def test_points_on_a_tracked_frame_correct_what_was_tracked(sam2: Sam2, clip: np.ndarray) -> None:
    """As transformers' session does: with the memories of the frames before, not afresh."""
    box, click = np.array([10.0, 8.0, 50.0, 30.0]), np.array([[60.0, 40.0]])
    session = Sam2VideoInferenceSession(
        video=sam2.preprocess_batch(list(clip)), video_height=HW[0], video_width=HW[1], dtype=torch.float32
    )
    slot = session.obj_id_to_idx(1)
    corners = torch.tensor(box.reshape(2, 2), dtype=torch.float32) * SCALE
    session.add_point_inputs(
        slot, 0, {"point_coords": corners[None, None], "point_labels": torch.tensor([[[2, 3]]])}
    )
    session.obj_with_new_inputs.append(1)
    sam2.model(session, frame_idx=0)
    list(sam2.model.propagate_in_video_iterator(session, start_frame_idx=0))
    points = torch.tensor(click, dtype=torch.float32) * SCALE
    session.add_point_inputs(
        slot, 3, {"point_coords": points[None, None], "point_labels": torch.tensor([[[0]]])}
    )
    session.obj_with_new_inputs.append(1)
    low = sam2.model(session, frame_idx=3).pred_masks
    wanted = torch.nn.functional.interpolate(low, HW, mode="bilinear", align_corners=False)

    predictor = VideoPredictor(sam2)
    state = predictor.init_state(clip)
    predictor.add_new_points_or_box(state, 0, 1, box=box)
    tracked = {i: logits for i, _, logits in predictor.propagate_in_video(state)}
    _, _, corrected = predictor.add_new_points_or_box(state, 3, 1, points=click, labels=[0])
    torch.testing.assert_close(corrected, wanted, atol=0.02, rtol=0)
    assert float((corrected - tracked[3]).abs().max()) > 0.05

    fresh = predictor.init_state(clip)
    _, _, afresh = predictor.add_new_points_or_box(fresh, 3, 1, points=click, labels=[0])
    assert float((corrected - afresh).abs().max()) > 0.05

    again = {i: logits for i, _, logits in predictor.propagate_in_video(state)}
    torch.testing.assert_close(again[3], corrected)
    assert float((again[4] - tracked[4]).abs().max()) > 1e-3, "the frames after it know of it"


SCRIPT = """
predictor = SAM2VideoPredictor.from_pretrained(checkpoint, device="cpu")
with torch.inference_mode():
    inference_state = predictor.init_state(video_path=video_dir)
    predictor.reset_state(inference_state)
    prompts = {}
    ann_frame_idx, ann_obj_id = 0, 2
    points = np.array([[20, 15]], dtype=np.float32)
    labels = np.array([1], np.int32)
    prompts[ann_obj_id] = points, labels
    _, out_obj_ids, out_mask_logits = predictor.add_new_points_or_box(
        inference_state=inference_state, frame_idx=ann_frame_idx, obj_id=ann_obj_id,
        points=points, labels=labels,
    )
    first = (out_mask_logits[0] > 0.0).cpu().numpy()
    points, labels = np.array([[20, 15], [30, 25]], dtype=np.float32), np.array([1, 0], np.int32)
    _, out_obj_ids, out_mask_logits = predictor.add_new_points_or_box(
        inference_state=inference_state, frame_idx=ann_frame_idx, obj_id=ann_obj_id,
        points=points, labels=labels,
    )
    _, out_obj_ids, out_mask_logits = predictor.add_new_points_or_box(
        inference_state, 1, 5, box=np.array([10, 8, 50, 30], dtype=np.float32)
    )
    video_segments = {}
    for out_frame_idx, out_obj_ids, out_mask_logits in predictor.propagate_in_video(inference_state):
        video_segments[out_frame_idx] = {
            out_obj_id: (out_mask_logits[i] > 0.0).cpu().numpy() for i, out_obj_id in enumerate(out_obj_ids)
        }
    _, out_obj_ids, out_mask_logits = predictor.add_new_points_or_box(
        inference_state=inference_state, frame_idx=4, obj_id=5,
        points=np.array([[70, 40]]), labels=np.array([0]),
    )
    for out_frame_idx, out_obj_ids, out_mask_logits in predictor.propagate_in_video(
        inference_state, start_frame_idx=4, max_frame_num_to_track=2, reverse=True
    ):
        video_segments[out_frame_idx][5] = (out_mask_logits[out_obj_ids.index(5)] > 0.0).cpu().numpy()
    predictor.clear_all_prompts_in_frame(inference_state, 4, 5, need_output=False)
    obj_ids, updated_frames = predictor.remove_object(inference_state, 2)

image_predictor = SAM2ImagePredictor.from_pretrained(checkpoint, device="cpu")
with torch.inference_mode():
    image_predictor.set_image(image)
    masks, scores, logits = image_predictor.predict(
        point_coords=np.array([[20, 15]]), point_labels=np.array([1]), multimask_output=True
    )
    order = np.argsort(scores)[::-1]
    mask_input = logits[order[0], :, :]
    refined, _, _ = image_predictor.predict(
        point_coords=np.array([[20, 15], [60, 40]]), point_labels=np.array([1, 0]),
        mask_input=mask_input[None, :, :], multimask_output=False,
    )
    image_predictor.set_image_batch([image, image])
    batch_masks, batch_scores, _ = image_predictor.predict_batch(
        [np.array([[[20, 15]], [[60, 40]]]), None], [np.array([[1], [1]]), None],
        box_batch=[None, np.array([[10, 8, 50, 30], [4, 20, 30, 44]])], multimask_output=False,
    )

mask_generator = SAM2AutomaticMaskGenerator.from_pretrained(
    checkpoint, points_per_side=3, pred_iou_thresh=0.0, stability_score_thresh=0.0, use_m2m=True
)
annotations = sorted(mask_generator.generate(image), key=lambda a: a["area"], reverse=True)
"""
"""A script for the reference but for its imports, after the examples that come with it."""


def test_a_script_for_the_reference_runs_after_changing_its_imports(
    folder: Path, clip: np.ndarray, tmp_path: Path
) -> None:
    for t, image in enumerate(clip):
        Image.fromarray(image).save(tmp_path / f"{t:05d}.jpg", quality=95)
    names: dict[str, Any] = {
        "np": np,
        "torch": torch,
        "SAM2VideoPredictor": VideoPredictor,
        "SAM2ImagePredictor": ImagePredictor,
        "SAM2AutomaticMaskGenerator": AutomaticMaskGenerator,
        "checkpoint": str(folder),
        "video_dir": str(tmp_path),
        "image": clip[0],
    }
    exec(SCRIPT, names)
    segments = names["video_segments"]
    assert sorted(segments) == list(range(6)) and all(sorted(s) == [2, 5] for s in segments.values())
    assert all(
        mask.shape == (1, *HW) and mask.dtype == bool for s in segments.values() for mask in s.values()
    )
    assert names["first"].shape == (1, *HW)
    assert names["obj_ids"] == [5] and [i for i, _ in names["updated_frames"]] == [0]
    assert names["masks"].shape == (3, *HW) and names["refined"].shape == (1, *HW)
    assert [m.shape for m in names["batch_masks"]] == [(2, 1, *HW), (2, 1, *HW)]
    assert names["annotations"] and names["annotations"][0]["segmentation"].shape == HW
