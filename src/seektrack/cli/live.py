"""``seektrack live``: standing queries over a stream."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from seektrack import defaults
from seektrack.cli.common import AsJson, Device, FrameFilter, Model, Quiet, Screen, spare_threads
from seektrack.cli.early import check_there
from seektrack.cli.search_options import Template, Translate, given_templates, tell_reading
from seektrack.cli.source_options import Fps, Interpolate, Window, opening
from seektrack.cli.values import REGIONS, SAMPLING, check_value, completing


def live(
    source: Annotated[
        str,
        typer.Argument(
            help="A camera's number, an address (rtsp://, http://…), a file, a folder of images, a scan."
        ),
    ],
    query: Annotated[
        list[str], typer.Option("--query", help="What to watch for; may be given more than once.")
    ],
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            min=0,
            max=1,
            help="Tell what is believed this much; what the model's calibration says when left out.",
        ),
    ] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Play what is no stream at its own pace, like a camera.")
    ] = False,
    sampling: Annotated[
        str,
        typer.Option(
            help="Pictures to look at, at most: fps=4, every=5, keyframes or adaptive.",
            autocompletion=completing(SAMPLING),
        ),
    ] = defaults.LIVE_SAMPLING,
    regions: Annotated[
        str,
        typer.Option(
            help="What of a frame besides the whole: tiles, objects or none.",
            autocompletion=completing(REGIONS),
        ),
    ] = defaults.LIVE_REGIONS,
    filters: FrameFilter = None,
    fps: Fps = None,
    window: Window = None,
    interpolate: Interpolate = 1,
    repeat_s: Annotated[
        float | None, typer.Option("--repeat", min=0, help="Tell again after so many seconds while it stays.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Save the frame of each alert as JPEG in this folder.")
    ] = None,
    for_s: Annotated[
        float | None, typer.Option("--for", min=0, help="Stop after so many seconds of the stream.")
    ] = None,
    template: Template = None,
    translate: Translate = None,
    model: Model = defaults.MODEL,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Watch a stream for texts; print one JSON line whenever one begins to show.

    Pictures that come while one is looked at are dropped, so alerts are about now. A file is read through
    without dropping any, unless --realtime.
    """
    check_value("--regions", regions, REGIONS)
    check_there([source])
    how = opening(fps=fps, window=window, interpolate=interpolate)
    spare_threads(model)
    from seektrack.pipeline import watch
    from seektrack.retrieval.export import save_jpeg
    from seektrack.retrieval.live import WatchSettings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = WatchSettings(threshold=threshold, repeat_s=repeat_s)
    watching = watch(
        source,
        query,
        model=model,
        device=device,
        regions=regions,
        sampling=sampling,
        filters=filters,
        opening=how,
        realtime=realtime,
        translate=translate,
        **given_templates(template),
        settings=settings,
        end_s=for_s,
    )
    tell_reading(screen, None, watching.notices, wanted=False)
    began, warned = time.monotonic(), False
    try:
        with watching:
            for alert in watching:
                if alert.domain == "outside" and not warned:
                    screen.warn_unknown(source, model)
                    warned = True
                line = alert.to_dict()
                if save is not None:
                    number = alert.number + 1
                    file = save / f"{alert.frame.index:08d}-query{number}.jpg"
                    save_jpeg(alert.frame.image, file)
                    line["saved"] = str(file)
                screen.line(line)
    finally:  # told too when the stream breaks off or is interrupted
        latencies = sorted(watching.latencies_s) or [0.0]
        took = time.monotonic() - began
        screen.note(
            f"{watching.seen} pictures looked at in {took:.1f} s, {watching.dropped} dropped; "
            f"latency {median(latencies):.3f} s, at most {latencies[-1]:.3f} s"
        )
