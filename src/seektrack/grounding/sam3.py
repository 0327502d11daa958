"""SAM 3 as a grounder: a text in, masks of everything it means out, by a hub id or a folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.checkpoints import find, load_network, load_tokenizer, model_type, obtain, pick_device
from seektrack.errors import InputError, ModelError
from seektrack.grounding.found import Found, GroundSettings
from seektrack.grounding.grounder import GrounderContext
from seektrack.query import Concept
from seektrack.types import Mask

Image = NDArray[np.uint8]
_TEXT_LENGTH = 32
"""Tokens of a text it was trained with."""
_KINDS = ("sam3", "sam3_video")


@dataclass(frozen=True)
class Sam3Grounder:
    """What SAM 3 finds for each concept, its own masks with it.

    Attributes:
        network: transformers' ``Sam3Model``.
        tokenizer: Of its texts.
        side: Of the square it sees, in pixels.
        concepts: What is asked for.
        settings: ``min_confidence``, ``nms_iou`` and ``max_objects`` say what counts as found.
        judges: Yes: it knows words the encoder may not.
    """

    network: Any
    tokenizer: Any
    side: int
    concepts: tuple[Concept, ...]
    settings: GroundSettings
    judges: bool = True

    def find(self, image: Image, features: Any) -> list[Found]:
        """Masks of what is asked for, each object under the concept it is surest of."""
        import torch

        with torch.inference_mode():
            seen = self.network.get_vision_features(pixel_values=self._pixels(image))
            found = [f for c in self.concepts for f in self._concept(seen, c, image.shape[:2])]
        kept: list[Found] = []
        for one in sorted(found, key=lambda f: -f.confidence):
            if all(_iou(k, one) < self.settings.nms_iou for k in kept):
                kept.append(one)
        return kept

    def _pixels(self, image: Image) -> Any:
        import torch

        small = cv2.resize(image, (self.side, self.side), interpolation=cv2.INTER_LINEAR)
        pixels = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 127.5 - 1
        return pixels.to(self.network.device, self.network.dtype)

    def _concept(self, seen: Any, concept: Concept, hw: tuple[int, ...]) -> list[Found]:
        import torch
        import torch.nn.functional as F

        words = self.tokenizer(
            [concept.english or concept.instance],
            padding="max_length",
            max_length=_TEXT_LENGTH,
            truncation=True,
            return_tensors="pt",
        )
        device = self.network.device
        answer = self.network(
            vision_embeds=seen,
            input_ids=words["input_ids"].to(device),
            attention_mask=words["attention_mask"].to(device),
        )
        scores = answer.pred_logits[0].float().sigmoid()
        if answer.presence_logits is not None:
            scores = scores * answer.presence_logits[0].float().sigmoid()
        best = torch.nonzero(scores >= self.settings.min_confidence)[:, 0]
        best = best[scores[best].argsort(descending=True)][: self.settings.max_objects]
        if not len(best):
            return []
        logits = F.interpolate(answer.pred_masks[:, best].float(), tuple(hw), mode="bilinear")[0]
        out = []
        for score, pixels in zip(scores[best].tolist(), (logits > 0).cpu().numpy(), strict=True):
            mask = Mask.from_array(np.ascontiguousarray(pixels))
            if mask.box is not None:
                out.append(Found(mask.box, float(score), concept.said, mask))
        return out


def _iou(a: Found, b: Found) -> float:
    return 0.0 if a.mask is None or b.mask is None else a.mask.iou(b.mask)


def make_sam3_grounder(context: GrounderContext) -> Sam3Grounder:
    """The grounder ``sam3:ID``.

    Raises:
        ModelError: It cannot be found or loaded, or transformers is too old for it.
        InputError: It is no SAM 3.
    """
    name = context.argument
    folder = obtain(find(name, "boxes"), progress=context.progress)
    if model_type(folder) not in _KINDS:
        raise InputError(
            f"{name!r} is a {model_type(folder) or 'checkpoint of no type'}, no SAM 3",
            hint=f"other detectors are --grounder hf:{name}",
        )
    try:
        from transformers import AutoTokenizer, Sam3Model
    except ImportError as error:
        raise ModelError(
            f"this transformers has no SAM 3: {error}", hint="pip install -U transformers"
        ) from error
    network = load_network(Sam3Model, folder, name).to(pick_device(context.device))
    tokenizer = load_tokenizer(AutoTokenizer, folder, name)
    side = int(network.config.vision_config.backbone_config.image_size)
    return Sam3Grounder(network, tokenizer, side, context.concepts, context.settings)
