"""What a person or another program takes away: files of tracks and masks, overlay videos, the report."""

from seektrack.outputs.motion import mean_speed, velocities
from seektrack.outputs.registry import FORMATS, Format, load_tracks, save_formats, save_tracks

__all__ = ["FORMATS", "Format", "load_tracks", "mean_speed", "save_formats", "save_tracks", "velocities"]
