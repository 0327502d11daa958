"""Options that say how a video is opened, the same wherever a command takes one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seektrack.cli.early import check_part
from seektrack.cli.values import CACHE, check_value, completing
from seektrack.errors import InputError

if TYPE_CHECKING:
    from seektrack.video import Opening

Window = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="LEVEL,WIDTH",
        help="Values of a scan that become black to white: 40,400 for soft tissue, -600,1500 for lungs.",
    ),
]
Fps = Annotated[
    float | None,
    typer.Option("--fps", help="Pictures per second of a folder of images, or slices of a scan."),
]
MaxFrames = Annotated[
    int | None, typer.Option("--frames", min=1, help="Only so many frames, from the first on.")
]
Interpolate = Annotated[
    int,
    typer.Option(
        "--interpolate",
        min=1,
        max=64,
        help="So many frames for each, those between moved along the optical flow, for a low rate.",
    ),
]
Cache = Annotated[
    str | None,
    typer.Option(
        "--cache",
        help="Decode each frame once into a temporary file: raw (exact) or jpeg (small). For videos that "
        "are slow to go through backwards.",
        autocompletion=completing(CACHE),
    ),
]


def opening(
    *,
    start: float | None = None,
    end: float | None = None,
    frames: int | None = None,
    fps: float | None = None,
    window: str | None = None,
    cache: str | None = None,
    interpolate: int = 1,
) -> Opening | None:
    """How videos are opened; None where every option has its default.

    Raises:
        InputError: A value is out of range, or the part is empty.
    """
    check_value("--cache", cache, CACHE)
    check_part(start, end)
    if fps is not None and not (math.isfinite(fps) and 0 < fps <= 1000):
        raise InputError(f"--fps cannot be {fps}", hint="above 0 and up to 1000")
    given: dict[str, Any] = {
        "start_s": start,
        "end_s": end,
        "frames": frames,
        "fps": fps,
        "window": None if window is None else parse_window(window),
        "cache": cache,
        "interpolate": None if interpolate == 1 else interpolate,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return None
    from seektrack.video import Opening

    return Opening(**given)


def parse_window(text: str) -> tuple[float, float]:
    """Read ``--window LEVEL,WIDTH``.

    Raises:
        InputError: It is not two numbers, or the width is not above 0.
    """
    try:
        level, width = (float(part) for part in text.split(","))
    except ValueError:
        level, width = math.nan, math.nan
    if not (math.isfinite(level) and math.isfinite(width) and width > 0):
        raise InputError(
            f"--window cannot be {text!r}",
            hint="write LEVEL,WIDTH, the width above 0: 40,400 for soft tissue, -600,1500 for lungs",
        )
    return level, width
