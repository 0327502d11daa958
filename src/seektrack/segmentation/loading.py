"""Loading a SAM 2 checkpoint at a chosen resolution, by torch or as graphs: one set of weights, or two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from seektrack import checkpoints, defaults
from seektrack.checkpoints.runtimes import pick_runtime
from seektrack.errors import ModelError
from seektrack.segmentation.gate import Gate
from seektrack.segmentation.model import Sam2, check_precision
from seektrack.segmentation.onnx_network import OnnxNetwork
from seektrack.segmentation.paired import SECOND, SETS, Weights, is_pair
from seektrack.segmentation.runtime import NetworkSizes

if TYPE_CHECKING:
    import torch

RESOLUTION_STEP = 32
"""The side of the input must be a multiple: the first windows span 8 patches of 4 pixels."""


def load_sam2(
    model: str | Path = defaults.MODEL,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    resolution: int | None = None,
    precision: str = "fp32",
    compile: bool = False,
    runtime: str | None = None,
    weights: Weights | None = None,
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
        weights: Where the folder holds two sets, ``drawn`` or ``photographs`` takes that one alone; both, the
            better one for each video, if not given. Elsewhere it says nothing.
        progress: Called with ``(done, total, stage)`` while a checkpoint is fetched from the hub.

    Raises:
        ModelError: The checkpoint is unknown, incomplete or of another kind, or the resolution does not fit.
    """
    name = str(model)
    found = checkpoints.find(name, "mask")
    if weights is not None and weights not in SETS:
        raise ModelError(f"there is no set of weights {weights!r}", hint=f"take {' or '.join(SETS)}")
    weights = SETS[0] if name == f"pocket:{SETS[0]}" else weights
    asked = None if device is None else str(device)
    kind, provider = pick_runtime(runtime, found.folder, name, device=asked)
    if kind == "onnx":

        def graphs(at: checkpoints.Checkpoint, label: str) -> Sam2:
            network = OnnxNetwork.load(at, provider=provider, resolution=resolution, weights=label)
            return Sam2(network, network.sizes.resolution, name=name, weights=label)

        return _joined(found, weights, graphs)
    where = checkpoints.pick_device(device)
    check_precision(precision, where.type)
    found = replace(found, folder=checkpoints.obtain(found, progress=progress))

    def computed(at: checkpoints.Checkpoint, label: str) -> Sam2:
        import torch
        from transformers import Sam2VideoModel

        folder = cast(Path, at.folder)
        config = _load_config(folder, name)
        set_resolution(config, resolution)
        loaded = checkpoints.load_network(
            Sam2VideoModel, folder, name, config=config, dtype=dtype or torch.float32
        )
        side = int(config.image_size)
        return Sam2(loaded.to(where), side, name=name, precision=precision, weights=label)

    sam2 = _joined(found, weights, computed)
    for one in sam2.sets if compile else ():
        one.fused.compile()
    return sam2


def _joined(
    found: checkpoints.Checkpoint,
    weights: Weights | None,
    load: Callable[[checkpoints.Checkpoint, str], Sam2],
) -> Sam2:
    """What a folder holds: its one set of weights, or one of its two, or both and their gate."""
    folder = found.folder
    if folder is None or not is_pair(folder) or weights == SETS[0]:
        return load(found, "")
    second = replace(found, folder=folder / SECOND)
    if weights == SETS[1]:
        return load(second, "")
    gate = Gate.load(folder)
    first, other = load(found, SETS[0]), load(second, SETS[1])
    if replace(_sizes(first), resolution=other.resolution) != _sizes(other):
        raise ModelError(
            f"the two sets of weights of {found.name!r} are of different builds",
            hint="write the folder again: seektrack pocket sam2-pair",
        )
    return replace(first, weights="", photographs=other, gate=gate)


def _sizes(sam2: Sam2) -> NetworkSizes:
    if isinstance(sam2.model, OnnxNetwork):
        return sam2.model.sizes
    from seektrack.segmentation.torch_network import network_sizes

    return network_sizes(sam2.model)


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
