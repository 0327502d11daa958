"""``seektrack track``: text or hand prompts to masks and tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seektrack import defaults
from seektrack.cli.common import (
    AsJson,
    Device,
    FrameFilter,
    LibraryModel,
    Quiet,
    Runtime,
    Screen,
    placed,
    spare_threads,
)
from seektrack.cli.early import check_library, check_there
from seektrack.cli.engine import (
    Amodal,
    Every,
    Exclusive,
    FlowMethod,
    Fuse,
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
from seektrack.cli.report_options import RenderMode, ReportFile, check_report
from seektrack.cli.search_options import (
    EndS,
    Explain,
    StartS,
    Template,
    Translate,
    given_templates,
    tell_reading,
    with_reading,
)
from seektrack.cli.session_options import (
    Corrections,
    Edits,
    SessionFile,
    TracksFile,
    Undo,
    check_session,
    parse_corrections,
    parse_edits,
)
from seektrack.cli.sessions import SessionWork
from seektrack.cli.source_options import Cache, Fps, Interpolate, MaxFrames, Window, opening
from seektrack.cli.telling import damage_told_later
from seektrack.cli.track_options import (
    Anomalies,
    DepthFrom,
    DetectionsFile,
    GrounderName,
    GroundEvery,
    Masks,
    MinConfidence,
    Pieces,
    Tile,
    TrackerName,
    check_pieces,
    check_together,
    with_names,
)
from seektrack.cli.track_runs import Asked, follow_in_library, follow_in_session, follow_many, follow_one
from seektrack.cli.track_stream import (
    Live,
    Patience,
    Send,
    StreamAsked,
    check_streamed,
    follow_stream,
    is_stream,
)
from seektrack.cli.tracked import (
    exit_status,
    print_done,
    say_done,
    write_page,
)
from seektrack.cli.values import RENDERS, check_value, complete_format
from seektrack.cli.values import formats as known_formats
from seektrack.cli.worker_options import RayAddress, WorkerCount, working
from seektrack.errors import InputError, NothingFoundError
from seektrack.library.made_with import model_for
from seektrack.missed import furthest
from seektrack.pipeline.follow_words import FollowWords
from seektrack.query import Query, read, shown
from seektrack.types import Missed

if TYPE_CHECKING:
    pass


def track(
    video: Annotated[
        list[str] | None,
        typer.Argument(
            help="The video: a file, an address, a camera's number, a folder of images, a scan. Several, or "
            "a folder of videos, are followed one after another. Leave it out to search a --library.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", "-t", help="What to follow, in words; may be given more than once."),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option("--point", metavar="X,Y[,LABEL]@FRAME[#ID]", help=f"A click: {POINT_FORM}."),
    ] = None,
    box: Annotated[
        list[str] | None, typer.Option("--box", metavar="X0,Y0,X1,Y1@FRAME[#ID]", help=f"A box: {BOX_FORM}.")
    ] = None,
    prompts_file: PromptsFile = None,
    detections: DetectionsFile = None,
    masks: Masks = False,
    session: SessionFile = None,
    tracks: TracksFile = None,
    correct: Corrections = None,
    edit: Edits = None,
    undo: Undo = 0,
    library: Annotated[
        Path | None,
        typer.Option(
            "--library",
            "-l",
            help="Follow --text in the best moments of this library; a folder or an address.",
            callback=placed,
        ),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", min=1, help="With --library: in this many videos.")
    ] = defaults.TOP,
    start: StartS = None,
    end: EndS = None,
    frames: MaxFrames = None,
    fps: Fps = None,
    window: Window = None,
    interpolate: Interpolate = 1,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for the results; of several videos, one folder each in it."),
    ] = Path("tracks"),
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            help="A file format to write; may be given more than once. By default: "
            + ", ".join(defaults.FORMATS)
            + ".",
            autocompletion=complete_format,
        ),
    ] = None,
    no_overlay: Annotated[bool, typer.Option("--no-overlay", help="Write no overlay video.")] = False,
    render: RenderMode = "auto",
    report: ReportFile = None,
    anomalies: Anomalies = "repair",
    depth: DepthFrom = None,
    follow_live: Live = False,
    patience: Patience = 15.0,
    send: Send = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Of several videos: follow again what an earlier run has done.")
    ] = False,
    grounder: GrounderName = None,
    min_confidence: MinConfidence = None,
    tracker: TrackerName = None,
    ground_every: GroundEvery = None,
    resolution: Resolution = None,
    propagation: Propagation = None,
    every: Every = defaults.EVERY,
    flow: FlowMethod = defaults.FLOW,
    remember: RememberFrames = defaults.REMEMBER,
    refine: Refine = None,
    post: Post = defaults.POST,
    mask_threshold: MaskThreshold = 0.0,
    min_object_score: MinObjectScore = None,
    exclusive: Exclusive = False,
    fuse: Fuse = 0,
    amodal: Amodal = False,
    predictor: Predictor = defaults.PREDICTOR,
    precision: Precision = "fp32",
    cache: Cache = None,
    filters: FrameFilter = None,
    template: Template = None,
    translate: Translate = None,
    explain: Explain = False,
    pieces: Pieces = None,
    tile: Tile = None,
    workers: WorkerCount = None,
    ray: RayAddress = None,
    model: LibraryModel = None,
    device: Device = None,
    runtime: Runtime = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Follow what the text says, or what you point at, through a video: masks, tracks and an overlay.

    Without #ID all points mean one object and each box an object of its own. Of several videos, one that
    fails is reported and the rest goes on, and the same command goes on where an interrupted one stopped;
    the exit status is then 10 and the number that failed, 99 at most.
    """
    videos = tuple(video or ())
    prompts = given_prompts(point or (), box or (), prompts_file, videos[0] if len(videos) == 1 else None)
    asks = text is not None or bool(prompts) or detections is not None
    check_session(
        session,
        videos=videos,
        asks=asks,
        several=bool(videos) and not _is_one(videos),
        library=library,
        tracks=tracks,
        changes=bool(correct or edit or undo),
    )
    corrections, edits = parse_corrections(correct or ()), parse_edits(edit or ())
    if session is None or asks:
        _check(videos, text, has_prompts=bool(prompts), library=library, detections=detections)
    check_together(
        text, prompts, detections, masks=masks, tracker=tracker, grounder=grounder, every=ground_every
    )
    check_pieces(pieces, tile, one_video=library is None and _is_one(videos), text=text)
    check_report(report)
    check_value("--render", render, RENDERS)
    chosen = tuple(formats) if formats else defaults.FORMATS
    how = opening(
        start=start, end=end, frames=frames, fps=fps, window=window, cache=cache, interpolate=interpolate
    )
    streamed = library is None and is_stream(
        videos, bounded=end is not None or frames is not None, live=follow_live
    )
    if streamed:
        check_streamed(
            detections=detections,
            tracker=tracker,
            start=start,
            frames=frames,
            interpolate=interpolate > 1,
            format=formats,
            report=report,
            session=session,
            pieces=pieces,
            tile=tile,
            workers=workers,
            ray=ray,
        )
    elif library is None:
        check_there(videos)
    else:
        check_library(library)
    _check_names(chosen, filters)
    query = _read(text, translate)
    named = model
    model = model_for(library, model)
    spare_threads(model)
    words = FollowWords(
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
        fuse=fuse,
        amodal=amodal,
        anomalies=anomalies,
        depth=depth,
    )
    settings = follow_settings(words, model=model, device=device)
    settings = with_names(
        settings,
        tracker=tracker,
        ground_every=ground_every,
        grounder=grounder,
        min_confidence=min_confidence,
    )
    screen = Screen(quiet=quiet, as_json=as_json)
    tell_reading(screen, query, (), wanted=explain)
    asked = Asked(
        query,
        prompts,
        model,
        device,
        resolution,
        filters,
        given_templates(template),
        settings,
        out,
        chosen,
        False if no_overlay else render == "auto" or render,
        detections,
        masks,
        report is not None,
        runtime,
    )
    if streamed:
        from seektrack.video import Opening

        how_long = end if follow_live or videos[0] == "-" else None
        folder = None if no_overlay else out
        by_model = asked.by_model()
        follow_stream(
            screen,
            videos[0],
            StreamAsked(query, prompts, by_model["model"], by_model["device"], settings,
                        given_templates(template), replace(how or Opening(), end_s=None), filters, folder,
                        render == "auto" or render, send, patience, how_long),
        )  # fmt: skip
        return
    alone = library is None and pieces is None and tile is None and _is_one(videos)  # nothing to share
    with damage_told_later(), working(None if alone else workers, None if alone else ray) as shared:
        if session is not None:
            work = SessionWork(
                session,
                videos[0] if videos else None,
                query,
                prompts,
                asked.models,
                named,
                device,
                settings,
                how,
                filters,
                asked.templates,
                tracks,
                corrections,
                edits,
                undo,
            )
            done = [follow_in_session(screen, work, asked, how)]
        elif library is not None:
            done = follow_in_library(screen, library, asked, how, top=top, workers=shared)
        elif _is_one(videos):
            done = [follow_one(screen, videos[0], asked, how, pieces=pieces, tile=tile, workers=shared)]
        else:
            done = follow_many(screen, videos, asked, how, fresh=fresh, workers=shared)
    notices = tuple(dict.fromkeys(notice for one in done for notice in one.remarks.notices))
    tell_reading(screen, None, notices, wanted=False)
    told = [one.to_dict() for one in done]
    value = with_reading(told, query, notices) if explain else told
    screen.result(value, lambda console: print_done(console, done))
    write_page(screen, report, query, done)
    say_done(screen, done)
    status = exit_status(done)
    if status:
        raise typer.Exit(status)
    if not any(one.found for one in done):
        raise _nothing(
            library or ", ".join(videos) or str(session),
            query,
            [why for one in done for why in one.remarks.missed],
        )
    if any(one.found and one.remarks.domain == "outside" for one in done):
        screen.warn_unknown("what was followed", model)


def _is_one(videos: Sequence[str]) -> bool:
    """Whether one video is named, and not several or a folder of them."""
    if len(videos) != 1 or not Path(videos[0]).is_dir():
        return len(videos) == 1
    from seektrack.video import find_videos

    return find_videos(videos) in ([], [Path(videos[0])])


def _check_names(formats: Sequence[str], filters: str | None) -> None:
    """Refuse a format or filter that is unknown.

    Raises:
        InputError: One is.
    """
    for name in formats:
        check_value("--format", name, known_formats())
    if filters is not None:
        from seektrack.video.filters import parse_filter

        parse_filter(filters)


def _read(text: list[str] | None, translate: str | None) -> Query | None:
    """What --text asks for, several of them together."""
    if not text:
        return None
    if translate is None:
        return read(text)
    from seektrack.encoders.translation import as_translator

    return read(text, translate=as_translator(translate))


def _check(
    videos: Sequence[str],
    text: list[str] | None,
    *,
    has_prompts: bool,
    library: Path | None,
    detections: Path | None,
) -> None:
    if not videos and library is None:
        raise InputError("no video given", hint="name a video, or a --library to search with --text")
    if videos and library is not None:
        raise InputError("both a video and a --library given", hint="give one of them")
    if detections is not None and not _is_one(videos):
        raise InputError("--detections goes with one video, the one they lie in", hint="name that video")
    if text is None and not has_prompts and detections is None:
        raise InputError(
            "nothing to follow given",
            hint="say it with --text, show it with --point, --box or --prompts, or give --detections",
        )
    if text is not None and has_prompts:
        raise InputError("both --text and --point/--box/--prompts given", hint="give one of them")
    if not videos and has_prompts:
        raise InputError("--point, --box and --prompts need a video", hint="name the video they lie in")


def _gone(library: Path) -> int:
    """Videos of a library whose files are gone."""
    from seektrack.pipeline import Library

    with Library(library) as opened:
        return sum(not video.available for video in opened.videos())


def _nothing(where: Path | str, text: Query | None, missed: Sequence[Missed]) -> NothingFoundError:
    what = "what was pointed at" if text is None else shown(text.typed)
    by_hand = "point at another part of the object, give a second --point, or draw a --box around it"
    message = f"found nothing to follow as {what} in {where}"
    if text is not None and isinstance(where, Path) and (gone := _gone(where)):
        films = "1 video whose file is gone" if gone == 1 else f"{gone} videos whose files are gone"
        return NothingFoundError(message, hint=f"{films} cannot be followed; bring them back, or index again")
    if text is None or not missed:
        return NothingFoundError(message, hint=by_hand if text is None else "take another --model")
    why = furthest(missed)
    return NothingFoundError(f"{message}: {why.reason}", hint=why.hint)
