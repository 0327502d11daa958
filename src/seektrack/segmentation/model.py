"""Loading a SAM 2 checkpoint at a chosen resolution, and turning pictures into features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seektrack import checkpoints, defaults
from seektrack.checkpoints.runtimes import pick_runtime
from seektrack.errors import InputError, ModelError
from seektrack.segmentation.features import Array, ImageFeatures
from seektrack.segmentation.onnx_network import OnnxNetwork
from seektrack.segmentation.runtime import Network

if TYPE_CHECKING:
    import torch
    from transformers import Sam2VideoModel

    from seektrack.segmentation.fused import FusedNetwork
    from seektrack.segmentation.torch_network import TorchNetwork

RESOLUTION_STEP = 32
"""The side of the input must be a multiple: the first windows span 8 patches of 4 pixels."""

PRECISIONS = ("fp32", "bf16", "fp16")
"""Names of what the heavy layers may compute in."""


@dataclass(frozen=True, eq=False)
class Sam2:
    """A SAM 2 network with its preprocessing.

    Attributes:
        model: transformers' ``Sam2VideoModel`` in evaluation mode, or an ``OnnxNetwork``.
        resolution: Side S of the square the network sees, in pixels.
        name: What it was loaded as.
        precision: What the heavy layers compute in, ``fp32``, ``bf16`` or ``fp16``; the weights, prompts and
            answers keep their own type. What graphs compute in was settled when they were written.
    """

    model: Any
    resolution: int
    name: str = ""
    precision: str = "fp32"

    @property
    def runtime(self) -> str:
        """Who computes: ``torch`` or ``onnx``."""
        return "onnx" if isinstance(self.model, OnnxNetwork) else "torch"

    @property
    def network(self) -> Network:
        """Whoever computes; torch's form is made when first needed, and again when the weights changed."""
        return self.model if isinstance(self.model, OnnxNetwork) else self._torch()

    @property
    def fused(self) -> FusedNetwork:
        """The network in its fused form; only of torch."""
        return self._torch().fused

    def _torch(self) -> TorchNetwork:
        from seektrack.segmentation.torch_network import TorchNetwork

        if isinstance(self.model, OnnxNetwork):
            raise InputError(
                f"{self.name!r} runs as ONNX graphs; this needs torch", hint="load it with runtime='torch'"
            )
        signature = _signature(self.model)
        held: tuple[object, TorchNetwork] | None = self.__dict__.get("_network")
        if held is None or held[0] != signature:
            held = (signature, TorchNetwork(self.model, self.precision))
            self.__dict__["_network"] = held
        return held[1]

    @property
    def device(self) -> torch.device:
        """Where the weights are; only of torch."""
        return self._torch().device

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of the weights; only of torch."""
        return self._torch().dtype

    @property
    def fingerprint(self) -> str:
        """Hash of the weights and of the resolution: who answers alike, whatever the device or precision.

        32 hexadecimal digits; all weights are read each time.
        """
        return self.network.fingerprint

    def at(self, precision: str) -> Sam2:
        """The same weights computing in another precision.

        Raises:
            ModelError: There is no such precision on this device, or for graphs.
        """
        _check_precision(precision, self.network.device_type)
        if self.runtime == "onnx" and precision != self.precision:
            raise ModelError(
                f"the graphs of {self.name!r} compute in what they were written in, not in {precision}",
                hint="write others: seektrack models export MODEL --to FOLDER --precision fp16",
            )
        return self if precision == self.precision else replace(self, precision=precision)

    def preprocess(self, image: NDArray[np.uint8]) -> Array:
        """Resize a picture to the square the network sees and normalise it by ImageNet's mean and deviation.

        Args:
            image: uint8 (H, W, 3), RGB.

        Returns:
            float (1, 3, S, S) on the network's device.

        Raises:
            InputError: The array is not an RGB picture.
        """
        return self.preprocess_batch([image])

    def preprocess_batch(self, images: Sequence[NDArray[np.uint8]]) -> Array:
        """Like ``preprocess`` for several pictures, sizes may differ: float (B, 3, S, S)."""
        for image in images:
            _check_image(image)
        return self.network.pixels(images)

    def encode(self, image: NDArray[np.uint8]) -> ImageFeatures:
        """Features of one picture, uint8 (H, W, 3) RGB, to share among everything asked of it.

        Raises:
            InputError: The array is not an RGB picture.
        """
        pixels = self.preprocess(image)
        return self.network.encode(pixels, hw=(int(image.shape[0]), int(image.shape[1])))


def load_sam2(
    model: str | Path = defaults.MODEL,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    resolution: int | None = None,
    precision: str = "fp32",
    compile: bool = False,
    runtime: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
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
        runtime: Who computes: ``torch``, or the graphs that lie in the folder by ``onnx`` or ``onnx:cuda``,
            ``onnx:tensorrt``, ``onnx:openvino``; what the folder holds if not given.
        progress: Called with ``(done, total, stage)`` while a checkpoint is fetched from the hub.

    Raises:
        ModelError: The checkpoint is unknown, incomplete or of another kind, or the resolution does not fit.
    """
    name = str(model)
    found = checkpoints.find(name, "mask")
    asked = None if device is None else str(device)
    kind, provider = pick_runtime(runtime, found.folder, name, device=asked)
    if kind == "onnx":
        network = OnnxNetwork.load(found, provider=provider, resolution=resolution)
        return Sam2(network, network.sizes.resolution, name=name)
    where = checkpoints.pick_device(device)
    _check_precision(precision, where.type)
    folder = checkpoints.obtain(found, progress=progress)
    config = _load_config(folder, name)
    set_resolution(config, resolution)
    import torch
    from transformers import Sam2VideoModel

    loaded = checkpoints.load_network(
        Sam2VideoModel, folder, name, config=config, dtype=dtype or torch.float32
    )
    sam2 = Sam2(loaded.to(where), int(config.image_size), name=name, precision=precision)
    if compile:
        sam2.fused.compile()
    return sam2


_OTHERS = dict.fromkeys(
    ("edgetam", "edgetam_video"),
    "EdgeTAM keeps its memories in another form; checkpoints of SAM 2 and 2.1 (model_type sam2_video or sam2)"
    " can be loaded",
)
"""The way out for networks that look alike."""


def _load_config(folder: Path, name: str) -> Any:
    """The checkpoint's ``Sam2VideoConfig``."""
    from transformers import Sam2VideoConfig

    kind = checkpoints.model_type(folder)
    if kind not in ("sam2_video", "sam2"):
        raise ModelError(
            f"{name!r} is a {kind!r} checkpoint, not SAM 2",
            hint=_OTHERS.get(
                kind, f"take one of {', '.join(checkpoints.names_of('mask'))}, a folder or a hub id"
            ),
        )
    return checkpoints.load_config(Sam2VideoConfig, folder, name)


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


def _check_precision(precision: str, device_type: str) -> None:
    if precision not in PRECISIONS:
        raise ModelError(f"there is no precision {precision!r}", hint=f"take one of {', '.join(PRECISIONS)}")
    if precision == "fp16" and device_type == "cpu":
        raise ModelError("fp16 needs a GPU", hint="on a CPU take bf16")


def _signature(model: Sam2VideoModel) -> tuple[object, ...]:
    """Changes whenever weights are written to, replaced or moved."""
    weights = list(model.parameters())
    written = sum(0 if w.is_inference() else w._version for w in weights)
    return written, weights[0].data_ptr(), weights[0].device, weights[0].dtype, int(model.image_size)


def _check_image(image: NDArray[np.uint8]) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise InputError(
            f"a picture must be a uint8 array (H, W, 3), got {image.dtype} {image.shape}",
            hint="convert it to RGB first",
        )
