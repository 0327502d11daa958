"""``seektrack track`` of a stream: a line of JSON for every frame, at the stream's pace."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seektrack.cli.common import Screen
from seektrack.errors import InputError
from seektrack.query import Query
from seektrack.types import Prompt, Tracks, VideoInfo

if TYPE_CHECKING:
    from seektrack.pipeline import LiveResult, LiveTracking
    from seektrack.tracking import FollowSettings
    from seektrack.video import Opening

Live = Annotated[
    bool,
    typer.Option(
        "--live",
        help="Follow at the video's own pace, as a stream is without being told: a line of JSON a frame.",
    ),
]
Patience = Annotated[
    float,
    typer.Option(
        "--patience", min=0, help="Of a stream: seconds to try to open it again where it broke off."
    ),
]
Send = Annotated[
    str | None,
    typer.Option(
        "--send",
        metavar="ADDRESS",
        help="Of a stream: send the overlay on, to rtsp://, rtmp://, srt://, udp:// or tcp://.",
    ),
]


@dataclass(frozen=True)
class StreamAsked:
    """What is done with a stream.

    Attributes:
        query, prompts: What is followed.
        model, device, settings, templates: How.
        opening, filters: How pictures are read, and what is done to them first.
        out: Folder of the overlay, or None.
        render: How the overlay is drawn; True the usual way.
        send: Where the overlay is sent, or None.
        patience_s: How long a stream may be away.
        for_s: Seconds of the stream after which it ends; None follows to its end.
    """

    query: Query | None
    prompts: Sequence[Prompt]
    model: Any
    device: str | None
    settings: FollowSettings | None
    templates: dict[str, Any]
    opening: Opening
    filters: str | None
    out: Path | None
    render: bool | str
    send: str | None
    patience_s: float
    for_s: float | None


def is_stream(videos: Sequence[str], *, bounded: bool, live: bool) -> bool:
    """Whether what is named is followed as it comes.

    Args:
        videos: What was named.
        bounded: Whether a piece was asked for, by ``--end`` or ``--frames``.
        live: Whether ``--live`` was given.

    Raises:
        InputError: Several are named, and one is a stream.
    """
    from seektrack.video.live import is_camera
    from seektrack.video.network import as_name, is_address, is_endless

    def streams(name: str) -> bool:
        if name == "-" or (is_camera(name) and not os.path.lexists(name)):
            return True
        address = as_name(name)
        if not is_address(address):
            return False
        web = address.lower().startswith(("http://", "https://"))
        return is_endless(address) if web else True

    if len(videos) != 1:
        if live or "-" in videos:
            raise InputError("one stream is followed at a time", hint="name one")
        return False
    return live or videos[0] == "-" or (not bounded and streams(videos[0]))


def check_streamed(**given: object) -> None:
    """Refuse what does not go with a stream.

    Raises:
        InputError: Something does not.
    """
    for name, value in given.items():
        if value:
            told = "--end or --frames, without --live, records a piece of it and follows that"
            if name == "format":
                told = f"keep its lines, which are json-frames and are read back as tracks; or {told}"
            raise InputError(
                f"--{name.replace('_', '-')} does not go with a stream that is followed as it comes",
                hint=told,
            )


def follow_stream(screen: Screen, source: str, asked: StreamAsked) -> None:
    """Follow a stream to its end, or until interrupted; tell every frame, and at the end how it kept up."""
    from seektrack.outputs.anomaly_entries import anomaly_to_dict
    from seektrack.outputs.native import frame_entry
    from seektrack.pipeline import track_live

    if asked.send is not None:
        from seektrack.video.sending import check_stream_address

        check_stream_address(asked.send)
        if asked.render == "cut-out":
            raise InputError(
                "--send carries no transparency, which --render cut-out needs", hint="take --render matte"
            )
    tracking = track_live(
        source,
        asked.query,
        prompts=asked.prompts or None,
        model=asked.model,
        device=asked.device,
        opening=asked.opening,
        filters=asked.filters,
        settings=asked.settings,
        patience_s=asked.patience_s,
        **asked.templates,
    )
    began = time.monotonic()
    try:
        with tracking, ExitStack() as stack:
            draw = _drawing(stack, asked, tracking, source)
            for result in tracking:
                if asked.for_s is not None and result.frame.time_s >= asked.for_s:
                    break
                if draw is not None:
                    draw(result)
                line = frame_entry(result.frame.index, round(result.frame.time_s, 6), result.objects)
                line["latency_s"] = round(result.latency_s, 4)
                line["dropped"] = result.dropped
                if result.anomalies:
                    line["anomalies"] = [anomaly_to_dict(anomaly) for anomaly in result.anomalies]
                if result.notes:
                    line["notes"] = list(result.notes)
                    screen.note(f"{result.frame.time_s:.1f} s: {', '.join(result.notes)}")
                screen.line(line)
    finally:  # told too when the stream breaks off or is interrupted
        p50, p95 = tracking.latency_s(0.5), tracking.latency_s(0.95)
        screen.note(
            f"{tracking.seen} pictures followed in {time.monotonic() - began:.1f} s, "
            f"{tracking.dropped} dropped, {tracking.restarts} restarts; "
            f"latency p50 {p50:.3f} s, p95 {p95:.3f} s"
        )


def _drawing(stack: ExitStack, asked: StreamAsked, tracking: LiveTracking, source: str) -> Any:
    """What draws a result into the overlay's file and stream; None where neither is asked for."""
    from seektrack.outputs.overlay import OverlayStyle, draw_overlay, overlay_style, trails_at
    from seektrack.outputs.warned import draw_warnings
    from seektrack.video import VideoWriter
    from seektrack.video.sending import PictureSender

    if asked.out is None and asked.send is None:
        return None
    style = overlay_style(asked.render) or OverlayStyle()
    height, width = tracking.hw
    rate = Fraction(tracking.fps).limit_denominator(1001) or Fraction(tracking.fps)
    writer = sender = None
    if asked.out is not None:
        path = asked.out / style.filename
        files = (source,) if os.path.isfile(source) else ()
        writer = stack.enter_context(
            _Kept(
                VideoWriter(
                    path,
                    width=width,
                    height=height,
                    fps=rate,
                    preset="ultrafast",
                    sources=files,
                    alpha=style.render == "cut-out",
                )
            )
        )
    if asked.send is not None:
        sender = stack.enter_context(PictureSender(asked.send, width=width, height=height, fps=rate))
    info = VideoInfo(source, width, height, rate)
    drawn_on = style.render in ("auto", "fill", "outline")

    def draw(result: LiveResult) -> None:
        frame = result.frame
        tracks = Tracks(info, "", tuple(t for t, _ in result.objects), anomalies=result.anomalies)
        trails = trails_at(tracks, frame.time_s) if drawn_on else None
        picture = draw_overlay(frame.image, result.objects, trails=trails, style=style)
        if drawn_on:
            draw_warnings(picture, tracks, frame.index, frame.time_s)
        if writer is not None:
            writer.write(picture, frame.timestamp)
        if sender is not None:
            sender.send(picture, frame.time_s)

    return draw


class _Kept:
    """A writer whose file is kept also when a stream is interrupted or breaks off, which is how they end."""

    def __init__(self, writer: Any) -> None:
        self._writer, self._written = writer, 0

    def __enter__(self) -> _Kept:
        self._writer.__enter__()
        return self

    def write(self, picture: Any, timestamp: Fraction) -> None:
        self._writer.write(picture, timestamp)
        self._written += 1

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        kept = kind is None or (self._written and issubclass(kind, (KeyboardInterrupt, Exception)))
        self._writer.__exit__(*((None, None, None) if kept else (kind, error, trace)))
