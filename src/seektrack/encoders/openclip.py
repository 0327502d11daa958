"""OpenCLIP's folders as ordinary Hugging Face ones: the same weights under transformers' names."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from seektrack.errors import ModelError
from seektrack.files import new_files

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "model.safetensors")
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
)
_ALIKE = (
    (r"^visual\.class_embedding$", "vision_model.embeddings.class_embedding"),
    (r"^visual\.conv1\.weight$", "vision_model.embeddings.patch_embedding.weight"),
    (r"^visual\.positional_embedding$", "vision_model.embeddings.position_embedding.weight"),
    (r"^visual\.ln_pre\.", "vision_model.pre_layrnorm."),
    (r"^visual\.ln_post\.", "vision_model.post_layernorm."),
    (r"^visual\.transformer\.resblocks\.", "vision_model.encoder.layers."),
    (r"^token_embedding\.", "text_model.embeddings.token_embedding."),
    (r"^positional_embedding$", "text_model.embeddings.position_embedding.weight"),
    (r"^ln_final\.", "text_model.final_layer_norm."),
    (r"^transformer\.resblocks\.", "text_model.encoder.layers."),
)
_IN_LAYER = ((".ln_1.", ".layer_norm1."), (".ln_2.", ".layer_norm2."), (".mlp.c_fc.", ".mlp.fc1."),
             (".mlp.c_proj.", ".mlp.fc2."), (".attn.out_proj.", ".self_attn.out_proj."))  # fmt: skip
_UNUSED = ("attn_mask", "logit_bias")
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def convert_openclip(folder: str | Path, out: str | Path) -> Path:
    """Write an OpenCLIP checkpoint as a folder that ``--model`` and transformers' ``CLIPModel`` take.

    Args:
        folder: With ``open_clip_config.json``, ``open_clip_model.safetensors`` and a tokenizer; a vision
            transformer and a text transformer of CLIP's kind.
        out: Folder of the result.

    Raises:
        ModelError: A file is missing, or the networks are of another kind.
    """
    from safetensors.torch import load_file
    from transformers import CLIPConfig, CLIPModel

    source, target = Path(folder), Path(out)
    told = _read(source / CONFIG)
    weights = next((source / name for name in WEIGHTS if (source / name).is_file()), None)
    if weights is None or not any((source / name).is_file() for name in _TOKENIZER[:2]):
        raise ModelError(
            f"{source} lacks {WEIGHTS[0]} or a tokenizer", hint="fetch the whole folder; .bin is not read"
        )
    try:
        network = CLIPModel(CLIPConfig(**_config(told["model_cfg"])))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{source / CONFIG} describes no CLIP of two transformers: {error!r}",
            hint="ConvNeXt, ResNet, CoCa and SigLIP towers are not converted",
        ) from error
    try:
        state = rename(load_file(weights))
    except Exception as error:  # safetensors raises types of its own
        raise ModelError(f"{weights} cannot be read: {error}") from error
    missing, more = network.load_state_dict(state, strict=False)
    lacking = [name for name in missing if not name.endswith("position_ids")]
    if lacking or more:
        raise ModelError(
            f"{weights} does not fit its configuration: {', '.join([*lacking, *more][:3])}",
            hint="are both files of one model?",
        )
    with new_files(target) as temporary:
        network.eval().save_pretrained(temporary)
        for name in _TOKENIZER:
            if (source / name).is_file():
                shutil.copyfile(source / name, temporary / name)
        picture = _preprocessing(told)
        (temporary / "preprocessor_config.json").write_text(json.dumps(picture, indent=1) + "\n", "utf-8")
    return target


def rename(state: dict[str, Any]) -> dict[str, Any]:
    """OpenCLIP's tensors by transformers' names."""
    out: dict[str, Any] = {}
    for given, value in state.items():
        name = given.removeprefix("text.") if not given.startswith("visual.") else given
        if name in _UNUSED:
            continue
        if name in ("visual.proj", "text_projection", "text_projection.weight"):
            goal = "visual_projection.weight" if name == "visual.proj" else "text_projection.weight"
            out[goal] = value if name.endswith(".weight") else value.T.contiguous()
            continue
        for pattern, new in _ALIKE:
            name = re.sub(pattern, new, name)
        for old, new in _IN_LAYER:
            name = name.replace(old, new)
        joined = re.fullmatch(r"(.*)\.attn\.in_proj_(weight|bias)", name)
        if joined:
            for part, kind in zip(value.chunk(3), "qkv", strict=True):
                out[f"{joined[1]}.self_attn.{kind}_proj.{joined[2]}"] = part.contiguous()
            continue
        out[name] = value.reshape(()) if name == "logit_scale" else value
    return out


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path.parent} is no OpenCLIP folder: {error}", hint=f"it holds {CONFIG} and {WEIGHTS[0]}"
        ) from error
    return found if isinstance(found, dict) else {}


def _config(told: dict[str, Any]) -> dict[str, Any]:
    vision, text = told["vision_cfg"], told["text_cfg"]
    act = "quick_gelu" if told.get("quick_gelu") else "gelu"
    width = int(vision["width"])
    ratio = float(vision.get("mlp_ratio", 4.0))
    wide = int(text["width"])
    return {
        "projection_dim": int(told["embed_dim"]),
        "vision_config": {
            "hidden_size": width,
            "intermediate_size": int(width * ratio),
            "num_hidden_layers": int(vision["layers"]),
            "num_attention_heads": width // int(vision.get("head_width", 64)),
            "image_size": int(vision["image_size"]),
            "patch_size": int(vision["patch_size"]),
            "hidden_act": act,
            "projection_dim": int(told["embed_dim"]),
        },
        "text_config": {
            "vocab_size": int(text.get("vocab_size", 49408)),
            "hidden_size": wide,
            "intermediate_size": int(wide * float(text.get("mlp_ratio", 4.0))),
            "num_hidden_layers": int(text["layers"]),
            "num_attention_heads": int(text["heads"]),
            "max_position_embeddings": int(text.get("context_length", 77)),
            "hidden_act": act,
            "projection_dim": int(told["embed_dim"]),
            # With this id transformers looks for the largest token, as OpenCLIP does, whatever the words are.
            "eos_token_id": 2,
        },
    }


def _preprocessing(told: dict[str, Any]) -> dict[str, Any]:
    picture = told.get("preprocess_cfg") or {}
    side = int(told["model_cfg"]["vision_cfg"]["image_size"])
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": side},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(picture.get("mean", _MEAN)),
        "image_std": list(picture.get("std", _STD)),
        "do_convert_rgb": True,
    }
