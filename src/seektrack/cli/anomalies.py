"""``seektrack anomalies``: where tracks of any kind are likely wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seektrack.cli.common import AsJson, Quiet, Screen
from seektrack.cli.values import complete_format

_MOST = 1000


def anomalies(
    result: Annotated[Path, typer.Argument(metavar="TRACKS", help="Tracks: a file or folder of any format.")],
    video: Annotated[
        Path | None,
        typer.Option("--video", help="The video they lie in; the one TRACKS names when left out."),
    ] = None,
    from_format: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Format of TRACKS; recognised from it when left out.",
            autocompletion=complete_format,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write the tracks with what was found, swaps and drifts that are proven put right, as JSON.",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Tell where tracks are likely wrong: lost, swapped, no object, impossible motion, odd looks, drift.

    Without the video they are judged by their paths alone: neither looks, nor drift, nor what is no object.
    """
    from seektrack.cli.tracked import print_anomalies
    from seektrack.outputs import load_tracks, save_tracks
    from seektrack.outputs.anomaly_entries import anomaly_to_dict
    from seektrack.tracking import tell_on
    from seektrack.video import open_video

    screen = Screen(quiet=quiet, as_json=as_json)
    tracks = load_tracks(result, from_format)
    path = video or Path(tracks.video.path)
    if video is None and not path.is_file():
        screen.warn(f"{path} is not here: tracks are judged by their paths alone; --video names the video")
        told = tell_on(tracks, repair=out is not None)
    else:
        with open_video(path) as source:
            told = tell_on(tracks, source, repair=out is not None)
    if out is not None:
        save_tracks(told, out, "json")
    value = [anomaly_to_dict(anomaly) for anomaly in told.anomalies]
    screen.result(value, lambda console: print_anomalies(console, told.anomalies, most=_MOST))
    if not told.anomalies:
        screen.note("nothing seems wrong")
    if out is not None:
        screen.note(f"written: {out}")
