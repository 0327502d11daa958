"""Encoders of the CLIP family, loaded from a Hugging Face folder or hub id by transformers.

CLIP, SigLIP, SigLIP 2, MetaCLIP 2, Chinese-CLIP and AltCLIP share two methods, ``get_image_features`` and
``get_text_features``; what differs (text padding, patches of variable number) is handled here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import socket
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seektrack.encoders.base import Vocabulary, l2_normalise
from seektrack.encoders.preprocess import ImageSettings, clip_transform
from seektrack.errors import InputError, ModelError

FAMILIES = ("clip", "siglip", "siglip2", "metaclip_2", "chinese_clip", "altclip")
"""Values of ``model_type`` in config.json that can be loaded."""

HASHED = (
    "config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json",
    "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip
SIGLIP_TEXT_LENGTH = 64
MAX_LOGIT_SCALE = 100.0


class ClipEncoder:
    """A CLIP-family model as an `Encoder`.

    Args:
        name: What the user asked for.
        model: A transformers model with ``get_image_features`` and ``get_text_features``.
        tokenizer: Its tokenizer.
        settings: Image preprocessing.
        fingerprint: Hash of everything that changes the embeddings.
        vocabulary: What a small-world model knows, or None.
        device: Where the model runs.
        dtype: Precision it runs in; embeddings come out as float32 all the same.
    """

    def __init__(
        self,
        *,
        name: str,
        model: Any,
        tokenizer: Any,
        settings: ImageSettings,
        fingerprint: str,
        vocabulary: Vocabulary | None = None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.vocabulary = vocabulary
        self.settings = settings
        self.device = device
        self.dtype = dtype
        self._model: Any = model.to(device=device, dtype=dtype).eval()
        self._tokenizer = tokenizer
        self._family: str = self._model.config.model_type
        self._patches = _naflex_processor(settings) if self._family == "siglip2" else None
        self.logit_scale = min(
            math.exp(float(self._model.logit_scale.detach().float().cpu())), MAX_LOGIT_SCALE
        )
        self.image_size = settings.size
        self.dim = int(self.embed_texts(["a"]).shape[1])

    def embed_images(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int = 32
    ) -> NDArray[np.float32]:
        """Embed RGB uint8 (H, W, 3) images of any sizes as float32 (N, D) rows of unit length.

        Raises:
            InputError: An image is not uint8 (H, W, 3).
        """
        _check_batch_size(batch_size)
        rows = [self._image_batch(images[i : i + batch_size]) for i in range(0, len(images), batch_size)]
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        """Embed texts as float32 (N, D) rows of unit length; a text too long for the model is cut."""
        _check_batch_size(batch_size)
        rows = [self._text_batch(texts[i : i + batch_size]) for i in range(0, len(texts), batch_size)]
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def _image_batch(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if self._patches is not None:
            inputs = dict(self._patches(images=list(images), return_tensors="pt"))
        else:
            stacked = np.stack([clip_transform(image, self.settings) for image in images])
            inputs = {"pixel_values": torch.from_numpy(stacked)}
        inputs["pixel_values"] = inputs["pixel_values"].to(self.dtype)
        with torch.inference_mode():
            out = self._model.get_image_features(**{k: v.to(self.device) for k, v in inputs.items()})
        return self._unit_rows(out)

    def _text_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        siglip = self._family.startswith("siglip")
        inputs = self._tokenizer(
            list(texts),
            padding="max_length" if siglip else True,
            truncation=True,
            max_length=self._text_length(),
            return_tensors="pt",
        )
        keys = ("input_ids",) if siglip else ("input_ids", "attention_mask")
        with torch.inference_mode():
            out = self._model.get_text_features(**{k: inputs[k].to(self.device) for k in keys})
        return self._unit_rows(out)

    def _text_length(self) -> int:
        positions = int(self._model.config.text_config.max_position_embeddings)
        if self._family.startswith("siglip"):
            return min(positions, SIGLIP_TEXT_LENGTH)
        # RoBERTa's positions start behind the padding index, so its last two rows are never reached.
        positions -= 2 if self._family == "altclip" else 0
        return min(positions, int(self._tokenizer.model_max_length))

    def _unit_rows(self, out: Any) -> NDArray[np.float32]:
        features = out if isinstance(out, torch.Tensor) else out.pooler_output
        rows = features.float().cpu().numpy()
        if not np.isfinite(rows).all():
            raise ModelError(
                f"model {self.name!r} gives values that are not numbers in {self.dtype} on {self.device}",
                hint="load it with dtype='float32'",
            )
        return l2_normalise(rows)

    def __repr__(self) -> str:
        return f"ClipEncoder({self.name!r}, {self._family}, dim={self.dim}, device={self.device})"


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
    folder = Path(source) if local else _cached_folder(str(source))
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


def _cached_folder(hub_id: str) -> Path:
    from transformers.utils import cached_file

    config = cached_file(hub_id, "config.json", local_files_only=True)
    for extra in ("preprocessor_config.json", "processor_config.json"):
        with contextlib.suppress(OSError):  # a repository need not have it, and it may be cached already
            _either(cached_file, hub_id, local=False, filename=extra)
    return Path(str(config)).parent


def _naflex_settings(vision_config: Any) -> ImageSettings:
    side = int(vision_config.patch_size) * math.isqrt(int(vision_config.num_patches))
    return ImageSettings.for_size(side, family="siglip2")


def _naflex_processor(settings: ImageSettings) -> Any:
    """SigLIP 2 NaFlex keeps the aspect ratio and takes a variable number of patches."""
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    return Siglip2ImageProcessorPil(patch_size=16, max_num_patches=(settings.size // 16) ** 2)


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")
