"""Results as JSON, CSV and a contact sheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from seektrack.errors import InputError
from seektrack.types import Hit, Moment

HIT_COLUMNS = ("video", "frame_index", "time_s", "score", "confidence", "x0", "y0", "x1", "y1")
MOMENT_COLUMNS = ("video", "start_s", "end_s", "confidence", "key_frame_index", "key_time_s", "key_score",
                  "x0", "y0", "x1", "y1")  # fmt: skip


def hit_to_dict(hit: Hit) -> dict[str, Any]:
    """A hit as plain JSON values; ``box`` is ``[x0, y0, x1, y1]`` in pixels, or null for the whole frame."""
    return {
        "video": hit.video,
        "frame_index": hit.frame_index,
        "time_s": round(hit.time_s, 6),
        "score": round(hit.score, 6),
        "confidence": round(hit.confidence, 6),
        "box": None if hit.box is None else [round(v, 3) for v in hit.box],
    }


def moment_to_dict(moment: Moment) -> dict[str, Any]:
    """A moment as plain JSON values."""
    return {
        "video": moment.video,
        "start_s": round(moment.start_s, 6),
        "end_s": round(moment.end_s, 6),
        "confidence": round(moment.confidence, 6),
        "key": hit_to_dict(moment.key),
    }


def hits_to_json(hits: Sequence[Hit], *, query: str = "") -> str:
    """``{"query": …, "hits": [...]}``."""
    return json.dumps({"query": query, "hits": [hit_to_dict(h) for h in hits]}, ensure_ascii=False, indent=2)


def moments_to_json(moments: Sequence[Moment], *, query: str = "") -> str:
    """``{"query": …, "moments": [...]}``."""
    found = [moment_to_dict(m) for m in moments]
    return json.dumps({"query": query, "moments": found}, ensure_ascii=False, indent=2)


def hits_to_csv(hits: Sequence[Hit]) -> str:
    """One line per hit under `HIT_COLUMNS`; box columns are empty for a whole frame."""
    return _csv(HIT_COLUMNS, [{**hit_to_dict(h), **_corners(h)} for h in hits])


def moments_to_csv(moments: Sequence[Moment]) -> str:
    """One line per moment under `MOMENT_COLUMNS`."""
    rows = []
    for moment in moments:
        key = hit_to_dict(moment.key)
        keyed = {f"key_{name}": key[name] for name in ("frame_index", "time_s", "score")}
        rows.append({**moment_to_dict(moment), **keyed, **_corners(moment.key)})
    return _csv(MOMENT_COLUMNS, rows)


def contact_sheet(
    images: Sequence[NDArray[np.uint8]],
    captions: Sequence[str],
    *,
    columns: int = 4,
    cell: tuple[int, int] = (180, 320),
) -> NDArray[np.uint8]:
    """Lay pictures out on one sheet, each fitted into a cell above its caption.

    Args:
        images: RGB uint8 (H, W, 3) of any sizes, at least one.
        captions: One each; what is too long is cut.
        columns: Pictures in a row.
        cell: (H, W) of a cell in pixels, without the caption.

    Returns:
        RGB uint8.

    Raises:
        InputError: No images, or not one caption each.
    """
    if not images or len(images) != len(captions):
        raise InputError(
            f"a contact sheet needs images and one caption each, got {len(images)} and {len(captions)}"
        )
    if columns < 1 or min(cell) < 1:
        raise InputError(f"columns and cell must be at least 1, got {columns} and {cell}")
    columns = min(columns, len(images))
    gap, line = 8, 22
    height, width = cell
    n_rows = -(-len(images) // columns)
    size = (gap + columns * (width + gap), gap + n_rows * (height + line + gap))
    sheet = Image.new("RGB", size, (18, 20, 24))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x = gap + (i % columns) * (width + gap)
        y = gap + (i // columns) * (height + line + gap)
        picture = _fitted(image, cell)
        sheet.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
        draw.text((x, y + height + 3), _cut(caption, width, font), fill=(225, 228, 232), font=font)
    return np.asarray(sheet, dtype=np.uint8)


def _fitted(image: NDArray[np.uint8], cell: tuple[int, int]) -> Image.Image:
    scale = min(cell[0] / image.shape[0], cell[1] / image.shape[1])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.LANCZOS)


def _cut(caption: str, width: int, font: Any) -> str:
    if font.getlength(caption) <= width:
        return caption
    while caption and font.getlength(caption + "…") > width:
        caption = caption[:-1]
    return caption + "…"


def _corners(hit: Hit) -> dict[str, float | str]:
    names = ("x0", "y0", "x1", "y1")
    return (
        dict.fromkeys(names, "")
        if hit.box is None
        else {n: round(v, 3) for n, v in zip(names, hit.box, strict=True)}
    )


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
