"""What a server followed, brought here."""

from __future__ import annotations

import tempfile
from pathlib import Path

from seektrack.outputs import load_tracks, overlay_style
from seektrack.serving.client_http import Http
from seektrack.types import Tracks


def tracks_of(http: Http, tracks_id: str) -> Tracks:
    """A result, without loss."""
    with tempfile.TemporaryDirectory(prefix="seektrack-") as folder:
        path = Path(folder) / "tracks.json"
        http.save(f"/tracks/{tracks_id}/export", path, format="json")
        return load_tracks(path, "json")


def save_overlay(http: Http, tracks_id: str, folder: Path, overlay: bool | str) -> None:
    """The overlay video of a result, where one was asked for."""
    style = overlay_style(overlay)
    if style is not None:
        http.save(f"/tracks/{tracks_id}/overlay", folder / style.filename, render=style.render)
