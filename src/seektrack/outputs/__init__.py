"""What a person or another program takes away: files of tracks and masks, overlay videos, the report."""

from seektrack.outputs.convert import convert, retimed
from seektrack.outputs.dataframes import to_dataframe
from seektrack.outputs.events import Event, events
from seektrack.outputs.logs import LOGS, Log, save_log
from seektrack.outputs.motion import mean_speed, velocities
from seektrack.outputs.overlay import (
    OverlayStyle,
    draw_overlay,
    mark_region,
    overlay_style,
    trails_at,
    write_overlay,
)
from seektrack.outputs.palette import hex_colour, object_colour
from seektrack.outputs.prompts import read_prompts
from seektrack.outputs.recognise import recognise
from seektrack.outputs.registry import FORMATS, Format, load_tracks, save_formats, save_tracks
from seektrack.outputs.render import RENDERS, Render
from seektrack.outputs.report import (
    Figure,
    FigureTable,
    MomentCard,
    QuerySection,
    ReportPage,
    TrackedVideo,
    write_report,
)

__all__ = [
    "Event",
    "FORMATS",
    "Figure",
    "FigureTable",
    "Format",
    "LOGS",
    "Log",
    "MomentCard",
    "OverlayStyle",
    "RENDERS",
    "QuerySection",
    "Render",
    "ReportPage",
    "TrackedVideo",
    "convert",
    "draw_overlay",
    "events",
    "hex_colour",
    "load_tracks",
    "mark_region",
    "mean_speed",
    "object_colour",
    "overlay_style",
    "read_prompts",
    "recognise",
    "retimed",
    "save_formats",
    "save_log",
    "save_tracks",
    "to_dataframe",
    "trails_at",
    "velocities",
    "write_overlay",
    "write_report",
]
