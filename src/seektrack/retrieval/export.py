"""Results as JSON, CSV, key frames and a contact sheet."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from seektrack import files
from seektrack.errors import InputError, SeekTrackError, VideoError
from seektrack.geometry import Box
from seektrack.known import Known, fields, shown, told
from seektrack.retrieval.cells import safe_cell
from seektrack.retrieval.editor import CODES, codes_of
from seektrack.retrieval.sequence import Chain
from seektrack.types import Hit, Moment

Found = Hit | Moment

OnError = Callable[[str, SeekTrackError], None]

HIT_COLUMNS = ("video", "frame_index", "time_s", "score", "confidence", "x0", "y0", "x1", "y1", "domain")
MOMENT_COLUMNS = ("video", "start_s", "end_s", "confidence", "key_frame_index", "key_time_s", "key_score",
                  "x0", "y0", "x1", "y1", "domain", *CODES)  # fmt: skip


def hit_to_dict(hit: Hit) -> dict[str, Any]:
    """A hit as plain JSON values; ``box`` is ``[x0, y0, x1, y1]`` in pixels, or null for the whole frame."""
    return {
        "video": hit.video,
        "frame_index": hit.frame_index,
        "time_s": round(hit.time_s, 6),
        "score": round(hit.score, 6),
        "confidence": _told(hit.confidence, hit.domain),
        "box": None if hit.box is None else [round(v, 3) for v in hit.box],
        **fields(hit.domain),
    }


def moment_to_dict(moment: Moment) -> dict[str, Any]:
    """A moment as plain JSON values."""
    return {
        "video": moment.video,
        "start_s": round(moment.start_s, 6),
        "end_s": round(moment.end_s, 6),
        "confidence": _told(moment.confidence, moment.domain),
        "key": hit_to_dict(moment.key),
        **fields(moment.domain),
    }


def hits_to_json(hits: Sequence[Hit], *, query: str = "") -> str:
    """``{"query": …, "hits": [...]}``."""
    return json.dumps({"query": query, "hits": [hit_to_dict(h) for h in hits]}, ensure_ascii=False, indent=2)


def moments_to_json(moments: Sequence[Moment], *, query: str = "") -> str:
    """``{"query": …, "moments": [...]}``, each with its frames and time codes where its video is there."""
    found = [moment_to_dict(m) | codes for m, codes in zip(moments, codes_of(moments), strict=True)]
    return json.dumps({"query": query, "moments": found}, ensure_ascii=False, indent=2)


def hits_to_csv(hits: Sequence[Hit]) -> str:
    """One line per hit under `HIT_COLUMNS`; box columns are empty for a whole frame."""
    return _csv(HIT_COLUMNS, [{**hit_to_dict(h), **_corners(h)} for h in hits])


def moments_to_csv(moments: Sequence[Moment]) -> str:
    """One line per moment under `MOMENT_COLUMNS`; those of `CODES` are empty where its video is gone."""
    rows = []
    for moment, codes in zip(moments, codes_of(moments), strict=True):
        key = hit_to_dict(moment.key)
        keyed = {f"key_{name}": key[name] for name in ("frame_index", "time_s", "score")}
        rows.append({**moment_to_dict(moment), **keyed, **_corners(moment.key), **codes})
    return _csv(MOMENT_COLUMNS, rows)


def chains_to_csv(chains: Sequence[Chain]) -> str:
    """One line per step under ``chain, step`` and `MOMENT_COLUMNS`, both counted from 1."""
    lines = []
    for number, chain in enumerate(chains, 1):
        head, *rows = moments_to_csv(chain.moments).splitlines()
        lines += [f"{number},{step},{row}" for step, row in enumerate(rows, 1)]
    return "\n".join(
        [f"chain,step,{head}" if chains else f"chain,step,{','.join(MOMENT_COLUMNS)}", *lines, ""]
    )


def save_csv(found: Sequence[Found], path: str | os.PathLike[str]) -> None:
    """Write results of one kind as CSV; the file appears whole or not at all.

    Raises:
        OutputError: The file cannot be written, or is one of the videos.
    """
    moments = [f for f in found if isinstance(f, Moment) and not isinstance(f, Chain)]
    chains = [f for f in found if isinstance(f, Chain)]
    hits = [f for f in found if isinstance(f, Hit)]
    text = chains_to_csv(chains) if chains else hits_to_csv(hits) if hits else moments_to_csv(moments)
    files.write_text(path, text, sources=_videos(found))


def _videos(found: Sequence[Found]) -> set[str]:
    return {hit.video for hit in key_hits(found)}


def key_hits(found: Sequence[Found]) -> list[Hit]:
    """The best picture of each result; of a chain, one for each step."""
    keys: list[Hit] = []
    for one in found:
        if isinstance(one, Hit):
            keys.append(one)
        else:
            keys += [moment.key for moment in one.moments] if isinstance(one, Chain) else [one.key]
    return keys


def key_pictures(hits: Sequence[Hit], *, on_error: OnError | None = None) -> list[NDArray[np.uint8] | None]:
    """The frame of each hit, RGB uint8 (H, W, 3), read from its video; each video is opened once.

    Args:
        hits: Where to look.
        on_error: Told of each video that is gone or cannot be read; its frames are None then.

    Raises:
        VideoError: A video is gone or cannot be read, and ``on_error`` is None.
    """
    from seektrack.video import open_video

    pictures: dict[int, NDArray[np.uint8]] = {}
    order = sorted(range(len(hits)), key=lambda i: (hits[i].video, hits[i].time_s))
    for video in dict.fromkeys(hits[i].video for i in order):
        try:
            with open_video(video) as source:
                for i in (i for i in order if hits[i].video == video):
                    pictures[i] = source.frame_near(hits[i].time_s).image
        except VideoError as error:
            if on_error is None:
                raise
            on_error(video, error)
    return [pictures.get(i) for i in range(len(hits))]


def save_key_frames(
    found: Sequence[Found], folder: str | os.PathLike[str], *, on_error: OnError | None = None
) -> list[Path | None]:
    """Write the key frame of each result as JPEG, ``001-holiday-12.480s.jpg`` and on, best first.

    Args:
        found: The results.
        folder: Made when missing.
        on_error: Told of each video that is gone or cannot be read.

    Returns:
        The files, in order of the results; None for those of a video that cannot be read.

    Raises:
        VideoError: A video is gone or cannot be read, and ``on_error`` is None.
        OutputError: A file cannot be written.
    """
    hits = key_hits(found)
    written: list[Path | None] = []
    for i, (hit, picture) in enumerate(zip(hits, key_pictures(hits, on_error=on_error), strict=True), 1):
        if picture is None:
            written.append(None)
            continue
        stem = re.sub(r"[^\w.-]+", "_", Path(hit.video).stem)[:80]
        file = Path(folder) / f"{i:03d}-{stem}-{hit.time_s:.3f}s.jpg"
        save_jpeg(picture, file, sources=_videos(found))
        written.append(file)
    return written


def save_sheet(
    found: Sequence[Found],
    path: str | os.PathLike[str],
    *,
    columns: int = 4,
    on_error: OnError | None = None,
) -> None:
    """Write the key frames as one JPEG contact sheet: what was found is framed, name, time and belief below.

    Args:
        found: The results.
        path: The file.
        columns: Pictures in a row.
        on_error: Told of each video that is gone or cannot be read; its pictures are left out.

    Raises:
        InputError: No results, or none whose video can be read.
        VideoError: A video is gone or cannot be read, and ``on_error`` is None.
        OutputError: The file cannot be written.
    """
    hits = key_hits(found)
    read = [
        (picture, hit)
        for picture, hit in zip(key_pictures(hits, on_error=on_error), hits, strict=True)
        if picture is not None
    ]
    pictures = [framed(picture, hit.box) for picture, hit in read]
    captions = [
        f"{Path(hit.video).name}  {hit.time_s:.1f} s  {shown(hit.confidence, hit.domain)}" for _, hit in read
    ]
    save_jpeg(contact_sheet(pictures, captions, columns=columns), path, sources=_videos(found))


def framed(image: NDArray[np.uint8], box: Box | None) -> NDArray[np.uint8]:
    """The picture with a box drawn around what was found; itself when there is none."""
    if box is None:
        return image
    drawn = Image.fromarray(np.ascontiguousarray(image))
    thick = max(2, round(min(image.shape[:2]) / 120))
    corners = [box[0], box[1], max(box[0], box[2] - 1), max(box[1], box[3] - 1)]
    ImageDraw.Draw(drawn).rectangle(corners, outline=(255, 200, 0), width=thick)
    return np.asarray(drawn, dtype=np.uint8)


def save_jpeg(
    image: NDArray[np.uint8],
    path: str | os.PathLike[str],
    *,
    quality: int = 92,
    sources: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write an RGB uint8 (H, W, 3) picture as JPEG; the file appears whole or not at all.

    Args:
        image: The picture.
        path: The file, which may be none of ``sources``.
        quality: Of the JPEG, 1 to 95.
        sources: Files that must stay as they are.

    Raises:
        OutputError: The file cannot be written.
    """
    held = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(held, "JPEG", quality=quality)
    files.write_bytes(path, held.getvalue(), sources=sources)


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


def _told(confidence: float, domain: Known) -> float | None:
    value = told(confidence, domain)
    return None if value is None else round(value, 6)


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
    for row in rows:
        writer.writerow({name: safe_cell(v) if isinstance(v, str) else v for name, v in row.items()})
    return out.getvalue()
