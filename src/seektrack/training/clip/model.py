"""The pocket CLIP as an ordinary transformers folder: tokenizer, network, image processor, vocabulary."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seektrack.training.clip.recipe import ClipSizes
from seektrack.training.clip.texts import corpus
from seektrack.world import vocabulary

WORD_END = "</w>"


def build_tokenizer(sizes: ClipSizes, *, seed: int = 0) -> Any:
    """A lower-case byte-level BPE ``CLIPTokenizer`` learnt from the training texts; it spells any word."""
    from transformers import CLIPTokenizer

    texts = list(corpus(np.random.default_rng(seed)))
    learnt = CLIPTokenizer().train_new_from_iterator(texts, vocab_size=sizes.vocabulary)
    model = json.loads(learnt.backend_tokenizer.to_str())["model"]
    # The trainer numbers letters in an order that changes from run to run, and leaves out those that never
    # ended a word: number them anew, every byte inside a word and at its end.
    letters = sorted(token for token in model["vocab"] if len(token) == 1)
    letters += [letter + WORD_END for letter in letters]
    special = sorted(set(learnt.all_special_tokens), reverse=True)
    merges = [tuple(pair) for pair in model["merges"]][: sizes.vocabulary - len(letters) - len(special)]
    order = dict.fromkeys([*letters, *("".join(pair) for pair in merges), *special])
    tokenizer = CLIPTokenizer(vocab={token: i for i, token in enumerate(order)}, merges=merges)
    tokenizer.model_max_length = sizes.context
    return tokenizer


def build_model(sizes: ClipSizes, tokenizer: Any, *, seed: int = 0) -> Any:
    """A fresh ``CLIPModel`` of the recipe's sizes.

    The places of the patches start as two-dimensional sines, loud enough to be heard beside the patches
    (Beyer et al., Better plain ViT baselines for ImageNet-1k, 2022): shapes are learnt from places.
    """
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(seed)
    config = CLIPConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": sizes.text_width,
            "intermediate_size": 4 * sizes.text_width,
            "num_hidden_layers": sizes.text_layers,
            "num_attention_heads": sizes.text_heads,
            "max_position_embeddings": sizes.context,
            "projection_dim": sizes.dim,
            "hidden_act": "gelu",
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "hidden_size": sizes.width,
            "intermediate_size": 4 * sizes.width,
            "num_hidden_layers": sizes.layers,
            "num_attention_heads": sizes.heads,
            "image_size": sizes.image_size,
            "patch_size": sizes.patch_size,
            "projection_dim": sizes.dim,
            "hidden_act": "gelu",
        },
        projection_dim=sizes.dim,
    )
    model = CLIPModel(config)
    places = model.vision_model.embeddings.position_embedding.weight
    with torch.no_grad():
        places[1:] = 0.5 * sine_places(sizes.image_size // sizes.patch_size, sizes.width)
    return model


def sine_places(side: int, width: int) -> Tensor:
    """Sine and cosine codes of a ``side`` × ``side`` grid, (side², width), row by row."""
    quarter = width // 4
    waves = torch.pi * torch.exp2(torch.linspace(-1, math.log2(side) - 1, quarter))
    along = torch.outer((torch.arange(side) + 0.5) / side, waves)
    codes = torch.cat([along.sin(), along.cos()], 1)
    rows, columns = codes.repeat_interleave(side, 0), codes.repeat(side, 1)
    return F.pad(torch.cat([rows, columns], 1), (0, width - 4 * quarter))


def build_processor(sizes: ClipSizes, tokenizer: Any) -> Any:
    """The ``CLIPProcessor`` that goes with it."""
    from transformers import CLIPImageProcessorPil, CLIPProcessor

    side = {"height": sizes.image_size, "width": sizes.image_size}
    images = CLIPImageProcessorPil(size={"shortest_edge": sizes.image_size}, crop_size=side)
    return CLIPProcessor(images, tokenizer)


def save_folder(model: Any, processor: Any, folder: Path) -> None:
    """Write a folder that ``CLIPModel`` and ``AutoProcessor`` load, in fp16, and the vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    half = copy.deepcopy(model).eval().half()
    half.save_pretrained(folder)
    processor.save_pretrained(folder)
    text = json.dumps(vocabulary(), indent=1, ensure_ascii=False) + "\n"
    (folder / "vocabulary.json").write_text(text, encoding="utf-8")


def normalise(images: np.ndarray, processor: Any) -> Tensor:
    """uint8 (B, S, S, 3) to the network's float (B, 3, S, S)."""
    settings = processor.image_processor
    mean = torch.tensor(settings.image_mean).view(1, 3, 1, 1) * 255
    std = torch.tensor(settings.image_std).view(1, 3, 1, 1) * 255
    return ((torch.from_numpy(images).permute(0, 3, 1, 2).float() - mean) / std).contiguous()


def embed_images(model: Any, pixels: Tensor) -> Tensor:
    """Unit embeddings, float (B, D), of normalised pictures."""
    other_size = pixels.shape[-1] != model.config.vision_config.image_size
    pooled = model.vision_model(pixel_values=pixels, interpolate_pos_encoding=other_size).pooler_output
    return F.normalize(model.visual_projection(pooled).float(), dim=-1)


def embed_texts(model: Any, tokenizer: Any, texts: list[str]) -> Tensor:
    """Unit embeddings, float (B, D), of texts."""
    tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    pooled = model.text_model(**tokens).pooler_output
    return F.normalize(model.text_projection(pooled).float(), dim=-1)
