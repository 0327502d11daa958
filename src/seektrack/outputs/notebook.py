"""What a notebook shows of results: tables, paths, key frames and clips."""

from __future__ import annotations

import base64
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from seektrack.outputs.optional import needed
from seektrack.outputs.palette import hex_colour
from seektrack.retrieval.clips import write_clip
from seektrack.types import Frame, Moment, Track, Tracks

_WIDTH = 320
_POINTS = 400


def tracks_html(tracks: Tracks) -> str:
    """A table of the tracks, and their paths over the picture's outline."""
    rows = "".join(
        f"<tr><td style='color:{hex_colour(t.obj_id)}'>&#9632;</td>"
        f"<td>{t.obj_id}</td><td>{escape(t.label)}</td>"
        f"<td>{t.score:.2f}</td><td>{t.observations[0].time_s:.2f}–{t.observations[-1].time_s:.2f} s</td>"
        f"<td>{len(t)}</td></tr>"
        for t in tracks
        if t.observations
    )
    count = f"{len(tracks)} track{'' if len(tracks) == 1 else 's'}"
    title = f"{count} in {escape(Path(tracks.video.path).name)}"
    if tracks.query:
        title += f" for “{escape(tracks.query)}”"
    head = "".join(f"<th>{name}</th>" for name in ("", "id", "label", "score", "seen", "frames"))
    return f"<div><b>{title}</b>{_paths(tracks)}<table><tr>{head}</tr>{rows}</table></div>"


def _paths(tracks: Tracks) -> str:
    width, height = tracks.video.width, tracks.video.height
    lines = "".join(
        f"<polyline points='{_points(t)}' fill='none' stroke='{hex_colour(t.obj_id)}' "
        f"stroke-width='{max(width, height) / 160:.1f}' stroke-linecap='round'/>"
        for t in tracks
        if t.observations
    )
    shown = _WIDTH, max(1, round(_WIDTH * height / width))
    return (
        f"<svg width='{shown[0]}' height='{shown[1]}' viewBox='0 0 {width} {height}' "
        f"style='display:block;background:#1116'>{lines}</svg>"
    )


def _points(track: Track) -> str:
    step = max(1, len(track) // _POINTS)
    return " ".join(f"{o.centre[0]:.1f},{o.centre[1]:.1f}" for o in track.observations[::step])


def plot_track(track: Track, ax: Any = None) -> Any:
    """Draw the path of a track's centre, dotted where it is predicted, on matplotlib axes.

    Args:
        track: The track.
        ax: Where to draw; new axes, y downwards, when None.

    Returns:
        The axes.

    Raises:
        InputError: matplotlib is not installed.
    """
    if ax is None:
        _, ax = needed("matplotlib.pyplot", "plot").subplots()
        ax.invert_yaxis()
        ax.set_aspect("equal")
        ax.set_xlabel("x (pixels)")
        ax.set_ylabel("y (pixels)")
    colour = hex_colour(track.obj_id)
    seen = [o for o in track.observations if o.visible]
    hidden = [o for o in track.observations if not o.visible]
    label = f"{track.label} #{track.obj_id}".strip()
    ax.plot([o.centre[0] for o in seen], [o.centre[1] for o in seen], "-", color=colour, label=label)
    if hidden:
        ax.plot([o.centre[0] for o in hidden], [o.centre[1] for o in hidden], ":", color=colour)
    if track.observations:
        ax.plot(*track.observations[-1].centre, "o", color=colour)
    ax.legend()
    return ax


def key_frame(moment: Moment) -> Frame:
    """The picture a moment was found by.

    Raises:
        VideoError: The video is gone or cannot be read.
    """
    from seektrack.video import open_video

    with open_video(moment.video) as source:
        return source.frame_near(moment.key.time_s)


def frame_png(frame: Frame) -> bytes:
    """A frame as PNG."""
    import io

    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(frame.image).save(held, "PNG")
    return held.getvalue()


@dataclass(frozen=True)
class Clip:
    """A stretch of a video, to be shown or saved.

    Attributes:
        video: Path of the video.
        start_s, end_s: Seconds.
    """

    video: str
    start_s: float
    end_s: float

    def save(self, path: str | Path) -> Path:
        """Write it as MP4 with its sound.

        Raises:
            VideoError: The video is gone or cannot be read.
            OutputError: The file cannot be written.
        """
        return write_clip(self.video, self.start_s, self.end_s, path)

    def _repr_html_(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            data = self.save(Path(folder) / "clip.mp4").read_bytes()
        source = base64.b64encode(data).decode("ascii")
        return f"<video controls width='{_WIDTH * 2}' src='data:video/mp4;base64,{source}'></video>"
