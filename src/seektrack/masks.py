"""A mask held as a run-length code; one of the nouns, see `seektrack.types`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seektrack import geometry
from seektrack.errors import InputError
from seektrack.geometry import BoolMask, Box


@dataclass(frozen=True, eq=False)
class Mask:
    """A bool (H, W) mask held as a compressed COCO run-length code.

    Attributes:
        size: (H, W) of the picture.
        counts: The compressed run lengths, as pycocotools writes them.
    """

    size: tuple[int, int]
    counts: bytes

    def __post_init__(self) -> None:
        """Refuse a code that does not fill its picture, before a decoder trusts it (InputError)."""
        geometry.check_rle(self.size, self.counts)

    @classmethod
    def from_array(cls, mask: BoolMask) -> Mask:
        """Encode a bool (H, W) array.

        Raises:
            InputError: The array is not bool (H, W).
        """
        if mask.ndim != 2 or mask.dtype != np.bool_:
            raise InputError(
                f"a mask must be a bool array (H, W), got {mask.dtype} {mask.shape}",
                hint="threshold logits first, and pass one mask at a time",
            )
        return cls(*geometry.rle_encode(mask))

    def to_array(self) -> BoolMask:
        """Decode to a bool (H, W) array."""
        return geometry.rle_decode(self.size, self.counts)

    @cached_property
    def area(self) -> int:
        """Pixels inside."""
        return geometry.rle_area(self.size, self.counts)

    @cached_property
    def box(self) -> Box | None:
        """Tight ``xyxy`` box, or None when the mask is empty."""
        return geometry.rle_box(self.size, self.counts)

    @cached_property
    def centroid(self) -> tuple[float, float] | None:
        """Mean ``(x, y)`` of the pixels inside, in pixels, or None when the mask is empty."""
        if self.box is None:
            return None
        x0, y0, x1, y1 = (int(v) for v in self.box)
        ys, xs = np.nonzero(self.to_array()[y0:y1, x0:x1])
        return float(xs.mean()) + x0 + 0.5, float(ys.mean()) + y0 + 0.5

    def iou(self, other: Mask) -> float:
        """Intersection over union with a mask of the same size; two empty masks give 0."""
        return float(geometry.rle_iou([(self.size, self.counts)], [(other.size, other.counts)])[0, 0])

    def to_coco(self) -> dict[str, object]:
        """COCO's JSON form: ``{"size": [H, W], "counts": str}``."""
        return {"size": list(self.size), "counts": self.counts.decode("ascii")}

    @classmethod
    def from_coco(cls, rle: object) -> Mask:
        """Read COCO's JSON form, compressed or as a list of run lengths.

        Raises:
            InputError: It is not of that form, or the runs do not fill a picture of its size.
        """
        size, counts = (rle.get("size"), rle.get("counts")) if isinstance(rle, Mapping) else (None, None)
        if not isinstance(size, Sequence) or len(size) != 2 or not all(type(n) is int for n in size):
            raise InputError("not a COCO run-length code", hint='{"size": [height, width], "counts": ...}')
        if isinstance(counts, Sequence) and not isinstance(counts, (str, bytes)):
            if not all(type(n) is int and 0 <= n < 2**31 for n in counts):
                raise InputError("the run lengths of a mask are not whole numbers from 0")
            runs = np.array(counts, dtype=np.int64)
            return cls((size[0], size[1]), geometry.compress_runs(runs, (size[0], size[1])))
        if not isinstance(counts, (str, bytes)) or (isinstance(counts, str) and not counts.isascii()):
            raise InputError(f"the counts of a run-length code are text, got {type(counts).__name__}")
        return cls((size[0], size[1]), counts.encode("ascii") if isinstance(counts, str) else counts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mask) and (self.size, self.counts) == (other.size, other.counts)

    def __hash__(self) -> int:
        return hash((self.size, self.counts))

    def __repr__(self) -> str:
        return f"Mask({self.size[0]}x{self.size[1]}, area={self.area})"
