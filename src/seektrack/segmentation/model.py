"""Loading a SAM 2 checkpoint at a chosen resolution, and turning pictures into features."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from seektrack.errors import InputError, ModelError
from seektrack.segmentation.fused import FusedNetwork
from seektrack.segmentation.network import ImageFeatures

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

CHECKPOINTS = {
    "tiny": "facebook/sam2.1-hiera-tiny",
    "small": "facebook/sam2.1-hiera-small",
    "base": "facebook/sam2.1-hiera-base-plus",
    "large": "facebook/sam2.1-hiera-large",
}
"""Short names of the published checkpoints; ``pocket`` is the one inside the package."""

RESOLUTION_STEP = 32
"""The side of the input must be a multiple: the first windows span 8 patches of 4 pixels."""

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Names of what the heavy layers may compute in."""

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class Sam2:
    """A SAM 2 network with its preprocessing.

    Attributes:
        model: transformers' ``Sam2VideoModel`` in evaluation mode.
        resolution: Side S of the square the network sees, in pixels.
        name: What it was loaded as.
        precision: What the heavy layers compute in, ``fp32``, ``bf16`` or ``fp16``; the weights, prompts and
            answers keep their own type.
    """

    model: Sam2VideoModel
    resolution: int
    name: str = ""
    precision: str = "fp32"

    @property
    def fused(self) -> FusedNetwork:
        """The network in its fused form, made when first needed and again when the weights have changed."""
        signature = _signature(self.model)
        held: tuple[object, FusedNetwork] | None = self.__dict__.get("_fused")
        if held is None or held[0] != signature:
            dtype = self.dtype if self.precision == "fp32" else PRECISIONS[self.precision]
            held = (signature, FusedNetwork(self.model, dtype))
            self.__dict__["_fused"] = held
        return held[1]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return torch.device(self.model.device)

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of the weights."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def fingerprint(self) -> str:
        """Hash of the weights and of the resolution: who answers alike, whatever the device or precision.

        32 hexadecimal digits; all weights are read each time.
        """
        digest = hashlib.blake2b(f"{self.resolution}".encode(), digest_size=16)
        for name, weight in self.model.state_dict().items():
            digest.update(name.encode())
            digest.update(weight.detach().float().cpu().numpy().tobytes())
        return digest.hexdigest()

    def at(self, precision: str) -> Sam2:
        """The same weights computing in another precision.

        Raises:
            ModelError: There is no such precision on this device.
        """
        _check_precision(precision, self.device)
        return self if precision == self.precision else replace(self, precision=precision)

    def preprocess(self, image: NDArray[np.uint8]) -> torch.Tensor:
        """Resize a picture to the square the network sees and normalise it by ImageNet's mean and deviation.

        Args:
            image: uint8 (H, W, 3), RGB.

        Returns:
            float (1, 3, S, S) on the network's device.

        Raises:
            InputError: The array is not an RGB picture.
        """
        return self.preprocess_batch([image])

    def preprocess_batch(self, images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        """Like ``preprocess`` for several pictures, sizes may differ: float (B, 3, S, S)."""
        size = (self.resolution, self.resolution)
        squares = []
        for image in images:
            _check_image(image)
            pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self.device).permute(2, 0, 1)[None]
            if image.shape[:2] != size:
                if pixels.device.type != "cpu":
                    pixels = pixels.float()
                pixels = F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
            squares.append(pixels)
        mean = torch.tensor(_MEAN, device=self.device).view(3, 1, 1) * 255
        std = torch.tensor(_STD, device=self.device).view(3, 1, 1) * 255
        return ((torch.cat(squares).float() - mean) / std).to(self.dtype).contiguous()

    @torch.inference_mode()
    def encode(self, image: NDArray[np.uint8]) -> ImageFeatures:
        """Features of one picture, uint8 (H, W, 3) RGB, to share among everything asked of it.

        Raises:
            InputError: The array is not an RGB picture.
        """
        pixels = self.preprocess(image)
        return self.fused.encode(pixels, hw=(int(image.shape[0]), int(image.shape[1])))


def load_sam2(
    model: str | Path = "pocket",
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    resolution: int | None = None,
    precision: str = "fp32",
    compile: bool = False,
) -> Sam2:
    """Load a SAM 2 checkpoint in the Hugging Face form, from safetensors only.

    Args:
        model: ``pocket``, ``tiny``, ``small``, ``base``, ``large``, a folder, or a hub id.
        device: Where to put it; a GPU if there is one, otherwise the CPU.
        dtype: Floating type of the weights; float32 if not given.
        resolution: Side of the square the network sees, in pixels, a multiple of 32; the checkpoint's own if
            not given. Position codes are adapted to it.
        precision: What the heavy layers compute in: ``fp32``, ``bf16``, or on a GPU ``fp16``.
        compile: Compile the image encoder with ``torch.compile``: a minute or more at the first picture.

    Raises:
        ModelError: The checkpoint is unknown, incomplete or of another kind, or the resolution does not fit.
    """
    where = torch.device(device) if device is not None else _best_device()
    _check_precision(precision, where)
    source = _resolve(str(model))
    config = _load_config(source, str(model))
    set_resolution(config, resolution)
    from safetensors import SafetensorError
    from transformers import Sam2VideoModel

    try:
        with no_progress_bar():
            loaded, info = Sam2VideoModel.from_pretrained(
                source,
                config=config,
                dtype=dtype or torch.float32,
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(
            f"the SAM 2 checkpoint {str(model)!r} cannot be loaded: {_first_line(error)}", hint=_WAY_OUT
        ) from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(
            f"the SAM 2 checkpoint {str(model)!r} lacks {len(missing)} weights, among them {missing[0]}",
            hint="fetch the checkpoint again, or name another",
        )
    sam2 = Sam2(loaded.to(where).eval(), int(config.image_size), name=str(model), precision=precision)
    if compile:
        sam2.fused.compile()
    return sam2


_WAY_OUT = (
    "name pocket, tiny, small, base, large, a folder with config.json and model.safetensors, or a hub id;"
    " published checkpoints need a network the first time"
)

_OTHERS = dict.fromkeys(
    ("edgetam", "edgetam_video"),
    "EdgeTAM keeps its memories in another form; checkpoints of SAM 2 and 2.1 (model_type sam2_video or sam2)"
    " can be loaded",
)
"""The way out for networks that look alike."""


def _resolve(model: str) -> str:
    """The folder or hub id a name stands for."""
    if model == "pocket":
        folder = Path(str(resources.files("seektrack") / "pretrained" / "sam2"))
        if not (folder / "config.json").is_file():
            raise ModelError(f"the pocket SAM 2 checkpoint is not installed at {folder}", hint=_WAY_OUT)
        return str(folder)
    if model in CHECKPOINTS:
        return CHECKPOINTS[model]
    if Path(model).is_dir():
        if not (Path(model) / "config.json").is_file():
            raise ModelError(f"the folder {model!r} holds no config.json", hint=_WAY_OUT)
        return model
    if model.count("/") != 1 or model.startswith((".", "/")):
        raise ModelError(f"there is no SAM 2 checkpoint {model!r}", hint=_WAY_OUT)
    return model


def _load_config(source: str, name: str) -> Any:
    """The checkpoint's ``Sam2VideoConfig``."""
    from transformers import Sam2VideoConfig

    try:
        kind = Sam2VideoConfig.get_config_dict(source)[0].get("model_type")
        if kind not in ("sam2_video", "sam2"):
            raise ModelError(
                f"{name!r} is a {kind!r} checkpoint, not SAM 2", hint=_OTHERS.get(kind, _WAY_OUT)
            )
        return Sam2VideoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the configuration of the SAM 2 checkpoint {name!r} cannot be read: {_first_line(error)}",
            hint=_WAY_OUT,
        ) from error


def set_resolution(config: Any, resolution: int | None) -> None:
    """Adapt every size a configuration derives from the side of the input."""
    own = config.image_size
    side = int(own if isinstance(own, int) else own[0]) if resolution is None else resolution
    if side < 2 * RESOLUTION_STEP or side % RESOLUTION_STEP:
        raise ModelError(
            f"resolution {side} does not fit SAM 2",
            hint=f"take a multiple of {RESOLUTION_STEP}, from {2 * RESOLUTION_STEP} up",
        )
    top = side // 16
    config.image_size = side
    config.prompt_encoder_config.image_size = side
    config.memory_attention_rope_feat_sizes = [top, top]
    config.vision_config.backbone_feature_sizes = [[4 * top] * 2, [2 * top] * 2, [top] * 2]
    config.vision_config.backbone_config.image_size = [side, side]


@contextmanager
def no_progress_bar() -> Iterator[None]:
    """Keep transformers from drawing on the terminal, and leave its setting as it was."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _check_precision(precision: str, device: torch.device) -> None:
    if precision not in PRECISIONS:
        raise ModelError(f"there is no precision {precision!r}", hint=f"take one of {', '.join(PRECISIONS)}")
    if precision == "fp16" and device.type == "cpu":
        raise ModelError("fp16 needs a GPU", hint="on a CPU take bf16")


def _signature(model: Sam2VideoModel) -> tuple[object, ...]:
    """Changes whenever weights are written to, replaced or moved."""
    weights = list(model.parameters())
    written = sum(0 if w.is_inference() else w._version for w in weights)
    return written, weights[0].data_ptr(), weights[0].device, weights[0].dtype, int(model.image_size)


def _best_device() -> torch.device:
    """A GPU if torch sees one, otherwise the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")


def _check_image(image: NDArray[np.uint8]) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise InputError(
            f"a picture must be a uint8 array (H, W, 3), got {image.dtype} {image.shape}",
            hint="convert it to RGB first",
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
