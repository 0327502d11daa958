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

from seektrack.checkpoints import load_network
from seektrack.errors import ModelError
from seektrack.training.clip.names import N_PLAIN
from seektrack.training.clip.pieces import count_words, learn_merges
from seektrack.training.clip.recipe import ClipSizes
from seektrack.training.clip.texts import corpus, labels_of
from seektrack.world import vocabulary

WORD_END = "</w>"


def build_tokenizer(sizes: ClipSizes, *, seed: int = 0) -> Any:
    """A lower-case byte-level BPE ``CLIPTokenizer`` learnt from the training texts; it spells any word."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    plain = CLIPTokenizer()
    letters = sorted(ByteLevel.alphabet())
    letters += [letter + WORD_END for letter in letters]
    special = sorted(set(plain.all_special_tokens), reverse=True)
    words = count_words(corpus(np.random.default_rng(seed)), plain)
    merges = learn_merges(words, sizes.vocabulary - len(letters) - len(special), word_end=WORD_END)
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
            "fine_size": sizes.fine_size,
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


def continue_model(folder: Path, sizes: ClipSizes) -> Any:
    """The network of a folder, made as large as the recipe's; at first it answers nearly as before.

    Another input side stretches the codes of the places (as ViTs do at a finer resolution); further layers
    begin as layers that change nothing (Chen et al., Net2Net, 2016).

    Args:
        folder: Of a pocket CLIP.
        sizes: What it should become.

    Raises:
        ModelError: The folder cannot be loaded, or differs in what cannot be changed.
    """
    from transformers import CLIPModel

    try:
        model = load_network(CLIPModel, folder, str(folder), dtype=torch.float32)
    except ModelError as error:
        raise ModelError(
            f"{folder} is no CLIP to go on from: {error.message}", hint="give a folder that pocket clip wrote"
        ) from error
    vision, text = model.config.vision_config, model.config.text_config
    found = (vision.patch_size, vision.hidden_size, vision.num_attention_heads, text.hidden_size,
             text.num_hidden_layers, model.config.projection_dim)  # fmt: skip
    wanted = (sizes.patch_size, sizes.width, sizes.heads, sizes.text_width, sizes.text_layers, sizes.dim)
    if found != wanted or vision.num_hidden_layers > sizes.layers:
        raise ModelError(
            f"{folder} has patch, width, heads, text width, text layers and dim {found} and"
            f" {vision.num_hidden_layers} layers, the recipe {wanted} and {sizes.layers}",
            hint="leave --init out, or give a folder of these sizes",
        )
    _deepen(model, sizes.layers)
    if vision.image_size != sizes.image_size:
        _stretch(model, sizes.image_size)
    model.config.vision_config.fine_size = sizes.fine_size
    return model.train()


@torch.no_grad()
def _deepen(model: Any, layers: int) -> None:
    """Append layers to the image tower that add nothing to what they are given."""
    stack, config = model.vision_model.encoder.layers, model.config.vision_config
    while len(stack) < layers:
        layer = copy.deepcopy(stack[-1])
        layer.self_attn.config = config  # one of its own would keep its own kind of attention
        for silent in (layer.self_attn.out_proj, layer.mlp.fc2):
            silent.weight.zero_()
            silent.bias.zero_()
        stack.append(layer)
    config.num_hidden_layers = layers


@torch.no_grad()
def _stretch(model: Any, image_size: int) -> None:
    """Resample the codes of the places for another input side."""
    old, config = model.vision_model.embeddings, model.config.vision_config
    codes, side = old.position_embedding.weight, image_size // config.patch_size
    was = round((len(codes) - 1) ** 0.5)
    grid = codes[1:].T.reshape(1, -1, was, was)
    grid = F.interpolate(grid, (side, side), mode="bicubic", align_corners=False)
    config.image_size = image_size
    fresh = type(old)(config)
    fresh.class_embedding.copy_(old.class_embedding)
    fresh.patch_embedding.load_state_dict(old.patch_embedding.state_dict())
    fresh.position_embedding.weight.copy_(torch.cat([codes[:1], grid[0].flatten(1).T]))
    model.vision_model.embeddings = fresh


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


def save_folder(model: Any, processor: Any, folder: Path, *, n_categories: int = N_PLAIN) -> None:
    """Write a folder that ``CLIPModel`` and ``AutoProcessor`` load, in fp16, and the vocabulary.

    Args:
        model: To write; stays as it is.
        processor: Goes with it.
        folder: Where.
        n_categories: How many categories it was taught.
    """
    folder.mkdir(parents=True, exist_ok=True)
    half = copy.deepcopy(model).eval().half()
    half.save_pretrained(folder)
    processor.save_pretrained(folder)
    words = vocabulary() | {"labels": labels_of(n_categories)}
    text = json.dumps(words, indent=1, ensure_ascii=False) + "\n"
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


def embed_patches(model: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Unit embeddings of normalised pictures, (B, D), and of their patches before the last layer, (B, G², D).

    A patch goes through the norm and the projection that the picture goes through.
    """
    other_size = pixels.shape[-1] != model.config.vision_config.image_size
    vision = model.vision_model
    seen = vision(pixel_values=pixels, interpolate_pos_encoding=other_size, output_hidden_states=True)
    patches = model.visual_projection(vision.post_layernorm(seen.hidden_states[-2][:, 1:]))
    pooled = model.visual_projection(seen.pooler_output)
    return F.normalize(pooled.float(), dim=-1), F.normalize(patches.float(), dim=-1)


def embed_texts(model: Any, tokenizer: Any, texts: list[str]) -> Tensor:
    """Unit embeddings, float (B, D), of texts."""
    tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    pooled = model.text_model(**tokens).pooler_output
    return F.normalize(model.text_projection(pooled).float(), dim=-1)
