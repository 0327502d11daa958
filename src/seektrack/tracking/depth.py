"""Where depth comes from: a folder of maps, one a frame, or a depth network of transformers by its id.

Only differences within one frame are used: any unit does, and it does not matter which end is near.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.tracking.claims import DepthMap
from seektrack.types import Frame

DepthSource = Callable[[Frame], "DepthMap | None"]
"""Depth of a frame, float32 (H, W); None where there is none of it."""

_SUFFIXES = (".png", ".npy", ".tif", ".tiff")
_NUMBER = re.compile(r"(\d+)(?!.*\d)")
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures, by which depth networks are fed."""


@dataclass(frozen=True)
class FolderDepth:
    """Maps in a folder: pictures of one channel of 8 or 16 bits, or NumPy arrays, named by frame number.

    Attributes:
        folder: The last number in a name, as in ``00012.png`` and ``frame_000012.npy``, is the frame, from 0.

    Raises:
        InputError: There is no such folder, or no map in it.
    """

    folder: Path

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise InputError(
                f"no folder of depth maps: {self.folder}",
                hint="give a folder of .png or .npy by frame number, or hf:ID for a depth network",
            )
        if not self._files:
            raise InputError(
                f"{self.folder} holds no depth map",
                hint=f"maps are {', '.join(_SUFFIXES)}, named by frame number: 00012.png",
            )

    @cached_property
    def _files(self) -> dict[int, Path]:
        named = [(_NUMBER.search(p.stem), p) for p in sorted(self.folder.iterdir()) if _is_map(p)]
        return {int(number[1]): path for number, path in named if number is not None}

    def __call__(self, frame: Frame) -> DepthMap | None:
        """The map of a frame, in its size.

        Raises:
            InputError: It cannot be read, or is no map.
        """
        path = self._files.get(frame.index)
        return None if path is None else _sized(_read(path), frame.hw)


@dataclass
class NetworkDepth:
    """A depth network of transformers, such as Depth Anything or DPT; loaded when the first frame needs it.

    Attributes:
        name: A hub id or a folder.
        device: Where it goes; chosen when None.
        side: Shorter side of what it sees, pixels, as a multiple of 14; None takes the network's own.
    """

    name: str
    device: str | None = None
    side: int | None = None
    _network: Any = field(default=None, repr=False, compare=False)

    def __call__(self, frame: Frame) -> DepthMap:
        """Depth of a frame, in its size.

        Raises:
            ModelError: The network cannot be found or loaded.
            InputError: It tells no depth.
        """
        import torch

        if self._network is None:
            self._network = load_depth_network(self.name, device=self.device)
        network = self._network
        pixels = torch.from_numpy(self._prepared(frame.image)).to(network.device)
        with torch.inference_mode():
            answer = network(pixel_values=pixels).predicted_depth
        return _sized(answer[0].float().cpu().numpy(), frame.hw)

    def _prepared(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(1, 3, h, w), its sides multiples of the patch, the shorter one as asked for."""
        patch, own = _patch_and_side(self._network.config)
        shorter = self.side or own
        scale = shorter / min(image.shape[:2])
        height, width = (max(round(v * scale / patch), 1) * patch for v in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
        fed = (small - np.array(_MEAN, np.float32)) / np.array(_SPREAD, np.float32)
        return np.ascontiguousarray(fed.transpose(2, 0, 1)[None], dtype=np.float32)


def load_depth_network(name: str, *, device: str | None = None) -> Any:
    """A depth network by a hub id or folder.

    Raises:
        ModelError: It cannot be found or loaded.
        InputError: It tells no depth.
    """
    import transformers

    from seektrack.checkpoints import find, load_network, model_type, obtain, pick_device

    checkpoint = find(name, "depth")
    folder = obtain(checkpoint)
    kind = model_type(folder)
    classes = {
        "depth_anything": "DepthAnythingForDepthEstimation",
        "dpt": "DPTForDepthEstimation",
        "glpn": "GLPNForDepthEstimation",
    }
    if kind not in classes:
        raise InputError(
            f"{name!r} is a {kind or 'checkpoint of no type'}, no network that tells depth",
            hint=f"networks that do are of the types {', '.join(classes)}",
        )
    return load_network(getattr(transformers, classes[kind]), folder, name).to(pick_device(device))


def parse_depth(value: str, *, device: str | None = None) -> DepthSource:
    """A source of depth as it is typed: a folder of maps, or ``hf:ID``.

    Raises:
        InputError: There is no such folder, or no map in it.
    """
    if value.startswith("hf:"):
        return NetworkDepth(value.removeprefix("hf:"), device)
    return FolderDepth(Path(value).expanduser())


def spoken_depth(source: DepthSource) -> str | None:
    """What `parse_depth` makes such a source of; None where there are no words for it."""
    if isinstance(source, NetworkDepth) and source.side is None:
        return f"hf:{source.name}"
    return str(source.folder.absolute()) if isinstance(source, FolderDepth) else None


def write_depth(folder: Path, frame_index: int, depth: DepthMap, *, most: float) -> Path:
    """Write a map as a PNG of 16 bits, ``most`` being the largest value that is told.

    Raises:
        OutputError: It cannot be written.
    """
    from seektrack import files

    path = folder / f"{frame_index:05d}.png"
    values = np.clip(depth / max(most, 1e-9), 0, 1) * 65535
    _, encoded = cv2.imencode(".png", np.round(values).astype(np.uint16))
    files.write_bytes(path, encoded.tobytes())
    return path


def _is_map(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and path.is_file()


def _read(path: Path) -> NDArray[Any]:
    try:
        if path.suffix.lower() == ".npy":
            found = np.load(path, allow_pickle=False)
        else:
            found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except (OSError, ValueError, cv2.error) as error:
        raise InputError(f"{path} is no depth map: {error}") from error
    if found is None:
        raise InputError(f"{path} is no picture that can be read")
    values = np.asarray(found)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "uif" or not values.size:
        raise InputError(
            f"{path} is no depth map: an array {values.dtype} {values.shape}",
            hint="a map has one number a pixel: a grey PNG of 8 or 16 bits, or an array (H, W)",
        )
    return values


def _sized(values: NDArray[Any], hw: tuple[int, int]) -> DepthMap:
    depth = np.nan_to_num(np.asarray(values, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if depth.shape != hw:
        depth = np.asarray(cv2.resize(depth, hw[::-1], interpolation=cv2.INTER_NEAREST), dtype=np.float32)
    return depth


def _patch_and_side(config: Any) -> tuple[int, int]:
    """The patch a picture's sides are multiples of, and the side the network was trained at."""
    inner = getattr(config, "backbone_config", None) or config
    patch = int(getattr(inner, "patch_size", 0) or getattr(config, "patch_size", 32))
    side = getattr(inner, "image_size", None) or getattr(config, "image_size", None) or 384
    side = int(side[0] if isinstance(side, (list, tuple)) else side)
    return patch, max(side // patch, 1) * patch
