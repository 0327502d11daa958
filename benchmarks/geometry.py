"""Networks of published sizes with random weights, for speed and exports where no weights are at hand.

python benchmarks/geometry.py hiera-tiny --resolution 512 --to TINY
python benchmarks/geometry.py clip-b16 --to B16
seektrack models export B16 --to B16-int8 --precision int8
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPModel, Sam2VideoConfig, Sam2VideoModel, SiglipConfig, SiglipModel

from seektrack.checkpoints import packaged_folder
from seektrack.segmentation.loading import set_resolution

HIERA = {
    "hiera-tiny": {},
    "hiera-small": {"blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13]},
    "hiera-base-plus": {
        "hidden_size": 112,
        "blocks_per_stage": [2, 3, 16, 3],
        "embed_dim_per_stage": [112, 224, 448, 896],
        "num_attention_heads": 2,
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "global_attention_blocks": [12, 16, 20],
        "window_positional_embedding_background_size": [14, 14],
    },
    "hiera-large": {
        "hidden_size": 144,
        "blocks_per_stage": [2, 6, 36, 4],
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads": 2,
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "window_size_per_stage": [8, 4, 16, 8],
        "global_attention_blocks": [23, 33, 43],
    },
}
"""What differs from tiny, by the published configurations of SAM 2.1."""
CLIP = {
    "clip-b32": {},
    "clip-b16": {"patch_size": 16},
    "clip-l14": {
        "patch_size": 14,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    },
}
POCKET_VOCABULARY = 1000
"""Tokens: texts are read by the pocket tokenizer, so the text tower is as deep but has a small table."""


def hiera(name: str, resolution: int | None = None, *, short: bool = False) -> Sam2VideoModel:
    """A SAM 2 of this size with random weights; ``short`` has the fewest blocks."""
    config = Sam2VideoConfig()
    changed = HIERA[name]
    backbone = config.vision_config.backbone_config
    for key, value in changed.items():
        setattr(backbone, key, value)
    config.vision_config.backbone_channel_list = list(backbone.embed_dim_per_stage)[::-1]
    if short:
        backbone.blocks_per_stage, backbone.global_attention_blocks = [1, 1, 3, 1], [3]
    set_resolution(config, resolution)
    model = Sam2VideoModel(config).eval()
    with torch.no_grad():
        shared = model.shared_image_embedding.positional_embedding
        model.prompt_encoder.shared_embedding.positional_embedding.copy_(shared)
    return model


def clip(name: str) -> torch.nn.Module:
    text = {"vocab_size": POCKET_VOCABULARY, "eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1}
    if name == "siglip-b16":
        return SiglipModel(SiglipConfig(text_config=text, vision_config={"image_size": 224})).eval()
    return CLIPModel(CLIPConfig(text_config=text, vision_config={"image_size": 224, **CLIP[name]})).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=[*HIERA, *CLIP, "siglip-b16"])
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--resolution", type=int)
    args = parser.parse_args()
    torch.manual_seed(0)
    if args.name in HIERA:
        model = hiera(args.name, args.resolution)
    else:
        model = clip(args.name)
    model.save_pretrained(args.to)
    if args.name not in HIERA:
        for one in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(packaged_folder("clip") / one, args.to / one)
    print(f"{args.name}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters in {args.to}")


if __name__ == "__main__":
    main()
