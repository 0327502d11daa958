"""Loading an encoder by name, folder or hub id: the CLIP family, CLAP, and those of our own."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack import checkpoints, defaults
from seektrack.checkpoints.fingerprints import check_source
from seektrack.checkpoints.graphs import read_graphs
from seektrack.checkpoints.runtimes import check_runtime, pick_runtime
from seektrack.encoders.base import TEMPORAL, Encoder, Vocabulary
from seektrack.encoders.calibration import read_calibration
from seektrack.encoders.domain import read_domain
from seektrack.encoders.registry import encoder_names, registered
from seektrack.errors import ModelError

if TYPE_CHECKING:
    from seektrack.encoders.clip import ClipEncoder

FAMILIES = ("clip", "siglip", "siglip2", "metaclip_2", "chinese_clip", "altclip", "vision-text-dual-encoder")
"""Values of ``model_type`` in config.json that can be loaded as a CLIP."""


def load_encoder(
    model: str | Path = defaults.MODEL,
    *,
    device: str | None = None,
    dtype: str | None = None,
    runtime: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Encoder:
    """Load an encoder.

    Args:
        model: ``"pocket"`` or ``"temporal"`` (ship with the package), ``"light"``, ``"base"``, ``"large"``,
            ``"multilingual"``, a registered name, a checkpoint folder, or a hub id of the CLIP family; a
            temporal encoder is a `seektrack.encoders.temporal_clips.TemporalClips`, which embeds clips.
        device: ``"cpu"``, ``"cuda"``, ``"mps"``…; the best there is by default.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``; if None float16 on CUDA,
            bfloat16 for a large network on a CPU that has it, else float32.
        runtime: Who computes: ``torch``, or the graphs that lie in the folder by ``onnx`` or ``onnx:cuda``,
            ``onnx:tensorrt``, ``onnx:openvino``; what the folder holds if not given.
        progress: Called with ``(done, total, stage)`` while a model is fetched from the hub.

    Raises:
        ModelError: The model is unknown, incomplete, not of the CLIP family, or not reachable; the runtime is
            not here, or has no graphs of it.
    """
    check_runtime(runtime)
    name = os.fspath(model)
    factory = registered(name)
    if factory is not None:
        return factory(device=device, dtype=dtype)
    found = checkpoints.find(name, "text", more=tuple(encoder_names()))
    way, provider = pick_runtime(runtime, found.folder, name, device=device)
    if way == "onnx":
        return _load_graphs(found, provider)
    checkpoints.pick_device(device)  # before anything is fetched or read
    folder = checkpoints.obtain(found, progress=progress)
    kind = checkpoints.model_type(folder)
    if kind == "clap":
        from seektrack.encoders.audio import load_clap

        return load_clap(folder, name=name, device=device)
    if kind == TEMPORAL:
        from seektrack.encoders.temporal import load_temporal

        return load_temporal(folder, name=name, device=device, dtype=dtype)
    return load_clip(folder, name=name, device=device, dtype=dtype)


def _load_graphs(found: checkpoints.Checkpoint, provider: str) -> Encoder:
    from seektrack.encoders.clip_onnx import OnnxClipEncoder
    from seektrack.encoders.photo_onnx import OnnxPhotoEncoder
    from seektrack.encoders.photographs import has_photographs

    if found.folder is None:
        raise ModelError(
            f"the model {found.name!r} is not on this machine, and no graphs of it",
            hint=f"seektrack models export {found.name} --to FOLDER, then --model FOLDER",
        )
    graphs = read_graphs(found.folder, found.name)
    check_source(graphs, found.folder, found.name)
    if graphs.kind == "temporal":
        from seektrack.encoders.temporal_onnx import OnnxTemporalEncoder

        return OnnxTemporalEncoder(found.name, graphs, provider=provider)
    if graphs.kind != "clip":
        read_graphs(found.folder, found.name, kind="clip")
    kind = OnnxPhotoEncoder if has_photographs(found.folder) else OnnxClipEncoder
    return kind(found.name, graphs, vocabulary=read_vocabulary(found.folder), provider=provider)


def load_clip(
    folder: str | Path, *, name: str, device: str | None = None, dtype: str | None = None
) -> ClipEncoder:
    """Load a CLIP-family model from a folder.

    Args:
        folder: With config.json, safetensors weights and a tokenizer.
        name: What to call it.
        device: ``"cpu"``, ``"cuda"``, ``"mps"``…; chosen automatically by default.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``; if None float16 on CUDA,
            bfloat16 for a large network on a CPU that has it, else float32.

    Raises:
        ModelError: Nothing usable is there.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    from seektrack.encoders.adapters import load_adapters
    from seektrack.encoders.clip import ClipEncoder
    from seektrack.encoders.photo_clip import PhotoClipEncoder, PhotoNetworks
    from seektrack.encoders.photographs import has_photographs
    from seektrack.encoders.pooling import pool
    from seektrack.encoders.preprocess import ImageSettings

    folder = Path(folder)
    where = checkpoints.pick_device(device)
    checkpoints.pick_dtype(dtype, where)
    config = checkpoints.load_config(AutoConfig, folder, name)
    if config.model_type not in FAMILIES:
        raise ModelError(
            f"model {name!r} is of type {config.model_type!r}, not a CLIP-family encoder",
            hint=f"types that can be used: {', '.join(FAMILIES)}",
        )
    tokenizer = checkpoints.load_tokenizer(AutoTokenizer, folder, name)
    model = checkpoints.load_network(AutoModel, folder, name, dtype="auto")
    load_adapters(model, folder, name)
    pool(model)
    precision = checkpoints.pick_dtype(dtype, where, parameters=sum(p.numel() for p in model.parameters()))
    size = int(getattr(config.vision_config, "image_size", 224) or 224)
    settings = (
        _naflex_settings(config.vision_config)
        if config.model_type == "siglip2"
        else ImageSettings.from_folder(folder, size=size, family=config.model_type)
    )
    fingerprint = checkpoints.folder_fingerprint(folder)
    parts: dict[str, Any] = {
        "name": name,
        "model": model,
        "tokenizer": tokenizer,
        "settings": settings,
        "fingerprint": fingerprint,
        "vocabulary": read_vocabulary(folder),
        "device": where,
        "dtype": precision,
        "folder": folder,
        "domain": read_domain(folder, weights=fingerprint),
        "calibration": read_calibration(folder, weights=fingerprint),
    }
    return (
        PhotoClipEncoder(PhotoNetworks(folder), **parts) if has_photographs(folder) else ClipEncoder(**parts)
    )


def read_vocabulary(folder: Path) -> Vocabulary | None:
    """Read ``vocabulary.json`` (``labels``, ``background``, optional ``templates`` and ``kinds``), or None.

    Raises:
        ModelError: The file is there and has another form.
    """
    path = folder / "vocabulary.json"
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        lists = [[str(text) for text in content.get(k, [])] for k in ("labels", "background", "templates")]
        kinds = {str(name): tuple(map(str, above)) for name, above in content.get("kinds", {}).items()}
    except (ValueError, AttributeError, TypeError, OSError) as error:
        raise ModelError(
            f"cannot read {path}: {error}", hint='its form is {"labels": ["a red car"], "background": [...]}'
        ) from error
    taught = tuple(str(code) for code in content.get("languages", ())) or Vocabulary((), ()).languages
    return Vocabulary(tuple(lists[0]), tuple(lists[1]), tuple(lists[2]), taught, kinds)


def _naflex_settings(vision_config: Any) -> Any:
    from seektrack.encoders.preprocess import ImageSettings

    side = int(vision_config.patch_size) * math.isqrt(int(vision_config.num_patches))
    return ImageSettings.for_size(side, family="siglip2")
