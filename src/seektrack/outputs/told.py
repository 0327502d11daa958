"""What a person is told of tracks beside their files: where those are, and each track in a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seektrack import known
from seektrack.outputs.overlay import OverlayStyle, overlay_style
from seektrack.outputs.registry import written_forms
from seektrack.types import Tracks


def written(folder: Path, formats: Iterable[str], *, overlay: bool | str | OverlayStyle) -> dict[str, Path]:
    """What lies in a folder once tracks were written into it, by format; ``overlay`` is the video."""
    forms = written_forms()
    files = {name: folder / forms[name].filename for name in formats}
    style = overlay_style(overlay)
    if style is not None:
        files["overlay"] = folder / style.filename
    return files


def summary(tracks: Tracks) -> list[dict[str, Any]]:
    """What is told of each track that was seen."""
    return [
        {
            "obj_id": t.obj_id,
            "label": t.label,
            "score": known.told(t.score, t.domain),
            **known.fields(t.domain),
            "first_s": t.observations[0].time_s,
            "last_s": t.observations[-1].time_s,
            "frames": len(t),
            "visible_frames": sum(o.visible for o in t.observations),
        }
        for t in tracks
        if t.observations
    ]
