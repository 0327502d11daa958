"""Loading a CLIP-family checkpoint from a folder, the hub's cache, or the hub, as an encoder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import socket
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import torch

from seektrack.encoders.base import Vocabulary
from seektrack.encoders.clip import ClipEncoder
from seektrack.encoders.preprocess import ImageSettings
from seektrack.errors import ModelError

FAMILIES = ("clip", "siglip", "siglip2", "metaclip_2", "chinese_clip", "altclip")
"""Values of ``model_type`` in config.json that can be loaded."""

HASHED = (
    "config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json",
    "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip


def load_clip(
    source: str | Path, *, name: str, device: str | None = None, dtype: str | None = None
) -> ClipEncoder:
    """Load a CLIP-family model from a folder or, if it is none, from the hub's cache or the hub.

    Args:
        source: A folder with config.json and safetensors weights, or a hub id.
        name: What to call it.
        device: ``"cpu"``, ``"cuda"``, ``"mps"``…; chosen automatically by default.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``; by default float16 on CUDA, else float32.

    Raises:
        ModelError: Nothing usable is there.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer
    from transformers.utils import logging as hf_logging

    where = pick_device(device)
    precision = pick_dtype(dtype, where)
    local = Path(source).is_dir()
    bars = hf_logging.is_progress_bar_enabled()
    if local:
        hf_logging.disable_progress_bar()
    try:
        config = _either(AutoConfig.from_pretrained, str(source), local=local)
        if config.model_type not in FAMILIES:
            raise ModelError(
                f"model {name!r} is of type {config.model_type!r}, not a CLIP-family encoder",
                hint=f"types that can be used: {', '.join(FAMILIES)}",
            )
        model = _either(
            AutoModel.from_pretrained, str(source), local=local, use_safetensors=True, dtype="auto"
        )
        tokenizer = _either(AutoTokenizer.from_pretrained, str(source), local=local)
    finally:
        if bars:
            hf_logging.enable_progress_bar()
    folder = Path(source) if local else cached_folder(str(source))
    size = int(getattr(config.vision_config, "image_size", 224) or 224)
    settings = (
        _naflex_settings(config.vision_config)
        if config.model_type == "siglip2"
        else ImageSettings.from_folder(folder, size=size, family=config.model_type)
    )
    return ClipEncoder(
        name=name,
        model=model,
        tokenizer=tokenizer,
        settings=settings,
        fingerprint=folder_fingerprint(folder),
        vocabulary=read_vocabulary(folder),
        device=where,
        dtype=precision,
        folder=folder,
    )


def folder_fingerprint(folder: Path) -> str:
    """Hash what decides the embeddings: configuration, preprocessing, tokenizer and weights.

    Equal contents give equal fingerprints, wherever the folder lies. In a hub snapshot without
    safetensors of its own (the hub converted them), the commit in the folder's name stands for them.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.sha256()
    weights = sorted(folder.glob("*.safetensors"))
    for path in [folder / n for n in HASHED if (folder / n).is_file()] + weights:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    if not weights:
        digest.update(folder.name.encode())
    return digest.hexdigest()[:32]


def read_vocabulary(folder: Path) -> Vocabulary | None:
    """Read ``vocabulary.json`` (``labels``, ``background`` and optional ``templates``), or None.

    Raises:
        ModelError: The file is there and has another form.
    """
    path = folder / "vocabulary.json"
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        lists = [[str(text) for text in content.get(k, [])] for k in ("labels", "background", "templates")]
    except (ValueError, AttributeError, TypeError, OSError) as error:
        raise ModelError(
            f"cannot read {path}: {error}", hint='its form is {"labels": ["a red car"], "background": [...]}'
        ) from error
    return Vocabulary(tuple(lists[0]), tuple(lists[1]), tuple(lists[2]))


def pick_device(device: str | None) -> torch.device:
    """The named device, or the best there is: CUDA, Apple's MPS, CPU.

    Raises:
        ModelError: No such device, or not on this machine.
    """
    if device is None:
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"device {device!r} cannot be used: {reason}", hint="use 'cpu'") from error
    return chosen


def pick_dtype(dtype: str | None, device: torch.device) -> torch.dtype:
    """The named floating-point type, or float16 on CUDA and float32 elsewhere.

    Raises:
        ModelError: An unknown name.
    """
    known = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    if dtype is None:
        return torch.float16 if device.type == "cuda" else torch.float32
    if dtype not in known:
        raise ModelError(f"unknown dtype {dtype!r}", hint=f"allowed: {', '.join(known)}")
    return known[dtype]


def _either(load: Any, source: str, *, local: bool, **options: Any) -> Any:
    """Load from what is on this machine, and only if it is not there, from the hub."""
    try:
        return load(source, local_files_only=True, **options)
    except Exception:
        if local or not hub_reachable():
            raise
        return load(source, **options)


def hub_reachable() -> bool:
    """Whether asking the hub makes sense; without this, a machine without a network retries for 20 s."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if urllib.request.getproxies():
        return True
    try:
        socket.getaddrinfo(urllib.parse.urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        return False
    return True


def cached_folder(hub_id: str) -> Path:
    """Where the hub's cache holds a checkpoint that was loaded."""
    from transformers.utils import cached_file

    config = cached_file(hub_id, "config.json", local_files_only=True)
    for extra in ("preprocessor_config.json", "processor_config.json"):
        with contextlib.suppress(OSError):  # a repository need not have it, and it may be cached already
            _either(cached_file, hub_id, local=False, filename=extra)
    return Path(str(config)).parent


def _naflex_settings(vision_config: Any) -> ImageSettings:
    side = int(vision_config.patch_size) * math.isqrt(int(vision_config.num_patches))
    return ImageSettings.for_size(side, family="siglip2")
