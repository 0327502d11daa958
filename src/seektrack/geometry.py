"""Boxes, run-length masks, resizing and coordinate conversions: their only home.

Conventions: boxes are ``xyxy`` float pixels, half-open (``x1``, ``y1`` lie just outside), in the
coordinate frame of the source picture; masks are bool ``(H, W)``; points are ``(x, y)`` pixels.
Run-length codes are COCO's (column-major, compressed by pycocotools).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.limits import Limits

BoolMask = NDArray[np.bool_]
Box = tuple[float, float, float, float]


def rle_encode(mask: BoolMask) -> tuple[tuple[int, int], bytes]:
    """Encode a mask as a compressed COCO run-length code.

    Args:
        mask: bool (H, W).

    Returns:
        ``((H, W), counts)`` with ``counts`` the compressed bytes pycocotools uses.
    """
    from pycocotools import mask as coco_mask

    rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return (int(mask.shape[0]), int(mask.shape[1])), bytes(rle["counts"])


def rle_decode(size: tuple[int, int], counts: bytes) -> BoolMask:
    """Decode a compressed COCO run-length code to a bool (H, W) mask."""
    from pycocotools import mask as coco_mask

    decoded: NDArray[np.uint8] = coco_mask.decode({"size": list(size), "counts": counts})
    return decoded.astype(bool)


def rle_area(size: tuple[int, int], counts: bytes) -> int:
    """Pixels inside a run-length mask, without decoding it."""
    from pycocotools import mask as coco_mask

    return int(coco_mask.area({"size": list(size), "counts": counts}))


def rle_box(size: tuple[int, int], counts: bytes) -> Box | None:
    """Tight ``xyxy`` box of a run-length mask, or None when the mask is empty."""
    from pycocotools import mask as coco_mask

    x, y, w, h = (float(v) for v in coco_mask.toBbox({"size": list(size), "counts": counts}))
    return None if w <= 0 or h <= 0 else (x, y, x + w, y + h)


def rle_iou(
    a: list[tuple[tuple[int, int], bytes]], b: list[tuple[tuple[int, int], bytes]]
) -> NDArray[np.float64]:
    """Intersection over union of every mask of ``a`` with every mask of ``b``, as (len(a), len(b))."""
    from pycocotools import mask as coco_mask

    if not a or not b:
        return np.zeros((len(a), len(b)))
    as_dict = [[{"size": list(s), "counts": c} for s, c in side] for side in (a, b)]
    iou = coco_mask.iou(as_dict[0], as_dict[1], [0] * len(b))
    return np.asarray(iou, dtype=np.float64).reshape(len(a), len(b))


def mask_to_box(mask: BoolMask) -> Box | None:
    """Tight half-open ``xyxy`` box of a bool (H, W) mask, or None when it is empty."""
    ys = np.flatnonzero(mask.any(axis=1))
    if len(ys) == 0:
        return None
    xs = np.flatnonzero(mask.any(axis=0))
    return float(xs[0]), float(ys[0]), float(xs[-1] + 1), float(ys[-1] + 1)


def mask_iou(a: BoolMask, b: BoolMask) -> float:
    """Intersection over union of two bool masks; two empty masks give 0."""
    union = int(np.logical_or(a, b).sum())
    return float(np.logical_and(a, b).sum()) / union if union else 0.0


def box_iou(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of every box of ``a`` with every box of ``b``.

    Args:
        a: (N, 4) ``xyxy`` boxes.
        b: (M, 4) ``xyxy`` boxes in the same coordinate frame.

    Returns:
        (N, M) values in [0, 1]; a box of no area overlaps nothing.
    """
    a = np.asarray(a, dtype=np.float64).reshape(-1, 4)
    b = np.asarray(b, dtype=np.float64).reshape(-1, 4)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a = np.prod(np.clip(a[:, 2:] - a[:, :2], 0, None), axis=1)
    area_b = np.prod(np.clip(b[:, 2:] - b[:, :2], 0, None), axis=1)
    union = area_a[:, None] + area_b[None, :] - inter
    return np.where(union > 0, inter / np.where(union > 0, union, 1.0), 0.0)


def xyxy_to_xywh(box: Box) -> tuple[float, float, float, float]:
    """``(x0, y0, x1, y1)`` to COCO's ``(left, top, width, height)``."""
    return box[0], box[1], box[2] - box[0], box[3] - box[1]


def clip_box(box: Box, hw: tuple[int, int]) -> Box:
    """Clip a box to a picture of size (H, W)."""
    h, w = hw
    return (
        float(min(max(box[0], 0), w)),
        float(min(max(box[1], 0), h)),
        float(min(max(box[2], 0), w)),
        float(min(max(box[3], 0), h)),
    )


def resize_mask(mask: BoolMask, hw: tuple[int, int]) -> BoolMask:
    """Resize a bool mask to (H, W) by nearest neighbour."""
    import cv2

    if mask.shape == tuple(hw):
        return mask
    out = cv2.resize(mask.astype(np.uint8), (hw[1], hw[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(out, dtype=bool)


def crop_square(image: NDArray[np.uint8], box: Box, size: int, *, margin: float = 0.0) -> NDArray[np.uint8]:
    """Cut a square around a box and resize it; what lies outside the picture repeats its edge.

    Args:
        image: uint8 (H, W, 3).
        box: ``xyxy`` in pixels of ``image``.
        size: Side of the result in pixels.
        margin: Extra on each side, as a fraction of half the longer side of the box.

    Returns:
        uint8 (size, size, 3).
    """
    import cv2

    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = max(box[2] - box[0], box[3] - box[1]) / 2 * (1 + margin) + 1
    scale = size / (2 * half)
    if scale <= 0.5:  # the affine map takes single pixels: fine patterns would turn into coarse ones
        image, (cx, cy), factor = _averaged(image, cx, cy, half, int(1 / scale))
        scale *= factor
    affine = np.array(
        [[scale, 0, size / 2 - cx * scale], [0, scale, size / 2 - cy * scale]], dtype=np.float32
    )
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out = cv2.warpAffine(image, affine, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, dtype=np.uint8)


def masked_crop(
    image: NDArray[np.uint8], mask: BoolMask, box: Box, size: int, *, margin: float
) -> NDArray[np.uint8]:
    """The square around a box with everything outside the mask blurred and greyed.

    The surrounding stays as a hint of place without showing other objects sharply.

    Args:
        image: uint8 (H, W, 3).
        mask: bool (H, W), what to keep.
        box: ``xyxy`` pixels of the mask.
        size: Side of the result in pixels.
        margin: As in `seektrack.geometry.crop_square`.

    Returns:
        uint8 (size, size, 3).
    """
    import cv2

    plain = crop_square(image, box, size, margin=margin)
    as_picture = np.repeat(mask.astype(np.uint8)[:, :, None] * 255, 3, axis=2)
    alpha = crop_square(as_picture, box, size, margin=margin).astype(np.float32) / 255
    sigma = max(size / 16, 1.0)
    backdrop = cv2.GaussianBlur(plain, (0, 0), sigma).astype(np.float32) * 0.4 + 127 * 0.6
    return np.clip(plain * alpha + backdrop * (1 - alpha), 0, 255).astype(np.uint8)


def _averaged(
    image: NDArray[np.uint8], cx: float, cy: float, half: float, factor: int
) -> tuple[NDArray[np.uint8], tuple[float, float], int]:
    """What a square shows, means of ``factor`` × ``factor`` pixels, and the square's middle in it."""
    import cv2

    h, w = image.shape[:2]
    x0, y0 = (int(np.clip(np.floor(c - half) - factor, 0, n - 1)) for c, n in ((cx, w), (cy, h)))
    x1, y1 = (int(np.clip(np.ceil(c + half) + factor, 1, n)) for c, n in ((cx, w), (cy, h)))
    across, down = (x1 - x0) // factor, (y1 - y0) // factor
    if across < 1 or down < 1:
        return image, (cx, cy), 1
    part = image[y0 : y0 + down * factor, x0 : x0 + across * factor]
    small = cv2.resize(part, (across, down), interpolation=cv2.INTER_AREA)
    middle = tuple((c - start + 0.5) / factor - 0.5 for c, start in ((cx, x0), (cy, y0)))
    return np.asarray(small, np.uint8), (middle[0], middle[1]), factor


def rle_runs(counts: bytes) -> NDArray[np.int64]:
    """Uncompressed run lengths of a compressed COCO code, column by column, the first run being outside.

    Raises:
        InputError: The bytes are not such a code, or a run is negative.
    """
    codes = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    if len(codes) == 0:
        return np.zeros(0, dtype=np.int64)
    ends = np.flatnonzero(codes < 32)
    if codes.min() < 0 or codes.max() > 63 or len(ends) == 0 or ends[-1] != len(codes) - 1:
        raise InputError("not a compressed COCO run-length code", hint="was it cut off?")
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    if place.max() > 6:
        raise InputError("a run length of the mask has more than 32 bits")
    values = np.add.reduceat((codes & 31) << (5 * place), starts)
    values -= np.where(codes[ends] & 16, np.int64(1) << (5 * (place[ends] + 1)), 0)
    runs = values.copy()  # from the fourth on, each is the difference to the run before the last
    runs[1::2] = np.cumsum(values[1::2])
    runs[2::2] = np.cumsum(values[2::2])
    if runs.min() < 0:
        raise InputError(f"a run length of the mask is negative: {int(runs.min())}")
    return runs


def check_rle(size: tuple[int, int], counts: bytes) -> None:
    """See that a run-length code fills a picture of its size, before any decoder trusts it.

    Raises:
        InputError: The size is out of bounds, or the runs do not add up to it.
    """
    check_size(size)
    _check_filled(rle_runs(counts), size)


def check_size(size: tuple[int, int]) -> None:
    """See that a picture of (H, W) can be held.

    Raises:
        InputError: A side is below 1 or above `Limits.max_side`, or there are more than `Limits.max_pixels`.
    """
    height, width = size
    bounds = Limits.current()
    if min(size) < 1 or max(size) > bounds.max_side or height * width > bounds.max_pixels:
        raise InputError(
            f"a picture of {width}x{height} pixels is out of bounds",
            hint=f"sides from 1 to {bounds.max_side}, and {bounds.max_pixels} pixels in all",
        )


def compress_runs(runs: NDArray[np.int64], size: tuple[int, int]) -> bytes:
    """Run lengths that fill a picture of (H, W), checked first, as a compressed COCO code.

    Raises:
        InputError: A run is negative, or they do not add up to the size.
    """
    from pycocotools import mask as coco_mask

    check_size(size)
    if len(runs) and runs.min() < 0:
        raise InputError(f"a run length of the mask is negative: {int(runs.min())}")
    _check_filled(runs, size)
    code = coco_mask.frPyObjects({"size": list(size), "counts": runs.tolist()}, *size)
    return bytes(code["counts"])


def _check_filled(runs: NDArray[np.int64], size: tuple[int, int]) -> None:
    filled, pixels = int(runs.sum()), size[0] * size[1]
    if filled != pixels:
        raise InputError(
            f"the runs of the mask add up to {filled} pixels, its size {size[0]}x{size[1]} has {pixels}",
            hint="size is [height, width], and the runs go down the columns",
        )


_TILES_PER_SIDE = (3, 5)


def tiles(hw: tuple[int, int]) -> list[Box]:
    """Windows that overlap by half, ``xyxy`` pixels: nine of half the picture's sides, 25 of a third."""
    h, w = hw
    boxes: list[Box] = []
    for count in _TILES_PER_SIDE:
        side = 2 / (count + 1)
        steps = [i * side / 2 for i in range(count)]
        boxes += [(w * x, h * y, w * (x + side), h * (y + side)) for y in steps for x in steps]
    return boxes
