"""The network computed by torch: from prompts and memories to masks and new memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from seektrack.checkpoints import weights_fingerprint
from seektrack.segmentation import network
from seektrack.segmentation.answer import Job
from seektrack.segmentation.features import Chosen, Decoded, ImageFeatures
from seektrack.segmentation.fused import FusedNetwork
from seektrack.segmentation.fused.weights import map_of
from seektrack.segmentation.memory import Remembered, Row
from seektrack.segmentation.runtime import NetworkSizes
from seektrack.segmentation.squares import MEAN, STD, mask_square, squared
from seektrack.segmentation.stored import Stored
from seektrack.types import Prompt

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchNetwork:
    """A ``runtime.Network`` on torch, in the fused form.

    Args:
        model: The network; it is not changed.
        precision: What the heavy layers compute in.
        weights: The name of this set of weights, where a checkpoint holds two.
    """

    def __init__(self, model: Sam2VideoModel, precision: str = "fp32", *, weights: str = "") -> None:
        self.model, self.weights, self._precision = model, weights, precision
        self.device = torch.device(model.device)
        self.dtype: torch.dtype = model.dtype
        self.fused = FusedNetwork(model, self.dtype if precision == "fp32" else PRECISIONS[precision])
        self.sizes = network_sizes(model)
        self.memory_dtype = torch.bfloat16

    @property
    def device_type(self) -> str:
        """``cpu``, ``cuda`` and so on."""
        return self.device.type

    @property
    def fingerprint(self) -> str:
        """See ``Sam2.fingerprint``."""
        return weights_fingerprint(f"{self.sizes.resolution}", self.model.state_dict().items())

    def pixels(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Resize pictures to the square the network sees, normalised by ImageNet's mean and deviation."""
        side = self.sizes.resolution
        squares = []
        for image in images:
            # On a CPU as the other runtime does it, to the last grey level: what follows magnifies one.
            image = squared(image, side) if self.device.type == "cpu" else np.ascontiguousarray(image)
            pixels = torch.tensor(image, device=self.device).permute(2, 0, 1)[None]
            if pixels.shape[-2:] != (side, side):
                pixels = F.interpolate(
                    pixels.float(), (side, side), mode="bilinear", align_corners=False, antialias=True
                )
            squares.append(pixels)
        mean = torch.tensor(MEAN, device=self.device).view(3, 1, 1) * 255
        std = torch.tensor(STD, device=self.device).view(3, 1, 1) * 255
        return ((torch.cat(squares).float() - mean) / std).to(self.dtype).contiguous()

    @torch.inference_mode()
    def encode(self, pixels: Tensor, *, hw: tuple[int, int]) -> ImageFeatures:
        """Like ``network.encode``."""
        return replace(self.fused.encode(pixels, hw=hw), weights=self.weights)

    @torch.inference_mode()
    def answer(
        self, features: ImageFeatures, jobs: Sequence[Job], *, n_pointers: int, memory_dtype: torch.dtype
    ) -> list[Row]:
        """Answer for a batch of jobs of equal key; bfloat16 memories, as in the reference, halve them."""
        if jobs[0].mask is not None:
            return self._answer_masks(features, [j.mask for j in jobs if j.mask is not None], memory_dtype)
        model, fused = self.model, self.fused
        recalls = [j.recall for j in jobs if j.recall is not None]
        inputs = [j.points for j in jobs if j.points is not None]
        multimask = self.sizes.multimask(len(inputs[0].labels) if inputs else 0, afresh=not recalls)
        if recalls:
            embedding = fused.condition(features, recalls, max_pointers=n_pointers)
        if recalls and not inputs:
            chosen, score = fused.follow(features, embedding, multimask=multimask)
        else:
            start = network.without_memory(model, features)
            if recalls:
                start = map_of(embedding, (start.shape[-2], start.shape[-1])).to(start.dtype)
            decoded = self._decode(
                features,
                start,
                points=np.stack([p.points for p in inputs]),
                labels=np.stack([p.labels for p in inputs]),
            )
            chosen, score = self.choose(decoded, multimask=multimask), decoded.score
        there = score > 0
        logits = torch.where(there[..., None], chosen.logits, network.NO_OBJECT_LOGIT)
        pointer = network.object_pointer(model, chosen.token, there)
        mask = network.memory_mask(model, logits, binarise=bool(inputs))
        memory = fused.remember(features, mask, there).to(memory_dtype)
        return self._rows(logits, score[:, 0], chosen.iou, pointer, memory)

    @torch.inference_mode()
    def decode(
        self,
        features: ImageFeatures,
        *,
        points: NDArray[np.floating] | None = None,
        labels: NDArray[np.integer] | None = None,
        mask: Tensor | None = None,
    ) -> Decoded:
        """Like ``network.decode``, of nothing remembered."""
        start = network.without_memory(self.model, features)
        return self._decode(features, start, points=points, labels=labels, mask=mask)

    @torch.inference_mode()
    def without_memory(self, features: ImageFeatures) -> Tensor:
        """Like ``network.without_memory``."""
        return network.without_memory(self.model, features)

    @torch.inference_mode()
    def choose(self, decoded: Decoded, *, multimask: bool) -> Chosen:
        """Like ``network.choose``."""
        return network.choose(self.model, decoded, multimask=multimask)

    @property
    def memory_fingerprint(self) -> str:
        """Resolution, precision and the weights that make memories."""
        parts = (self.model.memory_encoder, self.model.object_pointer_proj)
        weights = (entry for part in parts for entry in part.state_dict().items())
        return weights_fingerprint(f"{self.sizes.resolution} {self.dtype} {self._precision}", weights)

    def dtype_of(self, name: str) -> torch.dtype:
        """Torch's type of a name."""
        return getattr(torch, name)  # type: ignore[no-any-return]

    def store(self, values: Tensor) -> Stored:
        """As numpy's; bfloat16 as its bits."""
        held = values.detach().cpu().contiguous()
        if held.dtype == torch.bfloat16:
            return held.view(torch.int16).numpy().view(np.uint16).copy()
        return held.numpy().copy()

    def restore(self, values: Stored) -> Tensor:
        """On the device."""
        if values.dtype == np.uint16:
            return torch.from_numpy(values.view(np.int16).copy()).view(torch.bfloat16).to(self.device)
        return torch.from_numpy(values.copy()).to(self.device)

    @torch.inference_mode()
    def remembered(self, tokens: Tensor) -> Remembered:
        """A memory with its keys; made one by one as when it was first kept."""
        return self.fused.remembered(tokens.clone())

    def array(self, values: NDArray[Any]) -> Tensor:
        """A tensor of floats on the device."""
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, self.dtype)

    def _decode(
        self,
        features: ImageFeatures,
        start: Tensor,
        *,
        points: NDArray[np.floating] | None,
        labels: NDArray[np.integer] | None,
        mask: Tensor | None = None,
    ) -> Decoded:
        def moved(values: NDArray[Any] | None, dtype: torch.dtype) -> Tensor | None:
            return None if values is None else torch.from_numpy(values).to(self.device, dtype)

        return network.decode(
            self.model,
            features,
            start,
            points=moved(points, torch.float32),
            labels=moved(labels, torch.int32),
            mask=mask,
        )

    def _answer_masks(
        self, features: ImageFeatures, prompts: list[Prompt], memory_dtype: torch.dtype
    ) -> list[Row]:
        """A mask prompt is its own answer; the decoder only makes a pointer of it."""
        model, side = self.model, self.sizes.resolution
        squares = np.stack([mask_square(prompt, side) for prompt in prompts])[:, None]
        mask = torch.from_numpy(squares).to(self.device, self.dtype)
        full = mask.float() * network.MASK_LOGIT_SCALE + network.MASK_LOGIT_BIAS
        size = (side // 4,) * 2
        logits = F.interpolate(full, size, mode="bilinear", align_corners=False, antialias=True)[:, 0]
        there = mask.flatten(1).any(dim=1, keepdim=True)
        decoded = network.decode(model, features, features.top, mask=model.mask_downsample(mask))
        chosen = network.choose(model, decoded, multimask=True)
        pointer = network.object_pointer(model, chosen.token, decoded.score > 0)
        memory = self.fused.remember(features, mask, there).to(memory_dtype)
        score = there[:, 0].float() * network.MASK_LOGIT_SCALE + network.MASK_LOGIT_BIAS
        return self._rows(logits.to(mask.dtype), score, torch.ones_like(score), pointer, memory)

    def _rows(self, logits: Tensor, score: Tensor, iou: Tensor, pointer: Tensor, memory: Tensor) -> list[Row]:
        """Cut a batch into one ``Row`` an object, copied: what is kept must not hold the whole batch."""

        def own(column: Tensor, row: int) -> Tensor:
            return column[row].clone(memory_format=torch.contiguous_format)

        return [
            Row(
                logits=own(logits, row),
                score=own(score, row),
                iou=own(iou, row),
                pointer=own(pointer, row),
                memory=self.fused.remembered(own(memory, row)),
            )
            for row in range(len(logits))
        ]


def network_sizes(model: Sam2VideoModel) -> NetworkSizes:
    """What of a network's configuration its user must know."""
    config, decoder = model.config, model.mask_decoder
    return NetworkSizes(
        resolution=int(model.image_size),
        hidden_dim=int(model.hidden_dim),
        n_memories=int(model.num_maskmem),
        n_pointers=int(config.max_object_pointers_in_encoder),
        select_conditioning=int(config.max_cond_frame_num),
        multimask_at_first=bool(config.multimask_output_in_sam),
        multimask_later=bool(config.multimask_output_for_tracking),
        multimask_points=(int(config.multimask_min_pt_num), int(config.multimask_max_pt_num)),
        by_stability=bool(decoder.dynamic_multimask_via_stability),
        stability_delta=float(decoder.dynamic_multimask_stability_delta),
        stability_threshold=float(decoder.dynamic_multimask_stability_thresh),
    )
