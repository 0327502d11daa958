"""The fused network against the plain one, on shapes that stress what is rearranged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import Sam2VideoModel

from seektrack.errors import ModelError
from seektrack.segmentation import ImageFeatures, Sam2, VideoSession, load_sam2, network
from seektrack.segmentation.fused import FusedNetwork, attention
from seektrack.segmentation.fused.attention import attend
from seektrack.segmentation.fused.weights import linear
from seektrack.segmentation.memory import Recall, Remembered
from seektrack.training.sam2.config import PocketSize, pocket_config
from seektrack.types import Prompt

SIDE = 64


def build(change: Callable[[object], None] = lambda config: None) -> Sam2VideoModel:
    """A small network with weights away from zero; ``change`` edits its configuration."""
    torch.manual_seed(1)
    config = pocket_config(PocketSize(resolution=SIDE, stem=16, blocks=(1, 1, 1, 1), memories=4))
    change(config)
    model = Sam2VideoModel(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name:
                fan_in = weight[0].numel() if weight.ndim > 1 else 25
                weight.copy_(torch.randn_like(weight) / fan_in**0.5)
    return model


def padded_windows(config: object) -> None:
    """Windows that do not divide the map, and a pyramid like the published checkpoints'."""
    config.vision_config.backbone_config.window_size_per_stage = [8, 6, 7, 3]
    config.vision_config.backbone_config.global_attention_blocks = []
    config.vision_config.fpn_top_down_levels = [2, 3]


def two_heads(config: object) -> None:
    config.memory_attention_num_attention_heads = 2


def features_of(model: Sam2VideoModel) -> ImageFeatures:
    with torch.inference_mode():
        return network.encode(model, torch.randn(1, 3, SIDE, SIDE))


@pytest.mark.parametrize("change", [lambda config: None, padded_windows], ids=["pocket", "padded windows"])
def test_the_image_encoder(change: Callable[[object], None]) -> None:
    model, pixels = build(change), torch.randn(1, 3, SIDE, SIDE)
    with torch.inference_mode():
        want = network.encode(model, pixels)
        got = FusedNetwork(model, torch.float32).encode(pixels, hw=want.hw)
    for name in ("s0", "s1", "top", "position"):
        torch.testing.assert_close(getattr(got, name), getattr(want, name), atol=2e-5, rtol=1e-4)


def recalls() -> list[Recall]:
    """Three objects that remember one, two and four frames and as many pointers."""
    return [
        Recall(
            memories=[Remembered(torch.randn(16, 64)) for _ in range(count)],
            offsets=[0, 3, 2, 1][:count],
            pointers=[torch.randn(128) for _ in range(count)],
            pointer_offsets=[9, 1, 2, 3][:count],
        )
        for count in (1, 2, 4)
    ]


@pytest.mark.parametrize("kept", [True, False], ids=["keys kept", "keys made when read"])
@pytest.mark.parametrize("change", [lambda config: None, two_heads], ids=["one head", "two heads"])
def test_memory_attention_of_objects_that_remember_different_amounts(
    change: Callable[[object], None], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "KEPT_KEY_BYTES", 1 << 20 if kept else 0)
    model, pasts = build(change), recalls()
    features = features_of(model)
    with torch.inference_mode():
        fused = FusedNetwork(model, torch.float32)
        read = [
            Recall([fused.remembered(m.tokens) for m in r.memories], r.offsets, r.pointers, r.pointer_offsets)
            for r in pasts
        ]
        assert (read[0].memories[0].keys is not None) is kept
        got = fused.condition(features, read, max_pointers=8)
        for row, past in enumerate(pasts):
            memories = torch.stack([m.tokens for m in past.memories]).transpose(1, 2).unflatten(2, (4, 4))
            want = network.condition(
                model,
                features,
                memories=memories[None],
                offsets=torch.tensor(past.offsets),
                pointers=torch.stack(past.pointers)[None],
                pointer_offsets=torch.tensor(past.pointer_offsets),
                max_pointers=8,
            )
            torch.testing.assert_close(
                got[row].t().unflatten(1, (4, 4)), want[0], atol=2e-5, rtol=1e-4, msg=f"object {row}"
            )


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("rows", [1, 3], ids=["one query for all", "a query each"])
def test_attention_in_one_call_and_one_by_one(heads: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_TILE", 40)
    monkeypatch.setattr(attention, "_TILE_ROWS", 2)
    monkeypatch.setattr(attention, "_BLOCK", 5)
    monkeypatch.setattr(attention, "_LONG", 10)
    query, lengths = torch.randn(rows, 10, 8), (3, 7, 12)
    keys = [torch.randn(n, 8) for n in lengths]
    values = [torch.randn(n, 6) for n in lengths]
    want = []
    for row, (key, value) in enumerate(zip(keys, values, strict=True)):
        asked = query[min(row, rows - 1)].unflatten(-1, (heads, -1))
        weights = torch.einsum("thc,khc->thk", asked, key.unflatten(-1, (heads, -1))).softmax(-1)
        want.append(torch.einsum("thk,kd->thd", weights, value).flatten(1))
    for batched in (False, True):
        got = attend(query, keys, values, heads=heads, batched=batched)
        torch.testing.assert_close(got, torch.stack(want), atol=1e-5, rtol=1e-4)


def test_the_memory_encoder_and_the_object_that_is_hidden() -> None:
    model = build()
    features, mask = features_of(model), torch.rand(3, 1, SIDE, SIDE)
    there = torch.tensor([[True], [False], [True]])
    with torch.inference_mode():
        want = network.remember(model, features.top, mask, there).flatten(2).transpose(1, 2)
        got = FusedNetwork(model, torch.float32).remember(features, mask, there)
    torch.testing.assert_close(got, want, atol=2e-5, rtol=1e-4)


def test_weights_that_change_are_taken_up() -> None:
    sam2 = Sam2(build(), SIDE)
    image = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    first, before = sam2.fused, sam2.encode(image)
    assert sam2.fused is first
    with torch.no_grad():
        sam2.model.vision_encoder.neck.convs[1].weight.mul_(2)
    assert sam2.fused is not first
    assert not torch.equal(before.top, sam2.encode(image).top)


def disc(index: int) -> np.ndarray:
    image = np.full((96, 128, 3), 90, dtype=np.uint8)
    y, x = np.mgrid[:96, :128]
    image[(x - 40 - 4 * index) ** 2 + (y - 50) ** 2 < 18**2] = (220, 40, 40)
    return image


def test_bf16_gives_nearly_the_same_masks() -> None:
    masks, memories = {}, {}
    for precision in ("fp32", "bf16"):
        sam2 = load_sam2("pocket", device="cpu", precision=precision)
        session = VideoSession(sam2)
        session.add(Prompt(0, 0, box=(21.0, 31.0, 59.0, 69.0)))
        answers = [session.step(disc(i), i) for i in range(5)]
        assert all(a.logits.dtype == torch.float32 for a in answers)
        masks[precision] = torch.stack([a.logits[0] > 0 for a in answers])
        memories[precision] = session.objects[0].memories[-1][1].keys
    assert memories["bf16"].dtype == torch.bfloat16 and memories["fp32"].dtype == torch.float32
    both = (masks["fp32"] & masks["bf16"]).sum().item()
    assert both > 1000 and both / (masks["fp32"] | masks["bf16"]).sum().item() > 0.98


def test_precisions_that_cannot_be_had() -> None:
    with pytest.raises(ModelError, match="no precision 'int3'"):
        load_sam2("pocket", precision="int3")
    with pytest.raises(ModelError, match="fp16 needs a GPU"):
        load_sam2("pocket", device="cpu", precision="fp16")
    sam2 = Sam2(build(), SIDE)
    assert sam2.at("fp32") is sam2
    assert sam2.at("bf16").model is sam2.model
    with pytest.raises(ModelError, match="fp16 needs a GPU"):
        sam2.at("fp16")


@pytest.mark.parametrize("then", ["none", "relu", "gelu"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_a_linear_layer_and_what_follows_it_is_as_torch_computes_them(then, dtype, tolerance):
    draw = torch.Generator().manual_seed(1)
    x, weight, bias = (
        torch.randn(s, generator=draw, dtype=torch.float64) for s in ((2, 9, 33), (7, 33), (7,))
    )
    right = F.linear(x, weight, bias)
    right = {"none": right, "relu": F.relu(right), "gelu": F.gelu(right)}[then].float()
    held = x.to(dtype).transpose(0, 1).contiguous().transpose(0, 1)  # rows that do not follow each other
    found = linear(held, weight.to(dtype), bias.to(dtype), then=then)
    assert found.dtype == dtype
    assert float((found.float() - right).abs().max()) < tolerance * float(right.abs().max())
    assert linear(held[:0], weight.to(dtype), None, then=then).shape == (0, 9, 7)
