"""The pocket SAM 2: an ordinary ``Sam2VideoModel`` small enough for one core, and how it starts.

The stock initialisation, N(0, 0.02) everywhere, does not move a network this narrow: logits stay near zero
for hundreds of steps. What made it learn, measured on the prototype, is in :func:`initialise`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from seektrack.errors import ModelError

if TYPE_CHECKING:
    from transformers import Sam2VideoConfig, Sam2VideoModel


@dataclass(frozen=True, kw_only=True)
class PocketSize:
    """Dimensions of a pocket SAM 2.

    Attributes:
        resolution: Side of the square input in pixels, a multiple of 32.
        width: Channels of the decoder and memory; 128 or 256 (64 breaks object pointers in transformers).
        stem: Channels of the first encoder stage; they double at each of the next three.
        blocks: Encoder blocks per stage, of which there are four.
        memories: Frames kept in memory, the prompted one included.
    """

    resolution: int = 256
    width: int = 128
    stem: int = 32
    blocks: tuple[int, ...] = (1, 1, 2, 1)
    memories: int = 4

    @classmethod
    def of(cls, config: Sam2VideoConfig) -> PocketSize:
        """The dimensions of a pocket SAM 2 from its configuration."""
        backbone = config.vision_config.backbone_config
        return cls(
            resolution=config.image_size,
            width=config.memory_attention_hidden_size,
            stem=backbone.hidden_size,
            blocks=tuple(backbone.blocks_per_stage),
            memories=config.num_maskmem,
        )


def pocket_config(size: PocketSize) -> Sam2VideoConfig:
    """The transformers configuration of a pocket SAM 2."""
    from transformers import Sam2VideoConfig

    side, stem, width = size.resolution, size.stem, size.width
    top = side // 16
    # The third stage looks everywhere, at any resolution; the first block of a stage pools and cannot.
    third = sum(size.blocks[:2])
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": stem,
        "num_attention_heads": 1,
        "image_size": [side, side],
        "blocks_per_stage": list(size.blocks),
        "embed_dim_per_stage": [stem, 2 * stem, 4 * stem, 8 * stem],
        "num_attention_heads_per_stage": [1, 2, 4, 8],
        "window_size_per_stage": [8, 8, top, 8],
        "window_positional_embedding_background_size": [8, 8],
        "global_attention_blocks": list(range(third + 1, third + size.blocks[2])),
        "mlp_ratio": 3.0,
    }
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": backbone,
        "backbone_channel_list": [8 * stem, 4 * stem, 2 * stem, stem],
        "backbone_feature_sizes": [[side // 4] * 2, [side // 8] * 2, [top, top]],
        "fpn_hidden_size": width,
        "fpn_top_down_levels": [0, 1, 2, 3],
        "num_feature_levels": 3,
    }
    return Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={
            "hidden_size": width,
            "image_size": side,
            "patch_size": 16,
            "mask_input_channels": 16,
        },
        mask_decoder_config={
            "hidden_size": width,
            "mlp_dim": 2 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "attention_downsample_rate": 2,
            "iou_head_hidden_dim": width,
            "dynamic_multimask_via_stability": False,
        },
        image_size=side,
        num_maskmem=size.memories,
        max_object_pointers_in_encoder=8,
        multimask_output_for_tracking=False,
        multimask_max_pt_num=0,
        memory_attention_hidden_size=width,
        memory_attention_num_layers=2,
        memory_attention_num_attention_heads=1,
        memory_attention_feed_forward_hidden_size=2 * width,
        memory_attention_dropout=0.0,
        memory_attention_rope_dropout=0.0,
        memory_attention_rope_feat_sizes=[top, top],
        memory_encoder_hidden_size=width,
        memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=width,
        memory_fuser_embed_dim=width,
        memory_fuser_intermediate_dim=2 * width,
        memory_fuser_num_layers=2,
    )


@torch.no_grad()
def initialise(model: Sam2VideoModel) -> None:
    """Start weights from which a narrow SAM 2 learns.

    Xavier and Kaiming in place of N(0, 0.02); token embeddings N(0, 1) as in the original SAM, so that
    prompts
    look different from each other; the neck scaled down so that positions are not drowned; the decoder's
    cross-attention with keys equal to queries, a similarity kernel on the shared position code; the two
    copies of the random position code made equal.
    """
    shared = model.shared_image_embedding.positional_embedding
    model.prompt_encoder.shared_embedding.positional_embedding.copy_(shared)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))
    backbone = model.vision_encoder.backbone
    for parameter in (
        backbone.pos_embed,
        backbone.pos_embed_window,
        model.memory_temporal_positional_encoding,
        model.no_memory_embedding,
        model.no_object_pointer,
        model.occlusion_spatial_embedding_parameter,
    ):
        nn.init.trunc_normal_(parameter, std=0.02)
    for layer in model.memory_encoder.memory_fuser.layers:
        layer.scale.fill_(0.1)
    decoder, prompts = model.mask_decoder, model.prompt_encoder
    for embedding in (
        decoder.mask_tokens,
        decoder.iou_token,
        decoder.obj_score_token,
        prompts.point_embed,
        prompts.not_a_point_embed,
    ):
        nn.init.normal_(embedding.weight, std=1.0)
    for conv in model.vision_encoder.neck.convs:
        conv.weight.mul_(0.4)
    for block in [*decoder.transformer.layers, decoder.transformer]:
        for name in ("cross_attn_token_to_image", "cross_attn_image_to_token", "final_attn_token_to_image"):
            attention = getattr(block, name, None)
            if attention is not None:
                attention.k_proj.weight.copy_(attention.q_proj.weight)
                attention.k_proj.bias.copy_(attention.q_proj.bias)
    decoder.pred_obj_score_head.proj_out.bias.fill_(2.0)


def build_pocket(size: PocketSize | None = None) -> Sam2VideoModel:
    """A pocket SAM 2 ready to train; random weights come from torch's global generator."""
    from transformers import Sam2VideoModel

    model = Sam2VideoModel(pocket_config(size or PocketSize()))
    initialise(model)
    return model


def size_of(model: Sam2VideoModel, name: str | Path) -> PocketSize:
    """Dimensions of a network to start from.

    Raises:
        ModelError: It is not built like a pocket network.
    """
    from transformers import Sam2VideoModel

    size = PocketSize.of(model.config)
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        fitting = Sam2VideoModel(pocket_config(size)).state_dict()
    if shapes != {key: value.shape for key, value in fitting.items()}:
        raise ModelError(
            f"{name} is not built like a pocket SAM 2", hint="train it on your own clips with --data"
        )
    return size
