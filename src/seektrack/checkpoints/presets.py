"""Which two networks a ``--model`` means: an encoder and a segmenter."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from seektrack.checkpoints.finding import check_folder, is_folder, model_type
from seektrack.checkpoints.names import PRESETS, TRAJECTORY, Preset, packaged
from seektrack.errors import ModelError

NOTE = "preset.json"
"""File beside ``clip/`` and ``sam2/`` that keeps what else a preset says."""


def parse_preset(model: str) -> Preset:
    """The networks a model name stands for, and how they are used.

    Args:
        model: A name of :data:`PRESETS`; ``CLIP+SAM2``, each a name, a folder or a hub id; a folder holding
            ``clip/`` and ``sam2/``; or one folder or hub id of either kind, the other being the pocket one.

    Raises:
        ModelError: The name is empty, or a folder is none of these.
    """
    name = model.strip()
    if not name:
        raise ModelError(
            "the model name is empty", hint=f"use one of {', '.join(PRESETS)}, a folder or a hub id"
        )
    if name in PRESETS:
        return PRESETS[name]
    folder = Path(name).expanduser()
    if is_folder(folder / "clip") and is_folder(folder / "sam2"):
        return replace(_noted(folder), clip=str(folder / "clip"), sam2=str(folder / "sam2"))
    if is_folder(folder):
        return Preset("pocket", str(folder)) if _is_sam2(folder) else Preset(str(folder), "pocket")
    clip, plus, sam2 = name.partition("+")
    if plus:
        return Preset(clip.strip() or "pocket", sam2.strip() or "pocket")
    segmenter = packaged(name, "mask") is not None or "sam2" in name.lower().replace("-", "")
    return Preset("pocket", name) if segmenter else Preset(name, "pocket")


def parse_model(model: str) -> tuple[str, str]:
    """Names of the CLIP and the SAM 2 a model name stands for; see :func:`parse_preset`."""
    preset = parse_preset(model)
    return preset.clip, preset.sam2


def note_of(preset: Preset) -> str:
    """What of a preset a folder must remember beside its two networks, as JSON."""
    kept = {key: value for key, value in asdict(preset).items() if key not in ("clip", "sam2")}
    return json.dumps(kept, indent=1) + "\n"


def _noted(folder: Path) -> Preset:
    try:
        said = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        resolution, propagation = said["resolution"], str(said["propagation"])
        return Preset("", "", None if resolution is None else int(resolution), propagation)
    except FileNotFoundError:
        return Preset("", "")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"cannot read {folder / NOTE}: {error}", hint="delete the file") from error


def _is_sam2(folder: Path) -> bool:
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder} is not a model folder: it holds no config.json",
            hint="it must hold config.json and model.safetensors, or the folders clip/ and sam2/",
        )
    if model_type(folder) == TRAJECTORY:
        check_folder(folder, str(folder))
    return model_type(folder).startswith(("sam2", "edgetam"))
