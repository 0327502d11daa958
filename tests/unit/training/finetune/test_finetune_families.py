"""Every family of the CLIP kind, tiny and random: what each recipe moves in it, and that it loads again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from seektrack.encoders import load_encoder
from seektrack.training.datasets import Dataset, ImageText
from seektrack.training.finetune import FinetuneRecipe, finetune_clip

WORDS = ["a", "red", "blue", "car", "dog"]
TEXT = {"vocab_size": 32, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 16, "projection_dim": 24, "projection_size": 32,
        "project_dim": 24, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}  # fmt: skip
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
          "image_size": 32, "patch_size": 16, "projection_dim": 24, "num_patches": 4}  # fmt: skip
HEADS = {
    "Siglip": ("vision_model.head", "text_model.head"),
    "Siglip2": ("vision_model.head", "text_model.head"),
}


def save_model(folder: Path, family: str) -> Path:
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(
        text_config=dict(TEXT), vision_config=dict(VISION), projection_dim=24
    )
    getattr(transformers, f"{family}Model")(config).save_pretrained(folder)
    words = {w: i for i, w in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    ).save_pretrained(folder)
    return folder


def data() -> Dataset[ImageText]:
    """Eight noisy pictures, read on demand."""

    def read(key: str) -> ImageText:
        pixels = np.random.default_rng(int(key)).integers(0, 256, (40, 36, 3), dtype=np.uint8)
        return ImageText(key, pixels, (f"a {WORDS[1 + int(key) % 2]} {WORDS[3 + int(key) // 2 % 2]}",))

    return Dataset([str(i) for i in range(8)], read)


@pytest.mark.parametrize("family", ["Siglip", "Siglip2", "MetaClip2", "ChineseCLIP", "AltCLIP"])
def test_recipes_move_the_right_part_of_every_family(family: str, tmp_path: Path) -> None:
    base = save_model(tmp_path / "base", family)
    before = transformers.AutoModel.from_pretrained(base).state_dict()
    heads = HEADS.get(family, ("visual_projection", "text_projection"))
    may_move = {
        "head": (*heads, "logit_"),
        "frozen-image": ("text_model", "text_projection", "logit_"),
        "frozen-text": ("vision_model", "visual_projection", "logit_"),
        "lora": ("text_model", "text_projection", "vision_model", "visual_projection"),
    }
    must_move = {"head": heads, "frozen-image": ("text_",), "frozen-text": ("vis",), "lora": ("text_", "vis")}
    for mode, allowed in may_move.items():
        out = tmp_path / mode
        recipe = FinetuneRecipe(mode=mode, steps=1, batch=8, held_out=0, learning_rate=1e-2)
        finetune_clip(recipe, data(), out, model=base, device="cpu")
        after = transformers.AutoModel.from_pretrained(out).state_dict()
        moved = [name for name in before if not torch.equal(before[name], after[name])]
        assert all(name.startswith(allowed) for name in moved), mode
        assert all(any(name.startswith(part) for name in moved) for part in must_move[mode]), mode
        encoder = load_encoder(out, device="cpu")
        assert encoder.embed_images([data()[0].image]).shape == encoder.embed_texts(["a red car"]).shape
