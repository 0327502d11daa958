"""Drawing masks, trails, ids, labels and scores over the pictures.

Drawn with OpenCV; sizes follow the picture, so that a tag reads the same at 256 pixels and at 4K.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.outputs.palette import object_colour
from seektrack.outputs.render import Render, blur, check_render, cut_out, is_outlined, matte
from seektrack.outputs.tags import draw_tags
from seektrack.outputs.warned import draw_warnings
from seektrack.types import Frame, Mask, Observation, Track, Tracks

Image = NDArray[np.uint8]
Trail = Sequence[tuple[float, float]]
Colour = tuple[int, int, int]

_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class OverlayStyle:
    """How an overlay looks.

    Attributes:
        mask_opacity: Of the coloured fill, 0 to 1.
        trail_s: Seconds of path drawn behind each object; 0 draws none.
        tags: Whether to write label, id and score.
        dim_background: How much to darken what is not an object, 0 to 1.
        anomalies: Whether to mark where tracks are likely wrong.
        render: What is shown of the objects: ``fill`` or ``outline`` (by default outlines where a label names
            a colour), ``cut-out`` on transparent ground, ``matte`` in black and white, ``blur`` of the
            objects, or ``blur-others`` of all else. Only the first two draw trails, tags and anomalies.
    """

    mask_opacity: float = 0.42
    trail_s: float = 1.0
    tags: bool = True
    dim_background: float = 0.0
    anomalies: bool = True
    render: Render = "auto"

    @property
    def filename(self) -> str:
        """Of the video drawn so: with transparency it is a .mov."""
        return "overlay.mov" if self.render == "cut-out" else "overlay.mp4"


def overlay_style(overlay: bool | str | OverlayStyle) -> OverlayStyle | None:
    """How an overlay is drawn: True the usual way, a text the mode of that name, False not at all.

    Raises:
        InputError: There is no such mode.
    """
    if isinstance(overlay, OverlayStyle):
        check_render(overlay.render)
        return overlay
    if isinstance(overlay, str):
        return OverlayStyle(render=check_render(overlay))
    return OverlayStyle() if overlay else None


def draw_overlay(
    image: Image,
    observations: Iterable[tuple[Track, Observation]],
    *,
    trails: Mapping[int, Trail] | None = None,
    style: OverlayStyle | None = None,
) -> Image:
    """Draw objects over a picture.

    A seen object gets a translucent fill and a contour, or its box when it has no mask; a predicted one a
    dashed box; a hidden one also the dashed outline of the whole where that was estimated. Surer objects are
    drawn last, so their tags lie on top. Other ways are ``style.render``'s.

    Args:
        image: uint8 (H, W, 3) RGB; left as it is.
        observations: What to draw, as `Tracks.at` gives it.
        trails: By ``obj_id``, the path so far, ``(x, y)`` pixels, oldest first; see `trails_at`.
        style: How it looks; the default when None.

    Returns:
        uint8 (H, W, 3) RGB; a cut-out is (H, W, 4) RGBA.

    Raises:
        InputError: The picture is not uint8 (H, W, 3), or a mask is of another size.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(f"a picture must be uint8 (H, W, 3), got {image.dtype} {image.shape}")
    style = style or OverlayStyle()
    pairs = sorted(observations, key=lambda pair: (pair[1].visible, pair[1].score))
    image = np.ascontiguousarray(image)
    if style.render == "cut-out":
        return cut_out(image, pairs)
    if style.render == "matte":
        return matte(image, pairs)
    if style.render in ("blur", "blur-others"):
        return blur(image, pairs, others=style.render == "blur-others")
    out = image.copy()
    unit = line_unit(out)
    if style.dim_background > 0:
        _dim(out, pairs, style.dim_background)
    for track, o in pairs:
        if o.visible and o.mask is not None:
            opacity = 0.0 if is_outlined(track, style.render) else style.mask_opacity
            _draw_mask(out, o, object_colour(track.obj_id), opacity, unit)
    for track, o in pairs:
        colour = object_colour(track.obj_id)
        _draw_trail(out, (trails or {}).get(track.obj_id, ()), colour, unit)
        if not o.visible or o.mask is None:
            _draw_box(out, o, colour, unit)
        if o.amodal is not None:
            _draw_hidden(out, o.amodal, colour, unit)
    if style.tags:
        draw_tags(out, pairs)
    return out


def mark_region(image: Image, box: Box | None) -> Image:
    """Frame the region of a picture that a search found; the whole picture comes back as it is.

    Args:
        image: uint8 (H, W, 3) RGB; left as it is.
        box: ``xyxy`` pixels, or None for the whole picture.
    """
    import cv2

    if box is None:
        return image
    out = image.copy()
    unit = line_unit(image)
    low, high = (round(box[0]), round(box[1])), (round(box[2]) - 1, round(box[3]) - 1)
    for colour, width in (((20, 24, 28), 4.0), ((255, 255, 255), 1.6)):
        cv2.rectangle(out, low, high, colour, max(1, round(width * unit)), cv2.LINE_AA)
    return out


def line_unit(image: Image) -> float:
    """Width in pixels that looks like a fine line on a picture of this size; 1 at 360 lines and below."""
    return max(1.0, float(min(image.shape[:2])) / 360)


def trails_at(tracks: Tracks, time_s: float, *, seconds: float = 1.0) -> dict[int, list[tuple[float, float]]]:
    """Centres of each object over the last seconds up to a time, oldest first, by ``obj_id``."""
    return {
        t.obj_id: [o.centre for o in t.observations if time_s - seconds <= o.time_s <= time_s] for t in tracks
    }


def write_overlay(
    frames: Iterable[Frame],
    tracks: Tracks,
    path: str | Path,
    *,
    fps: Fraction | float | None = None,
    style: OverlayStyle | None = None,
) -> Path:
    """Write the video with everything drawn on it, and with its sound where it is a file that has some.

    Args:
        frames: The pictures, in order; those no track touches are written plain.
        tracks: What to draw.
        path: An H.264 .mp4; a .mov for cut-outs.
        fps: A constant rate to write at, without sound; None keeps the time of each frame.
        style: How it looks; the default when None.

    Returns:
        The path written.

    Raises:
        InputError: There are no frames.
        OutputError: The file cannot be written.
    """
    from seektrack.video import VideoWriter
    from seektrack.video.dubbing import dub

    style = style or OverlayStyle()
    target = Path(path)
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise InputError(f"no frames to write to {target}")
    height, width = first.hw
    rate = fps or tracks.video.fps
    alpha, sources = style.render == "cut-out", (tracks.video.path,)
    drawn_on = style.render in ("auto", "fill", "outline")
    trailed = drawn_on and style.trail_s > 0
    with VideoWriter(target, width=width, height=height, fps=rate, sources=sources, alpha=alpha) as writer:
        frame: Frame | None = first
        last_s = first.time_s
        while frame is not None:
            last_s = frame.time_s
            trails = trails_at(tracks, frame.time_s, seconds=style.trail_s) if trailed else None
            drawn = draw_overlay(frame.image, tracks.at(frame.index), trails=trails, style=style)
            if style.anomalies and drawn_on:
                draw_warnings(drawn, tracks, frame.index, frame.time_s)
            writer.write(drawn, None if fps else frame.timestamp - first.timestamp)
            frame = next(iterator, None)
    if fps is None:
        end_s = last_s + float(1 / tracks.video.fps)
        dub(target, tracks.video.path, target, start_s=first.time_s, end_s=end_s)
    return target


def _dim(out: Image, pairs: Sequence[tuple[Track, Observation]], amount: float) -> None:
    keep = np.zeros(out.shape[:2], dtype=np.bool_)
    for _, o in pairs:
        if o.visible and o.mask is not None:
            keep |= o.mask.to_array()
    out[~keep] = (out[~keep] * (1 - amount)).astype(np.uint8)


def _draw_mask(out: Image, o: Observation, colour: Colour, opacity: float, unit: float) -> None:
    import cv2

    if o.mask is None or o.mask.box is None:
        return
    if o.mask.size != out.shape[:2]:
        raise InputError(f"a mask of size {o.mask.size} (H, W) on a picture of {out.shape[:2]}")
    x0, y0, x1, y1 = (int(v) for v in o.mask.box)
    mask = o.mask.to_array()[y0:y1, x0:x1]
    part = out[y0:y1, x0:x1]
    inside = mask.astype(np.uint8)
    if opacity > 0:
        tinted = cv2.addWeighted(part, 1 - opacity, np.full_like(part, colour), opacity, 0)
        cv2.copyTo(tinted, inside, part)
    contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(x0, y0))
    width = max(1, round((1.4 if opacity > 0 else 2.2) * unit))
    cv2.drawContours(out, contours, -1, colour, width, cv2.LINE_AA)


def _draw_hidden(out: Image, amodal: Mask, colour: Colour, unit: float) -> None:
    """The outline of the whole object, dashed: part of it is estimated."""
    import cv2

    if amodal.size != out.shape[:2]:
        raise InputError(f"a mask of size {amodal.size} (H, W) on a picture of {out.shape[:2]}")
    inside = amodal.to_array().astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    dash = max(3, round(4 * unit))
    for contour in contours:
        points = contour[:, 0]
        for start in range(0, len(points), 2 * dash):
            piece = points[start : start + dash]
            cv2.polylines(out, [piece], False, colour, max(1, round(1.4 * unit)), cv2.LINE_AA)


def _draw_trail(out: Image, trail: Trail, colour: Colour, unit: float) -> None:
    import cv2

    points = [_fixed(p) for p in trail]
    for n, (a, b) in enumerate(pairwise(points), start=1):
        age = n / len(points)
        width = max(1, round(2.4 * unit * age))
        shade = np.array(colour) * (0.45 + 0.55 * age)
        faded: Colour = (int(shade[0]), int(shade[1]), int(shade[2]))
        cv2.line(out, a, b, faded, width, cv2.LINE_AA, _SUBPIXEL_BITS)
    if len(points) > 1:
        radius = round(2.2 * unit * 2**_SUBPIXEL_BITS)
        cv2.circle(out, points[-1], radius, colour, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _draw_box(out: Image, o: Observation, colour: Colour, unit: float) -> None:
    import cv2

    x0, y0, x1, y1 = o.box
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    width = max(1, round(1.4 * unit))
    dash = 6 * unit
    for a, b in pairwise(corners):
        for start, end in [(a, b)] if o.visible else _dashes(a, b, dash):
            cv2.line(out, _fixed(start), _fixed(end), colour, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _dashes(
    a: tuple[float, float], b: tuple[float, float], dash: float
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    length = float(np.hypot(b[0] - a[0], b[1] - a[1]))
    count = max(1, round(length / (2 * dash)))
    ends = [(n / (2 * count - 1 or 1), (n + 1) / (2 * count - 1 or 1)) for n in range(0, 2 * count - 1, 2)]

    def at(t: float) -> tuple[float, float]:
        return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t

    return [(at(start), at(end)) for start, end in ends]


def _fixed(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0] * 2**_SUBPIXEL_BITS), round(point[1] * 2**_SUBPIXEL_BITS)
