"""SAM 2 as pure functions over a ``Sam2VideoModel``, batched over objects and differentiable.

Both the inference engine and the training recipes call these; none of them enters ``inference_mode``, keeps
state, or moves a tensor between devices. They compute for a batch of objects what
``transformers.models.sam2_video`` computes one object at a time (Ravi et al., SAM 2, arXiv:2408.00714).

Shape letters: B objects (rows), C hidden width, M memories, P pointers, S side of the square input in pixels,
f = S / 16 side of the top feature map, h = S / 4 side of a low-resolution mask. Coordinates of prompts are
pixels of the square input. A tensor of features may have one row for all objects: it broadcasts, and what is
equal for all objects is computed once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from seektrack.segmentation.arrays import stability
from seektrack.segmentation.features import (
    MASK_LOGIT_BIAS,
    MASK_LOGIT_SCALE,
    NO_OBJECT_LOGIT,
    Chosen,
    Decoded,
    ImageFeatures,
)
from seektrack.segmentation.network_memory import (
    condition,
    memory_mask,
    object_pointer,
    pointer_tokens,
    pointer_tokens_over,
    remember,
)

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

__all__ = [
    "MASK_LOGIT_BIAS",
    "MASK_LOGIT_SCALE",
    "NO_OBJECT_LOGIT",
    "Chosen",
    "Decoded",
    "ImageFeatures",
    "choose",
    "condition",
    "decode",
    "encode",
    "memory_mask",
    "object_pointer",
    "pointer_tokens",
    "pointer_tokens_over",
    "remember",
    "stability",
    "without_memory",
]


def encode(model: Sam2VideoModel, pixels: Tensor, *, hw: tuple[int, int] | None = None) -> ImageFeatures:
    """Run the image encoder.

    Args:
        model: The network.
        pixels: float (B, 3, S, S), normalised.
        hw: Size of the source picture; (S, S) if not given.
    """
    out = model.vision_encoder(pixels, return_dict=True)
    fine, middle, top = out.fpn_hidden_states
    decoder = model.mask_decoder
    size = hw or (int(pixels.shape[-2]), int(pixels.shape[-1]))
    return ImageFeatures(
        s0=decoder.conv_s0(fine),
        s1=decoder.conv_s1(middle),
        top=top,
        position=out.fpn_position_encoding[-1][:1],
        hw=size,
    )


def without_memory(model: Sam2VideoModel, features: ImageFeatures) -> Tensor:
    """The embedding (B, C, f, f) to decode from on an object's first frame."""
    embedding: Tensor = features.top + model.no_memory_embedding.reshape(1, -1, 1, 1)
    return embedding


def decode(
    model: Sam2VideoModel,
    features: ImageFeatures,
    embedding: Tensor,
    *,
    points: Tensor | None = None,
    labels: Tensor | None = None,
    mask: Tensor | None = None,
) -> Decoded:
    """Run the prompt encoder and the mask decoder; all four masks are returned.

    Args:
        model: The network.
        features: Of the frame; B rows or one.
        embedding: float (B or 1, C, f, f), from ``without_memory`` or ``condition``.
        points: float (B, K, 2), ``(x, y)`` in pixels of the square input.
        labels: int (B, K): 1 inside, 0 outside, 2 and 3 a box's corners, -1 no point.
        mask: float (B, 1, h, h), a dense prompt in the scale of logits.
    """
    decoder = model.mask_decoder
    rows = max(x.shape[0] for x in (embedding, points, mask) if x is not None)
    if points is None or labels is None:
        points = embedding.new_zeros(rows, 1, 2)
        labels = torch.full((rows, 1), -1, dtype=torch.int32, device=embedding.device)
    sparse, dense = model.prompt_encoder(
        input_points=points[:, None], input_labels=labels[:, None], input_boxes=None, input_masks=mask
    )
    own = torch.cat([decoder.obj_score_token.weight, decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([own.expand(rows, 1, -1, -1), sparse.to(own.dtype)], dim=2)
    image = (embedding + dense).expand(rows, -1, -1, -1)
    queries, keys = decoder.transformer(
        point_embeddings=tokens,
        image_embeddings=image,
        image_positional_embeddings=model.get_image_wide_positional_embeddings().to(image.dtype),
        attention_similarity=None,
    )
    n_masks = decoder.num_mask_tokens
    mask_tokens = queries[:, 0, 2 : 2 + n_masks]
    upscaled = decoder.upscale_conv1(keys.transpose(2, 3).reshape(image.shape)) + features.s1
    upscaled = decoder.activation(decoder.upscale_layer_norm(upscaled))
    upscaled = decoder.activation(decoder.upscale_conv2(upscaled) + features.s0)
    weights = torch.stack(
        [mlp(mask_tokens[:, i]) for i, mlp in enumerate(decoder.output_hypernetworks_mlps)], dim=1
    )
    logits = torch.einsum("bmc,bchw->bmhw", weights, upscaled)
    return Decoded(
        logits=logits,
        iou=decoder.iou_prediction_head(queries[:, 0, 1]),
        tokens=mask_tokens,
        score=decoder.pred_obj_score_head(queries[:, 0, 0]),
    )


def choose(model: Sam2VideoModel, decoded: Decoded, *, multimask: bool) -> Chosen:
    """Pick one mask per object.

    With ``multimask`` the best of the alternatives by predicted overlap, with its token. Without, mask 0;
    in evaluation mode, where the checkpoint asks for it and mask 0 is unstable, the best alternative's mask
    with token 0, as the reference does.
    """
    rows = torch.arange(decoded.iou.shape[0], device=decoded.iou.device)
    best = decoded.iou[:, 1:].argmax(dim=1) + 1
    if multimask:
        return Chosen(decoded.logits[rows, best], decoded.iou[rows, best], decoded.tokens[rows, best])
    decoder = model.mask_decoder
    if decoder.dynamic_multimask_via_stability and not model.training:
        delta = decoder.dynamic_multimask_stability_delta
        stable = stability(decoded.logits[:, 0], delta=delta) >= decoder.dynamic_multimask_stability_thresh
        best = torch.where(stable, 0, best)
        return Chosen(decoded.logits[rows, best], decoded.iou[rows, best], decoded.tokens[:, 0])
    return Chosen(decoded.logits[:, 0], decoded.iou[:, 0], decoded.tokens[:, 0])
