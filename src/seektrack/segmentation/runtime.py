"""What segmentation asks of a network: one protocol, behind which torch or ONNX Runtime computes.

No runtime imports another, and what stands on them imports none: arrays are handed from one call to the next
and looked at through :mod:`seektrack.segmentation.arrays`. Shape letters as in ``segmentation.network``;
T = f * f.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.segmentation.features import Array, Chosen, Decoded, ImageFeatures
from seektrack.segmentation.stored import Stored

if TYPE_CHECKING:
    from seektrack.segmentation.answer import Job
    from seektrack.segmentation.memory import Remembered, Row

_LARGEST = 8192
"""Of a side, a width or a count; no network comes near."""


@dataclass(frozen=True, kw_only=True)
class NetworkSizes:
    """What of a SAM 2's configuration its user must know.

    Attributes:
        resolution: S, side of the square input in pixels.
        hidden_dim: C.
        n_memories: Memories read besides the prompted frames' plus one.
        n_pointers: Pointers read.
        select_conditioning: Prompted frames read, the nearest ones; -1 for all.
        multimask_at_first, multimask_later: Whether several masks are chosen from where an object starts, and
            where it is followed or corrected.
        multimask_points: Fewest and most points of a prompt for which they are.
        by_stability: Whether an unstable single mask gives way to the best of several.
        stability_delta, stability_threshold: See ``network.stability``.
    """

    resolution: int
    hidden_dim: int
    n_memories: int
    n_pointers: int
    select_conditioning: int
    multimask_at_first: bool
    multimask_later: bool
    multimask_points: tuple[int, int]
    by_stability: bool
    stability_delta: float
    stability_threshold: float

    def __post_init__(self) -> None:
        """Refuse what no network has; a note that came with one is a claim.

        Raises:
            ValueError: A value is of another kind or out of range.
        """
        for name in ("resolution", "hidden_dim", "n_memories", "n_pointers"):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= _LARGEST:
                raise ValueError(f"{name} must be a whole number of 0 to {_LARGEST}, got {str(value)[:40]}")
        few = (self.select_conditioning, *self.multimask_points)
        if len(few) != 3 or any(type(value) is not int for value in few):
            raise ValueError("select_conditioning and the two multimask_points must be whole numbers")
        for name in ("stability_delta", "stability_threshold"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite")

    def multimask(self, n_points: int, *, afresh: bool) -> bool:
        """Whether several masks are to be chosen from, for a prompt of so many points."""
        asked = self.multimask_at_first and (afresh or self.multimask_later)
        fewest, most = self.multimask_points
        return asked and fewest <= n_points <= most


class Network(Protocol):
    """A SAM 2 that computes. What it hands out it takes back; nobody else knows its arrays' kind.

    Attributes:
        sizes: Of the network.
        device_type: ``cpu``, ``cuda`` and so on.
        memory_dtype: What memories are stored in where nothing else is asked for.
    """

    @property
    def sizes(self) -> NetworkSizes: ...  # noqa: D102
    @property
    def device_type(self) -> str: ...  # noqa: D102
    @property
    def memory_dtype(self) -> Any: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    def pixels(self, images: Sequence[NDArray[np.uint8]]) -> Array:
        """RGB pictures uint8 (H, W, 3) as the network sees them: float (B, 3, S, S)."""
        ...

    def encode(self, pixels: Array, *, hw: tuple[int, int]) -> ImageFeatures:
        """Run the image encoder; see ``network.encode``."""
        ...

    def answer(
        self, features: ImageFeatures, jobs: Sequence[Job], *, n_pointers: int, memory_dtype: Any
    ) -> list[Row]:
        """Answer for a batch of jobs of equal key on one frame.

        Args:
            features: Of the frame, one row.
            jobs: At least one.
            n_pointers: What the time codes of pointers are scaled to.
            memory_dtype: What memories are stored in.
        """
        ...

    def decode(
        self,
        features: ImageFeatures,
        *,
        points: NDArray[np.floating] | None = None,
        labels: NDArray[np.integer] | None = None,
        mask: Array | None = None,
    ) -> Decoded:
        """All masks for prompts on a frame of which nothing is remembered; see ``network.decode``."""
        ...

    def without_memory(self, features: ImageFeatures) -> Array:
        """What is decoded from where nothing is remembered: float (B, C, f, f)."""
        ...

    def choose(self, decoded: Decoded, *, multimask: bool) -> Chosen:
        """One mask a prompt; see ``network.choose``."""
        ...

    def array(self, values: NDArray[Any]) -> Array:
        """Floats in the network's own kind of array, where it computes."""
        ...

    @property
    def memory_fingerprint(self) -> str:
        """Hash of what makes memories: whoever has the same goes on from what the other remembers."""
        ...

    def dtype_of(self, name: str) -> Any:
        """A type memories are stored in, by its name such as ``bfloat16``."""
        ...

    def store(self, values: Array) -> Stored:
        """A copy as a file holds it."""
        ...

    def restore(self, values: Stored) -> Array:
        """What ``store`` was given, again."""
        ...

    def remembered(self, tokens: Array) -> Remembered:
        """A memory of its tokens, with what the network makes of it once."""
        ...
