"""Another text tower for an encoder: one model's image tower and another's text tower in one folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from seektrack import checkpoints
from seektrack.encoders.mclip import KIND, read_mclip
from seektrack.encoders.pooling import pool
from seektrack.errors import ModelError
from seektrack.files import new_files

IMAGES = ("clip", "siglip", "metaclip_2", "vision-text-dual-encoder", "vit", "dinov2")
TEXTS = ("bert", "xlm-roberta", "roberta", "camembert", KIND)
_PREPROCESSING = ("preprocessor_config.json", "processor_config.json")


def join_towers(image: str | Path, text: str | Path, out: str | Path, *, seed: int = 0) -> Path:
    """Write a dual encoder: images as one model sees them, texts as another reads them.

    The two agree on nothing until they are trained: ``train clip --recipe frozen-image`` teaches the text
    tower where the pictures lie (Zhai et al., LiT, arXiv:2111.07991). A CLIP's own projection of pictures is
    kept; that of the texts is new. A reader of M-CLIP was trained for one CLIP: with that one the two agree
    at once.

    Args:
        image: Folder of a CLIP, or of a vision transformer.
        text: Folder of a BERT, RoBERTa or XLM-R, or of an M-CLIP reader, with its tokenizer.
        out: Folder of the result.
        seed: Of the new projection.

    Raises:
        ModelError: One of them is missing, or of another kind.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer, VisionTextDualEncoderModel

    seeing, reading, target = Path(image), Path(text), Path(out)
    _check(seeing, IMAGES, "pictures")
    _check(reading, TEXTS, "texts")
    whole = checkpoints.load_network(AutoModel, seeing, str(image), dtype="auto").float()
    tower, projection = _image_tower(whole, str(image))
    read: Any = None
    if checkpoints.model_type(reading) == KIND:
        words, read = read_mclip(reading)
        if projection is None or projection.out_features != read.out_features:
            dim = "none" if projection is None else projection.out_features
            raise ModelError(
                f"{text} reads into {read.out_features} numbers, {image} sees into {dim}",
                hint="give the CLIP it was trained for, such as openai/clip-vit-large-patch14 for 768",
            )
    else:
        words = checkpoints.load_network(AutoModel, reading, str(text), dtype="auto").float()
    if getattr(words, "pooler", None) is None:
        raise ModelError(
            f"{text} has no pooler, so nothing stands for a whole text",
            hint="BERT, RoBERTa and XLM-R have one",
        )
    tokenizer = checkpoints.load_tokenizer(AutoTokenizer, reading, str(text))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        both = VisionTextDualEncoderModel(vision_model=tower, text_model=words)
        if projection is not None:
            dim = projection.out_features
            both.projection_dim = both.config.projection_dim = dim
            both.visual_projection = projection
            both.text_projection = torch.nn.Linear(both.text_embed_dim, dim, bias=False)
            torch.nn.init.normal_(both.text_projection.weight, std=both.text_embed_dim**-0.5)
    if read is not None:
        both.text_projection = read
        pool(both)
    if getattr(whole, "logit_scale", None) is not None:
        both.logit_scale.data = whole.logit_scale.detach().reshape(())
    with new_files(target) as temporary, checkpoints.quietly():
        both.eval().save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        for name in _PREPROCESSING:
            if (seeing / name).is_file():
                shutil.copyfile(seeing / name, temporary / name)
    return target


def agrees(text: str | Path) -> bool:
    """Whether a reader was trained for a CLIP, so that the two need no training."""
    return checkpoints.model_type(Path(text)) == KIND


def _check(folder: Path, kinds: tuple[str, ...], what: str) -> None:
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is no model folder", hint="it holds config.json and safetensors")
    kind = checkpoints.model_type(folder)
    if kind not in kinds:
        raise ModelError(f"{folder} is of type {kind!r}", hint=f"for {what}: {', '.join(kinds)}")


def _image_tower(whole: Any, name: str) -> tuple[Any, Any]:
    """What sees pictures, and its projection into the shared space, None where it has none."""
    tower = getattr(whole, "vision_model", None)
    projection = getattr(whole, "visual_projection", None)
    if tower is None:
        return whole, None
    if whole.config.model_type == "clip" and not hasattr(tower, "vision_model"):
        from transformers import CLIPVisionModel

        wrapped = CLIPVisionModel(whole.config.vision_config)
        inner = wrapped.vision_model if hasattr(wrapped, "vision_model") else wrapped
        inner.load_state_dict(tower.state_dict())
        return wrapped, projection
    return tower, projection
