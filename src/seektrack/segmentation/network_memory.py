"""What SAM 2 remembers, and how a frame looks at it: the memory half of ``segmentation.network``.

The same rules and shape letters hold as there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

    from seektrack.segmentation.features import ImageFeatures


def object_pointer(model: Sam2VideoModel, token: Tensor, appearing: Tensor) -> Tensor:
    """The pointer (B, C) that stands for an object in later frames.

    Args:
        model: The network.
        token: float (B, C), the chosen mask token.
        appearing: bool or float (B, 1), whether the object is on the frame.
    """
    pointer = model.object_pointer_proj(token)
    there = appearing.to(pointer.dtype)
    out: Tensor = there * pointer + (1 - there) * model.no_object_pointer
    return out


def memory_mask(model: Sam2VideoModel, logits: Tensor, *, binarise: bool = False) -> Tensor:
    """Low-resolution logits (B, h, h) as the mask in [0, 1], (B, 1, S, S), that ``remember`` takes.

    ``binarise`` is what the reference does on a prompted frame.
    """
    size = (model.image_size, model.image_size)
    full = F.interpolate(logits[:, None].float(), size=size, mode="bilinear", align_corners=False)
    return ((full > 0) if binarise else full.sigmoid()).to(logits.dtype)


def remember(model: Sam2VideoModel, top: Tensor, mask: Tensor, appearing: Tensor) -> Tensor:
    """Encode a frame and an object's mask on it into a memory (B, 64, f, f).

    Args:
        model: The network.
        top: float (B or 1, C, f, f), ``ImageFeatures.top``.
        mask: float (B, 1, S, S) in [0, 1].
        appearing: bool or float (B, 1), whether the object is on the frame.
    """
    config, encoder = model.config, model.memory_encoder
    scaled = mask * config.sigmoid_scale_for_mem_enc + config.sigmoid_bias_for_mem_enc
    fused = encoder.feature_projection(top) + encoder.mask_downsampler(scaled)
    memory: Tensor = encoder.projection(encoder.memory_fuser(fused))
    hidden = model.occlusion_spatial_embedding_parameter
    if hidden is not None:
        absent = 1 - appearing.to(memory.dtype)
        memory = memory + absent[:, :, None, None] * hidden[..., None, None]
    return memory


def condition(
    model: Sam2VideoModel,
    features: ImageFeatures,
    *,
    memories: Tensor,
    offsets: Tensor,
    pointers: Tensor,
    pointer_offsets: Tensor,
    max_pointers: int | None = None,
) -> Tensor:
    """Let the frame look at each object's past: memory attention.

    Args:
        model: The network.
        features: Of the current frame; B rows or one.
        memories: float (B, M, 64, f, f), as ``remember`` returns, any floating type.
        offsets: long (M,) or (B, M); 0 for a prompted frame, else how many frames ago, 1 to num_maskmem - 1.
        pointers: float (B, P, C), as ``object_pointer`` returns; P may be 0.
        pointer_offsets: (P,) or (B, P); how many frames ago, of prompted frames as well.
        max_pointers: The number offsets are normalised by, less one; the config's maximum if not given. The
            reference takes the length of the video where that is shorter.

    Returns:
        float (B, C, f, f), the embedding to decode from.
    """
    rows, n_memories = memories.shape[:2]
    tokens = memories.flatten(3).transpose(2, 3).flatten(1, 2).to(features.top.dtype)
    position = model.memory_encoder.position_encoding(
        torch.Size((1, *memories.shape[2:])), tokens.device, tokens.dtype
    )
    place = position.flatten(2).transpose(1, 2)[:, None]
    code = model.memory_temporal_positional_encoding[:, 0, 0][(offsets - 1) % model.num_maskmem]
    code = code.expand(rows, n_memories, -1)[:, :, None]
    codes = (place + code).flatten(1, 2)
    n_pointer_tokens = 0
    if pointers.shape[1]:
        extra, extra_codes = pointer_tokens(model, pointers, pointer_offsets, max_pointers)
        n_pointer_tokens = extra.shape[1]
        tokens = torch.cat([tokens, extra.to(tokens.dtype)], dim=1)
        codes = torch.cat([codes, extra_codes.to(codes.dtype)], dim=1)
    return _attend(model, features, tokens, codes, n_pointer_tokens)


def pointer_tokens(
    model: Sam2VideoModel, pointers: Tensor, offsets: Tensor, max_pointers: int | None
) -> tuple[Tensor, Tensor]:
    """Pointers (B, P, C) as memory tokens (B, P * C / 64, 64) with their time codes; see ``condition``."""
    limit = max_pointers or model.config.max_object_pointers_in_encoder
    return pointer_tokens_over(model, pointers, offsets.float() / float(limit - 1))


def pointer_tokens_over(model: Sam2VideoModel, pointers: Tensor, ages: Tensor) -> tuple[Tensor, Tensor]:
    """The same for ages (P,) or (B, P) as parts of the longest remembered."""
    rows, count, width = pointers.shape
    if model.config.enable_temporal_pos_encoding_for_object_pointers:
        sines = _sine_code(ages, width).to(pointers.dtype)
        codes = model.temporal_positional_encoding_projection_layer(sines).expand(rows, count, -1)
    else:
        codes = pointers.new_zeros(rows, count, model.mem_dim)
    splits = max(width // model.mem_dim, 1)
    return pointers.reshape(rows, count * splits, -1), codes.repeat_interleave(splits, dim=1)


def _sine_code(values: Tensor, dim: int, temperature: float = 10000.0) -> Tensor:
    """Sine and cosine code (..., dim) of real values (...)."""
    half = dim // 2
    steps = torch.arange(half, dtype=torch.float32, device=values.device)
    angles = values[..., None] / temperature ** (2 * (steps // 2) / half)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _attend(
    model: Sam2VideoModel, features: ImageFeatures, tokens: Tensor, codes: Tensor, n_pointer_tokens: int
) -> Tensor:
    """Memory attention's layers; what precedes the first look at memory is computed once a frame."""
    attention: Any = model.memory_attention
    x = (features.top + 0.1 * features.position).flatten(2).transpose(1, 2)[:, None]
    rope = attention.rotary_emb(x, attention.position_ids)
    keys, values = (tokens + codes)[:, None], tokens[:, None]
    for layer in attention.layers:
        query = layer.layer_norm1(x)
        x = x + layer.dropout1(layer.self_attn(query, query, query, position_embeddings=rope)[0])
        query = layer.layer_norm2(x).expand(tokens.shape[0], -1, -1, -1)
        seen, _ = layer.cross_attn_image(
            query, keys, values, position_embeddings=rope, num_k_exclude_rope=n_pointer_tokens
        )
        x = x + layer.dropout2(seen)
        hidden = layer.dropout(layer.activation(layer.linear1(layer.layer_norm3(x))))
        x = x + layer.dropout3(layer.linear2(hidden))
    out: Tensor = attention.layer_norm(x)[:, 0].transpose(1, 2)
    return out.reshape(out.shape[0], -1, *features.top.shape[-2:])
