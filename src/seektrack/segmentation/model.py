"""A SAM 2: its weights, one set or two, and turning pictures into features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, ModelError
from seektrack.segmentation.features import Array, ImageFeatures
from seektrack.segmentation.gate import Gate
from seektrack.segmentation.onnx_network import OnnxNetwork
from seektrack.segmentation.paired import SETS, PairedNetwork, foreign
from seektrack.segmentation.runtime import Network

if TYPE_CHECKING:
    import torch
    from transformers import Sam2VideoModel

    from seektrack.segmentation.fused import FusedNetwork
    from seektrack.segmentation.torch_network import TorchNetwork
    from seektrack.types import Frame

LONGEST_BLANK, BLANK = 120, 4.0
"""Frames at a video's beginning that may be of one colour; up to which deviation in grey levels one is."""

PRECISIONS = ("fp32", "bf16", "fp16")
"""Names of what the heavy layers may compute in."""


@dataclass(frozen=True, eq=False)
class Sam2:
    """A SAM 2 network with its preprocessing.

    Attributes:
        model: transformers' ``Sam2VideoModel`` in evaluation mode, or an ``OnnxNetwork``.
        resolution: Side S of the square the network sees, in pixels; that of ``photographs`` may be another.
        name: What it was loaded as.
        precision: What the heavy layers compute in, ``fp32``, ``bf16`` or ``fp16``; the weights, prompts and
            answers keep their own type. What graphs compute in was settled when they were written.
        weights: The name of this set of weights, ``drawn`` or ``photographs``, where a checkpoint holds two.
        photographs: The set that knows photographs, where there are two and each picture is given to the one
            that knows it; ``model`` is the other's then. See :mod:`seektrack.segmentation.paired`.
        gate: Which chooses between them.
        by_torch: Loads the same by torch, for a precision that graphs do not compute in.
    """

    model: Any
    resolution: int
    name: str = ""
    precision: str = "fp32"
    weights: str = ""
    photographs: Sam2 | None = None
    gate: Gate | None = None
    by_torch: Callable[[], Sam2] | None = None

    @cached_property
    def sets(self) -> tuple[Sam2, ...]:
        """Each set of weights by itself: the drawn world's and that of photographs, or the only one."""
        if self.photographs is None:
            return (self,)
        return replace(self, weights=SETS[0], photographs=None, gate=None), self.photographs

    def of(self, weights: str) -> Sam2:
        """The set of that name alone; what has only one is that one.

        Raises:
            ModelError: There is none of that name.
        """
        if weights not in SETS:
            raise ModelError(f"there is no set of weights {weights!r}", hint=f"take {' or '.join(SETS)}")
        return self.sets[SETS.index(weights) if len(self.sets) > 1 else 0]

    def for_picture(self, image: NDArray[np.uint8]) -> Sam2:
        """The set of weights that knows a picture better, uint8 (H, W, 3) RGB; itself where there is one.

        Raises:
            InputError: The array is not an RGB picture.
        """
        if self.gate is None:
            return self
        drawn = float(self.gate.odds(self.sets[0].preprocess(image)).mean()) > 0
        return self.sets[0 if drawn else 1]

    def for_video(self, frames: Iterable[Frame]) -> Sam2:
        """The set of weights for all of a video: by its first frame that is not of one colour.

        Args:
            frames: The video; only its beginning is read, and nothing where there is only one set.
        """
        if self.photographs is None:
            return self
        first = None
        for frame in islice(frames, LONGEST_BLANK):
            first = frame.image if first is None else first
            if float(frame.image.std()) > BLANK:
                return self.for_picture(frame.image)
        return self.sets[0] if first is None else self.for_picture(first)

    def made(self, features: ImageFeatures) -> Sam2:
        """The set of weights that made features.

        Raises:
            InputError: They are another's.
        """
        for one in self.sets:
            if one.weights == features.weights:
                return one
        raise foreign(features)

    @property
    def runtime(self) -> str:
        """Who computes: ``torch`` or ``onnx``."""
        return "onnx" if isinstance(self.model, OnnxNetwork) else "torch"

    @property
    def network(self) -> Network:
        """Whoever computes; torch's form is made when first needed, and again when the weights changed."""
        if self.gate is not None:
            both = {name: partial(_network, one) for name, one in zip(SETS, self.sets, strict=True)}
            return PairedNetwork(both, self.gate)
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
        if self.gate is not None:
            return self.sets[0]._torch()
        signature = _signature(self.model)
        held: tuple[object, TorchNetwork] | None = self.__dict__.get("_network")
        if held is None or held[0] != signature:
            held = (signature, TorchNetwork(self.model, self.precision, weights=self.weights))
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
        check_precision(precision, self.network.device_type)
        if self.runtime == "onnx" and precision != self.precision:
            if self.by_torch is not None:
                found = self.by_torch()
                return (found.of(self.weights) if self.weights else found).at(precision)
            raise ModelError(
                f"the graphs of {self.name!r} compute in what they were written in, not in {precision}",
                hint="write others: seektrack models export MODEL --to FOLDER --precision fp16",
            )
        if precision == self.precision:
            return self
        other = None if self.photographs is None else self.photographs.at(precision)
        return replace(self, precision=precision, photographs=other)

    def or_by_torch(self, load: Callable[[], Sam2] | None) -> Sam2:
        """The same, computed by torch where ``at`` asks for a precision that graphs do not compute in.

        Args:
            load: Loads the same weights by torch, all sets of them; None where nothing can.
        """
        photographs = None if self.photographs is None else replace(self.photographs, by_torch=load)
        return replace(self, by_torch=load, photographs=photographs)

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


def _network(sam2: Sam2) -> Network:
    return sam2.network


def check_precision(precision: str, device_type: str) -> None:
    """Refuse a precision there is not.

    Raises:
        ModelError: There is no such precision on this device.
    """
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
