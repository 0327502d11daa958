"""Another input size for the same network, in place: as `load_sam2(resolution=…)` does it, with no copy."""

from __future__ import annotations

from transformers import Sam2VideoModel

from seektrack.errors import ModelError
from seektrack.segmentation.loading import RESOLUTION_STEP


def set_side(model: Sam2VideoModel, side: int) -> Sam2VideoModel:
    """Make a network expect squares of ``side`` pixels; windows and weights stay what they are.

    Raises:
        ModelError: ``side`` is no multiple of 32, or below 64.
    """
    if model.image_size == side:
        return model
    if side < 2 * RESOLUTION_STEP or side % RESOLUTION_STEP:
        raise ModelError(
            f"resolution {side} does not fit SAM 2",
            hint=f"take a multiple of {RESOLUTION_STEP}, from {2 * RESOLUTION_STEP} up",
        )
    config, prompts, top = model.config, model.prompt_encoder, side // 16
    sizes = [[4 * top] * 2, [2 * top] * 2, [top] * 2]
    config.image_size = side
    config.prompt_encoder_config.image_size = side
    config.memory_attention_rope_feat_sizes = [top, top]
    config.vision_config.backbone_feature_sizes = sizes
    config.vision_config.backbone_config.image_size = [side, side]
    model.image_size, model.backbone_feature_sizes = side, sizes
    prompts.input_image_size = side
    prompts.image_embedding_size, prompts.mask_input_size = (top, top), (4 * top, 4 * top)
    attention = model.memory_attention
    attention.position_ids = attention.precompute_positions(config).to(attention.position_ids.device)
    return model
