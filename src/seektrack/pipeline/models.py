"""Which two networks a model name means, loaded when first needed."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from seektrack.errors import ModelError

if TYPE_CHECKING:
    from seektrack.encoders import Encoder
    from seektrack.segmentation import Sam2

BUILT_IN: dict[str, tuple[str, str]] = {
    "pocket": ("pocket", "pocket"),
    "tiny": ("base", "tiny"),
    "small": ("base", "small"),
    "base": ("base", "base"),
    "large": ("large", "large"),
    "multilingual": ("multilingual", "base"),
}
"""Name → its CLIP and its SAM 2."""


def parse_model(model: str) -> tuple[str, str]:
    """Names of the CLIP and the SAM 2 a model name stands for.

    Args:
        model: A name of :data:`BUILT_IN`; ``CLIP+SAM2``, each a name, a folder or a hub id; a folder holding
            ``clip/`` and ``sam2/``; or one folder or hub id of either kind, the other being the pocket one.

    Raises:
        ModelError: The name is empty.
    """
    name = model.strip()
    if not name:
        raise ModelError(
            "the model name is empty", hint=f"use one of {', '.join(BUILT_IN)}, a folder or a hub id"
        )
    if name in BUILT_IN:
        return BUILT_IN[name]
    folder = Path(name).expanduser()
    if (folder / "clip").is_dir() and (folder / "sam2").is_dir():
        return str(folder / "clip"), str(folder / "sam2")
    if folder.is_dir():
        return ("pocket", str(folder)) if _is_sam2(folder) else (str(folder), "pocket")
    clip, plus, sam2 = name.partition("+")
    if plus:
        return clip.strip() or "pocket", sam2.strip() or "pocket"
    return ("pocket", name) if "sam2" in name.lower().replace("-", "") else (name, "pocket")


def _is_sam2(folder: Path) -> bool:
    try:
        kind = json.loads((folder / "config.json").read_text()).get("model_type", "")
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder} is not a model folder: {error}",
            hint="it must hold config.json and model.safetensors, or the folders clip/ and sam2/",
        ) from error
    return str(kind).startswith(("sam2", "edgetam"))


class Models:
    """The encoder and the segmenter behind a model name; each loads when first used.

    Args:
        model: See :func:`parse_model`.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; chosen when None.
        resolution: Side of the square the segmenter sees, in pixels; the checkpoint's own when None.
    """

    def __init__(
        self, model: str = "pocket", *, device: str | None = None, resolution: int | None = None
    ) -> None:
        self.name, self.device, self.resolution = model, device, resolution
        self.encoder_name, self.sam2_name = parse_model(model)

    @cached_property
    def encoder(self) -> Encoder:
        """The CLIP-family encoder."""
        from seektrack.encoders import load_encoder

        return load_encoder(self.encoder_name, device=self.device)

    @cached_property
    def sam2(self) -> Sam2:
        """The SAM 2."""
        from seektrack.segmentation import load_sam2

        return load_sam2(self.sam2_name, device=self.device, resolution=self.resolution)

    @cached_property
    def sam2_fingerprint(self) -> str:
        """:attr:`seektrack.segmentation.Sam2.fingerprint` of the SAM 2."""
        return self.sam2.fingerprint
