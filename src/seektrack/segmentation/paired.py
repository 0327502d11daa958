"""Two sets of weights behind one network: which is asked is chosen by the picture.

One set learnt the drawn world, the other photographs and films; each is better at its own than any blend of
the two. In a checkpoint's folder the first lies as in any other, the second in ``photographs/``, and the gate
that chooses in ``gate.safetensors``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.segmentation import gate as gates
from seektrack.segmentation.answer import Job
from seektrack.segmentation.features import Array, Chosen, Decoded, ImageFeatures
from seektrack.segmentation.gate import Gate
from seektrack.segmentation.memory import Remembered, Row
from seektrack.segmentation.runtime import Network, NetworkSizes
from seektrack.segmentation.stored import Stored

Weights = Literal["drawn", "photographs"]
SETS: tuple[Weights, ...] = get_args(Weights)
"""Names of the two sets; that of the drawn world comes first."""
GATE = gates.WEIGHTS
SECOND = "photographs"
"""Folder of the second set within that of the first."""


def is_pair(folder: Path | None) -> bool:
    """Whether a checkpoint's folder holds two sets of weights."""
    return folder is not None and (folder / GATE).is_file() and (folder / SECOND).is_dir()


class PairedNetwork:
    """A ``runtime.Network`` of two; features say which made them, and it goes on with them.

    Pictures encoded together are taken to be parts of one, such as windows: their mean decides. Where the
    sets see squares of different sides, that is settled when the pictures are brought to one.

    Args:
        networks: Each set's, by name; asked for when it is needed.
        gate: Chooses.
    """

    def __init__(self, networks: Mapping[Weights, Callable[[], Network]], gate: Gate) -> None:
        self._networks, self.gate = networks, gate

    @property
    def sizes(self) -> NetworkSizes:
        """Of both, but for the side of the square: that is of the drawn world's."""
        return self._any.sizes

    @property
    def device_type(self) -> str:
        """Of both."""
        return self._any.device_type

    @property
    def memory_dtype(self) -> Any:
        """Of both."""
        return self._any.memory_dtype

    @property
    def fingerprint(self) -> str:
        """Of both and of the gate; see ``Sam2.fingerprint``."""
        return gates.joined([*(self._networks[name]().fingerprint for name in SETS), self.gate.fingerprint])

    def chosen(self, pixels: Array) -> Weights:
        """The set that knows pictures (B, 3, S, S) better."""
        return SETS[0] if float(self.gate.odds(pixels).mean()) > 0 else SETS[1]

    def pixels(self, images: Sequence[NDArray[np.uint8]]) -> Array:
        """See ``runtime.Network.pixels``."""
        pixels = self._any.pixels(images)
        if self._sides[0] == self._sides[1] or self.chosen(pixels) == SETS[0]:
            return pixels
        return self._networks[SETS[1]]().pixels(images)

    def encode(self, pixels: Array, *, hw: tuple[int, int]) -> ImageFeatures:
        """See ``runtime.Network.encode``; by the set the gate chooses."""
        sides = self._sides
        name = self.chosen(pixels) if sides[0] == sides[1] else SETS[sides.index(int(pixels.shape[-1]))]
        return self._networks[name]().encode(pixels, hw=hw)

    def answer(
        self, features: ImageFeatures, jobs: Sequence[Job], *, n_pointers: int, memory_dtype: Any
    ) -> list[Row]:
        """See ``runtime.Network.answer``; memories must be of the set that made the features."""
        return self._maker(features).answer(features, jobs, n_pointers=n_pointers, memory_dtype=memory_dtype)

    def decode(
        self,
        features: ImageFeatures,
        *,
        points: NDArray[np.floating] | None = None,
        labels: NDArray[np.integer] | None = None,
        mask: Array | None = None,
    ) -> Decoded:
        """See ``runtime.Network.decode``."""
        return self._maker(features).decode(features, points=points, labels=labels, mask=mask)

    def without_memory(self, features: ImageFeatures) -> Array:
        """See ``runtime.Network.without_memory``."""
        return self._maker(features).without_memory(features)

    def choose(self, decoded: Decoded, *, multimask: bool) -> Chosen:
        """See ``runtime.Network.choose``; no weight takes part in it."""
        return self._any.choose(decoded, multimask=multimask)

    def array(self, values: NDArray[Any]) -> Array:
        """See ``runtime.Network.array``."""
        return self._any.array(values)

    @property
    def memory_fingerprint(self) -> str:
        """Of both, for what remembers nothing yet; what does is of one set."""
        return gates.joined([self._networks[name]().memory_fingerprint for name in SETS])

    def dtype_of(self, name: str) -> Any:
        """See ``runtime.Network.dtype_of``."""
        return self._any.dtype_of(name)

    def store(self, values: Array) -> Stored:
        """See ``runtime.Network.store``."""
        return self._any.store(values)

    def restore(self, values: Stored) -> Array:
        """See ``runtime.Network.restore``."""
        return self._any.restore(values)

    def remembered(self, tokens: Array) -> Remembered:
        """A memory is of one set, which is asked itself.

        Raises:
            InputError: Always.
        """
        raise InputError("a memory is of one set of weights", hint="take that set: sam2.of(name)")

    @property
    def _sides(self) -> list[int]:
        return [self._networks[name]().sizes.resolution for name in SETS]

    @property
    def _any(self) -> Network:
        return self._networks[SETS[0]]()

    def _maker(self, features: ImageFeatures) -> Network:
        for name in SETS:
            if features.weights == name:
                return self._networks[name]()
        raise foreign(features)


def foreign(features: ImageFeatures) -> InputError:
    """What is said of features that other weights made than those that are asked."""
    made = f"the set of weights {features.weights!r}" if features.weights else "another network"
    return InputError(
        f"the features of the picture were made by {made}",
        hint="encode the picture with the segmenter that is asked",
    )
