"""Encoders by name: the built-in ones, folders, hub ids, and whatever others register."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Protocol

from seektrack.encoders.base import Encoder
from seektrack.errors import InputError, ModelError, SeekTrackError

HUB_IDS = {
    "base": "openai/clip-vit-base-patch16",
    "large": "openai/clip-vit-large-patch14-336",
    "multilingual": "facebook/metaclip-2-worldwide-s16",
}
"""Built-in names of published checkpoints."""

POCKET = {"pocket": "clip", "temporal": "temporal"}
"""Built-in names of checkpoints in the package, and their folders."""


class EncoderFactory(Protocol):
    """Makes an encoder; ``device`` and ``dtype`` are None when it may choose."""

    def __call__(self, *, device: str | None, dtype: str | None) -> Encoder: ...  # noqa: D102


_FACTORIES: dict[str, EncoderFactory] = {}


def register_encoder(name: str) -> Callable[[EncoderFactory], EncoderFactory]:
    """Make an encoder available to `load_encoder` and to every ``--model`` option under a name.

    Example::

        @register_encoder("mine")
        def make(*, device=None, dtype=None):
            return MyEncoder(...)

    Raises:
        InputError: The name is taken by a built-in model.
    """
    if name in (*POCKET, *HUB_IDS):
        raise InputError(f"the encoder name {name!r} is taken by a built-in model", hint="choose another")

    def add(factory: EncoderFactory) -> EncoderFactory:
        _FACTORIES[name] = factory
        return factory

    return add


def encoder_names() -> list[str]:
    """Names `load_encoder` knows beside folders and hub ids."""
    return [*POCKET, *HUB_IDS, *sorted(_FACTORIES)]


def load_encoder(
    model: str | Path = "pocket", *, device: str | None = None, dtype: str | None = None
) -> Encoder:
    """Load an encoder.

    Args:
        model: ``"pocket"`` or ``"temporal"`` (ship with the package), ``"base"``, ``"large"``,
            ``"multilingual"``, a registered name, a checkpoint folder, or a hub id of the CLIP family; a
            temporal encoder is a `seektrack.encoders.temporal.TemporalEncoder`, which embeds clips.
        device: ``"cpu"``, ``"cuda"``, ``"mps"``…; the best there is by default.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``; by default float16 on CUDA, else float32.

    Raises:
        ModelError: The model is unknown, incomplete, not of the CLIP family, or not reachable.
    """
    name = os.fspath(model)
    if name in _FACTORIES:
        return _FACTORIES[name](device=device, dtype=dtype)
    source = _resolve(name)
    from seektrack.encoders.audio import is_clap, load_clap
    from seektrack.encoders.loading import load_clip
    from seektrack.encoders.temporal import is_temporal, load_temporal

    if is_clap(Path(source)):
        return load_clap(source, name=name, device=device)
    if is_temporal(Path(source)):
        return load_temporal(Path(source), name=name, device=device, dtype=dtype)
    try:
        return load_clip(source, name=name, device=device, dtype=dtype)
    except SeekTrackError:
        raise
    except Exception as error:  # transformers and the hub raise dozens of types; all mean the same here
        raise _unusable(name, Path(source).is_dir(), error) from error


def _resolve(name: str) -> str:
    if name in POCKET:
        folder = resources.files("seektrack") / "pretrained" / POCKET[name]
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"the {name} encoder is missing from this installation ({folder})", hint=_choices(name)
            )
        return str(folder)
    if name in HUB_IDS:
        return HUB_IDS[name]
    path = Path(name).expanduser()
    if name.strip() and path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(
                f"{name!r} is a folder without a config.json",
                hint="pass the folder that save_pretrained wrote, with config.json and *.safetensors",
            )
        if not any(path.glob("*.safetensors")):
            raise ModelError(
                f"{name!r} holds no *.safetensors weights",
                hint="other formats can run code when loaded; save the model again with save_pretrained",
            )
        return str(path)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name) or name.startswith("."):
        raise ModelError(f"unknown model {name!r}", hint=_choices(name))
    return name


def _choices(name: str) -> str:
    known = ", ".join(n for n in encoder_names() if n != name)
    return f"built-in names: {known}; or pass a checkpoint folder such as ./my-clip, or a hub id"


def _unusable(name: str, local: bool, error: Exception) -> ModelError:
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if local:
        return ModelError(
            f"the model folder {name!r} cannot be loaded: {reason}",
            hint="it needs config.json, *.safetensors and a tokenizer, as save_pretrained writes them",
        )
    return ModelError(
        f"model {name!r} is no folder, is not cached on this machine, and cannot be fetched from the hub",
        hint=_choices(name),
    )
