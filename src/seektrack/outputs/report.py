"""A page a person can open: moments, tracks, timelines, paths and figures, in one HTML file.

Nothing is loaded from elsewhere: pictures are inside, and so are overlay videos small enough; larger ones
are linked beside the page.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from seektrack import files
from seektrack.errors import InputError
from seektrack.known import WARNING, Known
from seektrack.outputs import charts
from seektrack.types import Tracks

if TYPE_CHECKING:
    import jinja2

Image = NDArray[np.uint8]

EMBED_BYTES = 1_500_000
"""Largest overlay video put inside the page."""

_THUMBNAIL_WIDTH = 480
_BACKDROP_WIDTH = 960
_JPEG_QUALITY = 84
_CONFIDENT, _UNSURE = 0.75, 0.4


@dataclass(frozen=True, eq=False)
class MomentCard:
    """A stretch of video that answers a query, with the frame that says it best.

    Attributes:
        video: Its name, for people.
        start_s, end_s: Seconds.
        confidence: In [0, 1].
        key_frame: uint8 (H, W, 3) RGB, or None where its video is gone.
        key_time_s: Seconds of the key frame, or None.
        domain: Whether the encoder was shown frames like it; ``outside``, the confidence is unknown.
    """

    video: str
    start_s: float
    end_s: float
    confidence: float
    key_frame: Image | None
    key_time_s: float | None = None
    domain: Known = "unmeasured"


@dataclass(frozen=True, eq=False)
class TrackedVideo:
    """What was followed through one video.

    Attributes:
        title: Its name, for people.
        tracks: What was found.
        overlay: The overlay video, or None.
        backdrop: uint8 (H, W, 3) RGB shown behind the paths, or None.
        exports: Files to link, by the name to show.
    """

    title: str
    tracks: Tracks
    overlay: Path | None = None
    backdrop: Image | None = None
    exports: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class QuerySection:
    """One query and its answer.

    Attributes:
        text: What was asked.
        moments: Best first; empty when nothing matches.
        videos: What was followed.
        note: A sentence to add, or empty.
        reading: How the query was read, a line for each fact.
    """

    text: str
    moments: tuple[MomentCard, ...] = ()
    videos: tuple[TrackedVideo, ...] = ()
    note: str = ""
    reading: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        name: What was measured.
        value: The number.
        about: One line on how to read it, or empty.
        unit: After the number, or empty.
        full: The value that fills the bar; None draws no bar.
        digits: Decimals to show.
        said: What to show instead of the number, or empty.
    """

    name: str
    value: float
    about: str = ""
    unit: str = ""
    full: float | None = 1.0
    digits: int = 3
    said: str = ""

    @property
    def text(self) -> str:
        """The number as shown."""
        if self.said:
            return self.said
        if self.value != self.value:
            return "n/a"
        return f"{self.value:,.{self.digits}f}" + (f" {self.unit}" if self.unit else "")

    @property
    def percent(self) -> float | None:
        """How much of the bar is filled, or None for no bar."""
        if not self.full or self.value != self.value:
            return None
        return round(100 * min(max(self.value / self.full, 0.0), 1.0), 2)


@dataclass(frozen=True)
class FigureTable:
    """Measured numbers that belong together, and what they were measured on."""

    title: str
    figures: tuple[Figure, ...]
    about: str = ""


@dataclass(frozen=True)
class ReportPage:
    """Everything on the page.

    Attributes:
        title, subtitle: Of the page.
        queries: In the order asked.
        figures: Tables of measured numbers.
        facts: Short facts for the head, as ``(what, value)``.
        footer: The last line.
    """

    title: str
    subtitle: str = ""
    queries: tuple[QuerySection, ...] = ()
    figures: tuple[FigureTable, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    footer: str = ""


def write_report(path: str | Path, page: ReportPage, *, embed_bytes: int = EMBED_BYTES) -> Path:
    """Write the page.

    Args:
        path: The HTML file.
        page: What it shows.
        embed_bytes: Overlay videos up to this size go inside; larger ones are linked relative to the page.

    Returns:
        The path written.

    Raises:
        InputError: An overlay or export to link does not exist, or a picture is not uint8 (H, W, 3).
        OutputError: The file cannot be written.
    """
    target = Path(path)
    queries = [_query(n, q, target, embed_bytes) for n, q in enumerate(page.queries, start=1)]
    html = _template().render(page=page, queries=queries, warning=WARNING)
    files.write_text(target, html)
    return target


def _query(number: int, query: QuerySection, page: Path, embed_bytes: int) -> dict[str, object]:
    videos = [
        {
            "id": f"q{number}v{n}",
            "title": v.title,
            "hw": v.tracks.video.hw,
            "timeline": charts.timeline(v.tracks),
            "trajectories": charts.trajectories(v.tracks),
            "anomalies": v.tracks.anomalies,
            "video_url": _video_url(v.overlay, page, embed_bytes),
            "backdrop_url": None if v.backdrop is None else _jpeg_url(v.backdrop, _BACKDROP_WIDTH),
            "exports": [(name, _link(file, page)) for name, file in v.exports.items()],
        }
        for n, v in enumerate(query.videos, start=1)
    ]
    moments = [
        {
            "card": m,
            "url": None if m.key_frame is None else _jpeg_url(m.key_frame, _THUMBNAIL_WIDTH),
            "level": _level(m.confidence),
        }
        for m in query.moments
    ]
    shown = {"text": query.text, "note": query.note, "reading": query.reading}
    return {"id": f"q{number}", **shown, "moments": moments, "videos": videos}


def _level(confidence: float) -> str:
    return "high" if confidence >= _CONFIDENT else "medium" if confidence >= _UNSURE else "low"


def _video_url(file: Path | None, page: Path, embed_bytes: int) -> str | None:
    if file is None:
        return None
    link = _link(file, page)
    if file.stat().st_size > embed_bytes:
        return link
    return "data:video/mp4;base64," + base64.b64encode(file.read_bytes()).decode("ascii")


def _link(file: Path, page: Path) -> str:
    if not file.exists():
        raise InputError(f"the report links {file}, which does not exist", hint="write it before the report")
    relative = os.path.relpath(file.resolve(), page.parent.resolve())
    return quote(Path(relative).as_posix())


def _jpeg_url(image: Image, width: int) -> str:
    import cv2

    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(f"a picture must be uint8 (H, W, 3), got {image.dtype} {image.shape}")
    scale = min(1.0, width / image.shape[1])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["clock"] = charts.clock
    environment.filters["duration"] = charts.duration
    return environment.get_template("report.html.j2")
