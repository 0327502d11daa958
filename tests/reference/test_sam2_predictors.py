"""The image and video predictors against transformers' own models on the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Sam2Model
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from seektrack.segmentation import ImagePredictor, Sam2, VideoPredictor, load_sam2
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
