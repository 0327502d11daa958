"""``seektrack track``: text or hand prompts to masks and tracks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from seektrack.cli.common import (
    AsJson,
    Device,
    FrameFilter,
    Model,
    Quiet,
    Screen,
    clock,
    spare_threads,
    table,
)
from seektrack.cli.engine import (
    Every,
    Exclusive,
    FlowMethod,
    MaskThreshold,
    MinObjectScore,
    Post,
    Precision,
    Predictor,
    Propagation,
    Refine,
    RememberFrames,
    Resolution,
    follow_settings,
)
from seektrack.cli.prompts import BOX_FORM, POINT_FORM, PromptsFile, given_prompts
from seektrack.cli.search_options import EndS, StartS
from seektrack.errors import InputError, NothingFoundError
from seektrack.types import Tracks

if TYPE_CHECKING:
    from seektrack.pipeline.models import Models

DEFAULT_FORMATS = ("json", "mot", "coco", "csv")


def track(
    video: Annotated[
        Path | None,
        typer.Argument(help="The video; leave it out to search a whole --library.", show_default=False),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", "-t", help="What to follow, in words.")] = None,
    point: Annotated[
        list[str] | None,
        typer.Option("--point", metavar="X,Y[,LABEL]@FRAME[#ID]", help=f"A click: {POINT_FORM}."),
    ] = None,
    box: Annotated[
        list[str] | None, typer.Option("--box", metavar="X0,Y0,X1,Y1@FRAME[#ID]", help=f"A box: {BOX_FORM}.")
    ] = None,
    prompts_file: PromptsFile = None,
    library: Annotated[
        Path | None,
        typer.Option("--library", "-l", help="Follow --text in the best moments of this library."),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="With --library: in this many videos.")] = 3,
    start: StartS = None,
    end: EndS = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("tracks"),
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            help="A file format to write; may be given more than once. By default: "
            + ", ".join(DEFAULT_FORMATS)
            + ".",
        ),
    ] = None,
    no_overlay: Annotated[bool, typer.Option("--no-overlay", help="Write no overlay video.")] = False,
    resolution: Resolution = None,
    propagation: Propagation = "memory",
    every: Every = 4,
    flow: FlowMethod = "dis",
    remember: RememberFrames = "seen",
    refine: Refine = None,
    post: Post = "",
    mask_threshold: MaskThreshold = 0.0,
    min_object_score: MinObjectScore = None,
    exclusive: Exclusive = False,
    predictor: Predictor = "kalman",
    precision: Precision = "fp32",
    cache: Annotated[
        str | None,
        typer.Option(
            "--cache",
            help="Decode each frame once into a temporary file: raw (exact) or jpeg (small). For videos that "
            "are slow to go through backwards.",
        ),
    ] = None,
    filters: FrameFilter = None,
    model: Model = "pocket",
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Follow what the text says, or what you point at, through a video: masks, tracks and an overlay.

    Without #ID all points mean one object and each box an object of its own.
    """
    prompts = given_prompts(point or (), box or (), prompts_file, video)
    _check(video, text, has_prompts=bool(prompts), library=library)
    spare_threads(model)
    from seektrack.pipeline import Library, search_and_track, track_objects

    settings = follow_settings(
        propagation=propagation,
        every=every,
        flow=flow,
        remember=remember,
        refine=refine,
        post=post,
        mask_threshold=mask_threshold,
        min_object_score=min_object_score,
        exclusive=exclusive,
        predictor=predictor,
        precision=precision,
    )
    screen = Screen(quiet=quiet, as_json=as_json)
    chosen = tuple(formats) if formats else DEFAULT_FORMATS
    overlay = not no_overlay
    found: list[Tracks] = []
    with screen.progress() as progress:
        if video is not None:
            tracks = track_objects(
                video,
                text,
                prompts=prompts or None,
                model=_at(model, device, resolution),
                device=device,
                start_s=start,
                end_s=end,
                cache=cache,
                filters=filters,
                out=out,
                formats=chosen,
                overlay=overlay,
                progress=progress,
                settings=settings,
            )
            found.append(tracks)
        elif library is not None and text is not None:
            with Library(library, model=model, device=device) as opened:
                if resolution is not None:
                    opened.models.resolution = resolution
                results = search_and_track(
                    opened,
                    text,
                    top=top,
                    cache=cache,
                    filters=filters,
                    out=out,
                    formats=chosen,
                    overlay=overlay,
                    progress=progress,
                    settings=settings,
                )
            found.extend(one.tracks for one in results)

    screen.result([_summary(tracks) for tracks in found], lambda console: _print(console, found))
    if not any(len(tracks) for tracks in found):
        raise _nothing(video or library, text)
    screen.note(f"written to {out}/")


def _at(model: str, device: str | None, resolution: int | None) -> str | Models:
    """The model, at a resolution of its own where one is asked for."""
    if resolution is None:
        return model
    from seektrack.pipeline.models import Models

    return Models(model, device=device, resolution=resolution)


def _check(video: Path | None, text: str | None, *, has_prompts: bool, library: Path | None) -> None:
    if video is None and library is None:
        raise InputError("no video given", hint="name a video, or a --library to search with --text")
    if video is not None and library is not None:
        raise InputError("both a video and a --library given", hint="give one of them")
    if text is None and not has_prompts:
        raise InputError(
            "nothing to follow given", hint="say it with --text, or show it with --point, --box or --prompts"
        )
    if text is not None and has_prompts:
        raise InputError("both --text and --point/--box/--prompts given", hint="give one of them")
    if video is None and has_prompts:
        raise InputError("--point, --box and --prompts need a video", hint="name the video they lie in")


def _nothing(where: Path | None, text: str | None) -> NothingFoundError:
    what = "what was pointed at" if text is None else repr(text)
    by_hand = "point at another part of the object, give a second --point, or draw a --box around it"
    hint = by_hand if text is None else "say it in other words"
    return NothingFoundError(f"found nothing to follow as {what} in {where}", hint=hint)


def _summary(tracks: Tracks) -> dict[str, object]:
    """What of the tracks goes to standard output; the files written hold all of it."""
    return {
        "video": tracks.video.path,
        "query": tracks.query,
        "frames": len(tracks.frame_times),
        "tracks": [
            {
                "obj_id": t.obj_id,
                "label": t.label,
                "score": t.score,
                "first_s": t.observations[0].time_s,
                "last_s": t.observations[-1].time_s,
                "frames": len(t),
                "visible_frames": sum(o.visible for o in t.observations),
            }
            for t in tracks
            if t.observations
        ],
    }


def _print(console: Console, found: list[Tracks]) -> None:
    for tracks in found:
        count = f"{len(tracks)} track" + ("" if len(tracks) == 1 else "s")
        console.print(f"{tracks.video.path}: {count} over {len(tracks.frame_times)} frames")
        shown = table("id", "label", "score", "seen", "frames", right=("id", "score", "frames"))
        for t in tracks:
            if t.observations:
                seen = f"{clock(t.observations[0].time_s)} – {clock(t.observations[-1].time_s)}"
                shown.add_row(str(t.obj_id), t.label, f"{t.score:.2f}", seen, str(len(t)))
        if shown.row_count:
            console.print(shown)
