"""The engine against transformers' own Sam2VideoModel, one object per reference session, in fp32.

The reference rounds memories to bfloat16, where a difference in the last bit of float32 grows a thousandfold.
So most tests keep memories in float32 on both sides and ask for 1e-3; one keeps the rounding, for masks.
The geometry of hiera-tiny runs at 512 pixels a side, not its 1024, and for four frames, to save minutes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import Sam2VideoConfig, Sam2VideoModel
from transformers.models.sam2_video import modeling_sam2_video
from transformers.models.sam2_video.modeling_sam2_video import (
    Sam2VideoInferenceCache,
    Sam2VideoInferenceSession,
)

from seektrack.segmentation import FrameMasks, Sam2, VideoSession, load_sam2
from seektrack.segmentation.loading import set_resolution
from seektrack.segmentation.network import ImageFeatures
from seektrack.training.sam2.config import PocketSize, pocket_config
from seektrack.types import Mask, Prompt

SIDE, N_FRAMES, HW = 64, 7, (90, 120)
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Variant:
    """What differs between checkpoints in how answers are chosen and memories read."""

    multimask: bool = False
    by_stability: bool = False
    score_bias: float = 2.0
    max_conditioning: int = -1
    pointer_codes: bool = True


def build(variant: Variant) -> Sam2:
    """A small network with every weight away from zero, so that no path is silent."""
    torch.manual_seed(0)
    config = pocket_config(PocketSize(resolution=SIDE, stem=16, blocks=(1, 1, 1, 1), memories=4))
    config.max_object_pointers_in_encoder = 5
    config.max_cond_frame_num = variant.max_conditioning
    config.enable_temporal_pos_encoding_for_object_pointers = variant.pointer_codes
    if variant.multimask:
        config.multimask_output_for_tracking = True
        config.multimask_max_pt_num = 1
    config.mask_decoder_config.dynamic_multimask_via_stability = variant.by_stability
    return Sam2(scattered(Sam2VideoModel(config).eval(), variant.score_bias), SIDE)


def scattered(model: Sam2VideoModel, score_bias: float) -> Sam2VideoModel:
    """Every weight drawn anew, away from zero."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "norm" not in name:
                fan_in = weight[0].numel()
                weight.copy_(torch.randn_like(weight) * (1.0 if "embed" in name else 1.5 / fan_in**0.5))
            elif "norm" not in name:
                weight.copy_(torch.randn_like(weight) * 0.2)
        for mlp in model.mask_decoder.output_hypernetworks_mlps:
            mlp.proj_out.weight.mul_(0.15)
        score = model.mask_decoder.pred_obj_score_head.proj_out
        score.weight.mul_(0.5)
        score.bias.fill_(score_bias)
        shared = model.shared_image_embedding.positional_embedding
        model.prompt_encoder.shared_embedding.positional_embedding.copy_(shared)
    return model


def frames() -> list[np.ndarray]:
    """A bright square drifting over noise."""
    rng = np.random.default_rng(3)
    out = []
    for t in range(N_FRAMES):
        image = rng.integers(0, 90, (*HW, 3), dtype=np.uint8)
        image[20 + 3 * t : 45 + 3 * t, 15 + 9 * t : 45 + 9 * t] = (220, 140, 60)
        out.append(image)
    return out


def square(obj_id: int, frame_index: int, kind: str) -> Prompt:
    """A prompt on the square, moved by the object's id so that objects differ."""
    x, y = 20.0 + 9 * frame_index + 2 * obj_id, 25.0 + 3 * frame_index
    points = np.array([[x + 5, y + 5], [x + 40, y + 35], [x + 8, y + 3]])
    labels = np.array([1, 0, 1])
    box = (x, y, x + 25, y + 20)
    mask = np.zeros(HW, dtype=bool)
    mask[int(y) : int(y) + 20, int(x) : int(x) + 25] = True
    given = {
        "point": {"points": points[:1], "point_labels": labels[:1]},
        "points": {"points": points, "point_labels": labels},
        "box": {"box": box},
        "box and point": {"box": box, "points": points[:1], "point_labels": labels[:1]},
        "mask": {"mask": Mask.from_array(mask)},
    }[kind]
    return Prompt(obj_id=obj_id, frame_index=frame_index, **given)


def reference_answers(
    sam2: Sam2,
    images: list[np.ndarray],
    prompts: list[Prompt],
    order: Iterable[int],
    *,
    reverse: bool = False,
    cache: Sam2VideoInferenceCache | None = None,
) -> dict[int, tuple[torch.Tensor, float]]:
    """transformers' loop for one object: frame index to low-resolution logits and object score logit.

    ``cache`` keeps features of frames between sessions.
    """
    session = Sam2VideoInferenceSession(
        video=sam2.preprocess_batch(images), video_height=HW[0], video_width=HW[1], dtype=torch.float32
    )
    slot = session.obj_id_to_idx(prompts[0].obj_id)
    if cache is not None:
        session.cache = cache
    side = sam2.resolution
    scale = torch.tensor([side / HW[1], side / HW[0]])
    answers = {}
    for frame_index in order:
        for prompt in (p for p in prompts if p.frame_index == frame_index):
            if prompt.mask is not None:
                mask = torch.from_numpy(prompt.mask.to_array()).float()[None, None]
                mask = F.interpolate(mask, (side, side), mode="bilinear", align_corners=False, antialias=True)
                session.add_mask_inputs(slot, frame_index, (mask >= 0.5).float())
            else:
                corners = [] if prompt.box is None else [prompt.box[:2], prompt.box[2:]]
                labels = [] if prompt.box is None else [2, 3]
                if prompt.points is not None:
                    corners += prompt.points.tolist()
                    labels += prompt.point_labels.tolist()
                coordinates = torch.tensor(corners, dtype=torch.float32) * scale
                session.add_point_inputs(
                    slot,
                    frame_index,
                    {
                        "point_coords": coordinates[None, None],
                        "point_labels": torch.tensor(labels)[None, None],
                    },
                )
            session.obj_with_new_inputs.append(prompt.obj_id)
        if not session.output_dict_per_obj[slot]["cond_frame_outputs"] and not session.obj_with_new_inputs:
            continue
        out = sam2.model(session, frame_idx=frame_index, reverse=reverse)
        answers[frame_index] = (out.pred_masks[0, 0], float(out.object_score_logits.flatten()[0]))
    return answers


def engine_answers(
    session: VideoSession, images: list[np.ndarray], prompts: list[Prompt], order: Iterable[int]
) -> dict[int, FrameMasks]:
    """All objects in one session."""
    for prompt in prompts:
        session.add(prompt)
    return {i: session.step(images[i], i) for i in order}


def compare(
    sam2: Sam2, prompts: list[Prompt], order: list[int], *, reverse: bool = False, **settings: int
) -> list[float]:
    """Hold every object's answers against its own reference; returns the object score logits met."""
    images = frames()
    session = VideoSession(sam2, total_frames=N_FRAMES, memory_dtype=torch.float32, **settings)
    got = engine_answers(session, images, prompts, order)
    scores = []
    for obj_id in dict.fromkeys(p.obj_id for p in prompts):
        own = [p for p in prompts if p.obj_id == obj_id]
        want = reference_answers(sam2, images, own, order, reverse=reverse)
        assert want, "the reference followed nothing"
        assert [i for i in order if obj_id in got[i].obj_ids] == list(want)
        for frame_index, (logits, score) in want.items():
            answer = got[frame_index]
            slot = answer.obj_ids.index(obj_id)
            worst = float((answer.logits[slot] - logits).abs().max())
            assert worst < TOLERANCE, f"object {obj_id} frame {frame_index}: logits differ by {worst}"
            belief = float(answer.object_scores[slot])
            assert belief == pytest.approx(1 / (1 + np.exp(-score)), abs=TOLERANCE)
            scores.append(score)
    return scores


class TorchWithoutRounding:
    """torch, with bfloat16 standing for float32."""

    bfloat16 = torch.float32

    def __getattr__(self, name: str) -> object:
        return getattr(torch, name)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the reference from rounding memories."""
    monkeypatch.setattr(modeling_sam2_video, "torch", TorchWithoutRounding())


KINDS = ["point", "points", "box", "box and point", "mask"]


@pytest.fixture(scope="module")
def plain() -> Sam2:
    return build(Variant())


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("kind", KINDS)
def test_one_object(plain: Sam2, kind: str) -> None:
    compare(plain, [square(0, 0, kind)], list(range(N_FRAMES)))


@pytest.mark.parametrize("kind", KINDS)
def test_rounded_memories_give_the_same_masks(plain: Sam2, kind: str) -> None:
    images, order = frames(), list(range(N_FRAMES))
    got = engine_answers(VideoSession(plain, total_frames=N_FRAMES), images, [square(0, 0, kind)], order)
    for frame_index, (logits, _) in reference_answers(plain, images, [square(0, 0, kind)], order).items():
        found, wanted = got[frame_index].logits[0] > 0, logits > 0
        assert (found == wanted).float().mean() >= 0.999


def test_the_network_is_not_degenerate(plain: Sam2) -> None:
    images = frames()
    got = engine_answers(VideoSession(plain), images, [square(0, 0, "box"), square(1, 0, "point")], [0, 1, 2])
    logits = torch.stack([g.logits for g in got.values()])
    assert logits.std() > 0.5
    assert (logits[0] - logits[1]).abs().max() > 0.1, "frames must differ"
    assert (logits[:, 0] - logits[:, 1]).abs().max() > 0.1, "objects must differ"


@pytest.mark.usefixtures("exact")
def test_several_objects_of_every_kind_starting_on_different_frames(plain: Sam2) -> None:
    prompts = [
        square(7, 0, "box"),
        square(3, 0, "mask"),
        square(5, 1, "point"),
        square(9, 3, "mask"),
        square(4, 3, "points"),
    ]
    compare(plain, prompts, list(range(N_FRAMES)))


@pytest.mark.usefixtures("exact")
def test_batches_smaller_than_the_number_of_objects(plain: Sam2) -> None:
    prompts = [square(i, 0, "box") for i in range(3)]
    compare(plain, prompts, list(range(4)), max_objects_per_batch=2)


@pytest.mark.usefixtures("exact")
def test_backward(plain: Sam2) -> None:
    order = list(range(N_FRAMES - 1, -1, -1))
    compare(plain, [square(0, 6, "point"), square(1, 4, "mask")], order, reverse=True)


@pytest.mark.usefixtures("exact")
def test_a_second_prompted_frame(plain: Sam2) -> None:
    prompts = [square(0, 0, "box"), square(0, 3, "point"), square(1, 1, "mask"), square(1, 4, "mask")]
    compare(plain, prompts, list(range(N_FRAMES)))


@pytest.mark.usefixtures("exact")
def test_few_prompted_frames_are_read() -> None:
    sam2 = build(Variant(max_conditioning=2))
    prompts = [square(0, i, kind) for i, kind in enumerate(["box", "point", "mask", "box"])]
    compare(sam2, prompts, list(range(N_FRAMES)))


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize(
    "variant",
    [
        Variant(multimask=True),
        Variant(multimask=True, by_stability=True),
        Variant(by_stability=True),
        Variant(pointer_codes=False),
    ],
    ids=repr,
)
def test_variants_of_the_checkpoint(variant: Variant) -> None:
    compare(
        build(variant), [square(0, 0, "point"), square(1, 0, "box"), square(2, 2, "mask")], list(range(5))
    )


@pytest.mark.usefixtures("exact")
def test_objects_that_vanish() -> None:
    sam2 = build(Variant(score_bias=-0.73))
    prompts = [square(i, 0, kind) for i, kind in enumerate(KINDS)]
    scores = compare(sam2, prompts, list(range(N_FRAMES)))
    assert min(scores) < 0 < max(scores), "both must be met for the test to mean anything"


@pytest.mark.usefixtures("exact")
def test_correcting_the_current_frame(plain: Sam2) -> None:
    images = frames()
    start, correction = square(0, 0, "box"), square(0, 3, "points")
    session = VideoSession(plain, total_frames=N_FRAMES, memory_dtype=torch.float32)
    session.add(start)
    for i in range(4):
        session.step(images[i], i)
    session.add(correction)
    got = {3: session.step(images[3], 3)}
    got.update({i: session.step(images[i], i) for i in range(4, N_FRAMES)})

    reference = Corrected(plain, images)
    want = reference.run(start, correction)
    for i, logits in want.items():
        assert float((got[i].logits[0] - logits).abs().max()) < TOLERANCE


class Corrected:
    """transformers' loop where a frame already followed is corrected and following goes on from it."""

    def __init__(self, sam2: Sam2, images: list[np.ndarray]) -> None:
        self.sam2 = sam2
        self.session = Sam2VideoInferenceSession(
            video=sam2.preprocess_batch(images), video_height=HW[0], video_width=HW[1], dtype=torch.float32
        )
        self.scale = torch.tensor([SIDE / HW[1], SIDE / HW[0]])

    def run(self, start: Prompt, correction: Prompt) -> dict[int, torch.Tensor]:
        slot = self.session.obj_id_to_idx(start.obj_id)
        corners = torch.tensor([start.box[:2], start.box[2:]]) * self.scale
        inputs = {"point_coords": corners[None, None], "point_labels": torch.tensor([[[2, 3]]])}
        self.session.add_point_inputs(slot, 0, inputs)
        self.session.obj_with_new_inputs.append(start.obj_id)
        for i in range(4):
            self.sam2.model(self.session, frame_idx=i)
        points = torch.tensor(correction.points, dtype=torch.float32) * self.scale
        labels = torch.tensor(correction.point_labels)
        self.session.add_point_inputs(
            slot, 3, {"point_coords": points[None, None], "point_labels": labels[None, None]}
        )
        self.session.obj_with_new_inputs.append(start.obj_id)
        return {i: self.sam2.model(self.session, frame_idx=i).pred_masks[0, 0] for i in range(3, N_FRAMES)}


@dataclass(frozen=True)
class Checkpoint:
    """A network of a size people use, with its features of every frame, ours and theirs, made once."""

    sam2: Sam2
    images: list[np.ndarray]
    features: list[ImageFeatures]
    cache: Sam2VideoInferenceCache


def checkpoint(sam2: Sam2, n_frames: int) -> Checkpoint:
    images = frames()[:n_frames]
    cache = Sam2VideoInferenceCache(max_vision_features_cache_size=n_frames)
    return Checkpoint(sam2, images, [sam2.encode(image) for image in images], cache)


@pytest.fixture(scope="module")
def pocket() -> Checkpoint:
    return checkpoint(load_sam2("pocket", device="cpu"), N_FRAMES)


@pytest.fixture(scope="module")
def tiny() -> Checkpoint:
    """hiera-tiny's geometry as transformers configures it, with random weights."""
    torch.manual_seed(0)
    config = Sam2VideoConfig()
    set_resolution(config, 512)
    return checkpoint(Sam2(scattered(Sam2VideoModel(config).eval(), 2.0), 512), 4)


def agree(at: Checkpoint, n_objects: int, *, reverse: bool) -> None:
    """Objects of all kinds of prompts, starting on different frames, each against its own reference."""
    order = list(range(len(at.images)))[:: -1 if reverse else 1]
    prompts = [square(i, order[i % 3], ("box", "point", "mask")[i % 3]) for i in range(n_objects)]
    session = VideoSession(at.sam2, total_frames=len(order), memory_dtype=torch.float32)
    for prompt in prompts:
        session.add(prompt)
    got = {i: session.step(at.features[i], i) for i in order}
    overlaps = []
    for prompt in prompts:
        want = reference_answers(at.sam2, at.images, [prompt], order, reverse=reverse, cache=at.cache)
        assert [i for i in order if prompt.obj_id in got[i].obj_ids] == list(want)
        for i, (logits, _) in want.items():
            mine = got[i].logits[got[i].obj_ids.index(prompt.obj_id)]
            worst = float((mine - logits).abs().max())
            assert worst < TOLERANCE, f"object {prompt.obj_id} frame {i}: logits differ by {worst}"
            either = float(((mine > 0) | (logits > 0)).sum())
            overlaps.append(float(((mine > 0) & (logits > 0)).sum()) / either if either else 1.0)
    assert min(overlaps) >= 0.999


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("n_objects", [1, 3, 8])
def test_the_pocket_checkpoint(pocket: Checkpoint, n_objects: int, reverse: bool) -> None:
    agree(pocket, n_objects, reverse=reverse)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize(("n_objects", "reverse"), [(1, False), (3, True), (8, False)])
def test_the_geometry_of_hiera_tiny(tiny: Checkpoint, n_objects: int, reverse: bool) -> None:
    agree(tiny, n_objects, reverse=reverse)
