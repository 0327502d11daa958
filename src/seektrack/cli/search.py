"""``seektrack search``: text or picture to moments, hits, and chains of moments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from seektrack import defaults, known
from seektrack.cli.common import (
    DEFAULT_LIBRARY,
    AsJson,
    Device,
    LibraryModel,
    Quiet,
    Runtime,
    Screen,
    clock,
    quoted,
    short_path,
    spare_threads,
    table,
)
from seektrack.cli.early import check_library, check_part
from seektrack.cli.editor_options import ClipsDir, EdlFile, OtioFile, VttFile, coded
from seektrack.cli.report_options import ReportFile, check_report
from seektrack.cli.saved import Saved, save_all, save_page
from seektrack.cli.search_options import (
    AnswerIn,
    Count,
    CsvFile,
    EndS,
    Explain,
    FramesDir,
    InVideo,
    Label,
    LibraryFolders,
    MinConfidence,
    Missing,
    Motion,
    Only,
    PerVideo,
    RankBy,
    SheetFile,
    StartS,
    Template,
    Translate,
    Verbatim,
    Within,
    given_templates,
    tell_reading,
    with_reading,
)
from seektrack.cli.shown import one_line
from seektrack.cli.values import ONLY, RANK_BY, check_value
from seektrack.errors import InputError, NothingFoundError, VideoError
from seektrack.library.made_with import model_for
from seektrack.query import Query, read, shown
from seektrack.types import Hit, Moment

if TYPE_CHECKING:
    from seektrack.pipeline import Library, Shards
    from seektrack.pipeline.answer import Answer


def search(
    text: Annotated[
        str | None,
        typer.Argument(
            help='What to look for, in words. Weights "(black:1.5)", exclusions "-night" or "without dogs", '
            'several things "a dog; a bus" and an order "a car appears -> a dog leaves" are understood.'
        ),
    ] = None,
    library: LibraryFolders = [DEFAULT_LIBRARY],  # noqa: B006  # typer's own default, never changed
    timeout_s: AnswerIn = None,
    k: Count = defaults.K,
    hits: Annotated[
        bool, typer.Option("--hits", help="Single frames and regions instead of moments.")
    ] = False,
    image: Annotated[
        Path | None, typer.Option("--image", help="Look for what looks like this picture, instead of a text.")
    ] = None,
    align: Annotated[
        Path | None,
        typer.Option("--align", help="Place the lines of a SubRip file in the video given by --video."),
    ] = None,
    video: InVideo = None,
    start_s: StartS = None,
    end_s: EndS = None,
    only: Only = None,
    per_video: PerVideo = None,
    include_missing: Missing = False,
    within_s: Within = None,
    label: Label = None,
    rank_by: RankBy = None,
    min_confidence: MinConfidence = None,
    translate: Translate = None,
    template: Template = None,
    verbatim: Verbatim = False,
    motion: Motion = True,
    explain: Explain = False,
    csv_file: CsvFile = None,
    frames_dir: FramesDir = None,
    sheet_file: SheetFile = None,
    clips_dir: ClipsDir = None,
    edl_file: EdlFile = None,
    otio_file: OtioFile = None,
    vtt_file: VttFile = None,
    report: ReportFile = None,
    model: LibraryModel = None,
    device: Device = None,
    runtime: Runtime = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Find the moments that show what the text says, best first.

    Says so, and ends with status 6, when nothing in the library does.
    """
    if sum(given is not None for given in (text, image, align)) != 1:
        raise InputError(
            "search needs a text, --image or --align, and only one of them",
            hint='for example: seektrack search "a red car"',
        )
    if rank_by is not None and not hits:
        raise InputError("--rank-by goes with --hits", hint="add --hits")
    wordings = given_templates(template)
    check_part(start_s, end_s)
    check_report(report)
    check_value("--only", only, ONLY)
    check_value("--rank-by", rank_by, RANK_BY)
    for folder in library:
        check_library(folder)
    _check_several(library, align=align, timeout_s=timeout_s)
    model = model_for(library[0], model)
    spare_threads(model)
    from seektrack.pipeline import Library, Shards

    screen = Screen(quiet=quiet, as_json=as_json)
    where = _given(video=video, start_s=start_s, end_s=end_s, only=only, per_video=per_video)
    if include_missing:
        where["missing"] = True
    asking = where | wordings | _given(label=label, min_confidence=min_confidence)
    if not motion:
        asking["motion"] = False
    less_sure: Sequence[Hit] = []
    gone = 0
    several = len(library) > 1
    with (
        Shards(library, model=model, device=device, timeout_s=timeout_s, runtime=runtime)
        if several
        else Library(library[0], model=model, device=device, runtime=runtime)
    ) as opened:
        found: Answer[Any]
        if image is not None:
            found = opened.similar(read_picture(image), k=k, **where, **_given(min_confidence=min_confidence))
        elif align is not None and isinstance(opened, Library):
            found = _aligned(opened, align, video, _given(translate=translate) | wordings)
        else:
            query = _read(opened, str(text), translate, screen, verbatim=verbatim)
            if hits:
                found = opened.hits(query, k=k, **asking, **_given(rank_by=rank_by))
            else:
                found = opened.search(query, k=k, **asking, **_given(within_s=within_s))
            if not found and not hits and not query.ordered and min_confidence is None:
                less_sure = opened.hits(query, k=1, **asking)
        if not found and not include_missing:
            gone = sum(not one.available for one in opened.videos())
    tell_reading(screen, found.query, found.notices, wanted=explain)
    saved = Saved()
    if found:
        files = {"csv": csv_file, "frames": frames_dir, "sheet": sheet_file}
        files |= {"clips": clips_dir, "edl": edl_file, "otio": otio_file, "vtt": vtt_file}
        saved = save_all(found, text or "", files)
    save_page(saved, found, report, title=str(text or image or align))
    if found or as_json:
        told = saved.told(coded(found)) if as_json else found
        value: Any = with_reading(told, found.query, found.notices) if explain else told
        if several:
            value = (value if explain else {"results": value}) | {"unanswered": found.unanswered}
        screen.result(value, lambda console: _print(console, found))
    for path, why in found.unanswered.items():
        screen.warn(f"{one_line(path)} did not answer and is not searched: {why}")
    saved.tell(screen)
    if unknown := sum(one.domain == "outside" for one in found):
        screen.warn_unknown(f"{unknown} of {len(found)} answers", model)
    if not found:
        raise NothingFoundError(
            f"nothing in {', '.join(map(str, library))} matches {shown(text or str(image or align))}",
            hint=_way_out(library[0], less_sure, gone),
        )


def _check_several(libraries: Sequence[Path], *, align: Path | None, timeout_s: float | None) -> None:
    """See that what is asked for goes with as many libraries as are named.

    Raises:
        InputError: It does not.
    """
    if len(libraries) > 1 and align is not None:
        raise InputError("--align places texts in one video", hint="name the --library that holds it")
    if len(libraries) == 1 and timeout_s is not None:
        raise InputError("--answer-in goes with several libraries", hint="name each with --library")


def _way_out(library: Path, less_sure: Sequence[Hit], gone: int) -> str:
    """What to do when nothing is sure enough: look at what is nearly, or ask otherwise."""
    left_out = ""
    if gone:
        films = "1 video whose file is gone was" if gone == 1 else f"{gone} videos whose files are gone were"
        left_out = f"{films} left out: --include-missing looks there too"
    for hit in less_sure:
        where = f"{clock(hit.time_s)} of {short_path(hit.video)}"
        sure = known.shown(hit.confidence, hit.domain)
        nearest = f"the nearest, {where}, is believed {sure}: --hits lists what is less sure"
        return f"{nearest}; {left_out}" if left_out else nearest
    if left_out:
        return left_out
    return f"another --model may know it; what is indexed: seektrack videos --library {quoted(library)}"


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _read(
    opened: Library | Shards, text: str, translate: str | None, screen: Screen, *, verbatim: bool
) -> Query:
    """The question, mistyped words put right, which is said."""
    from seektrack.encoders.translation import as_translator

    if verbatim or translate:
        return read(text, translate=as_translator(translate))
    fixed = opened.corrected(text)
    if fixed.text != text:
        screen.note(f"searching for {fixed.text} ({shown(text)} as typed: --verbatim)")
    return read(fixed.text)


def read_picture(path: Path) -> Any:
    """A picture file as RGB uint8 (H, W, 3).

    Raises:
        InputError: It is not a picture.
    """
    from seektrack.video import read_image

    try:
        return read_image(path)
    except VideoError as error:
        raise InputError(
            f"cannot read the picture {str(path)!r}: {error.message}",
            hint=error.hint or "give a JPEG, PNG or other picture file",
        ) from error


def _aligned(opened: Library, path: Path, video: Path | None, options: dict[str, Any]) -> Answer[Moment]:
    from seektrack.retrieval import read_srt

    if video is None:
        raise InputError("--align places texts in one video", hint="say which with --video")
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror}") from error
    return opened.align(read_srt(text), video, **options)


def _print(console: Console, found: Sequence[Moment] | Sequence[Hit]) -> None:
    from seektrack.library.identity import is_there

    listed = table("confidence", "time", "video", right=("confidence", "time"))
    there = {one.video: is_there(one.video) for one in found}
    for one in found:
        if isinstance(one, Hit):
            box = "" if one.box is None else " [" + ", ".join(f"{v:.0f}" for v in one.box) + "]"
            when = clock(one.time_s) + box
        else:
            when = " → ".join(_span(moment) for moment in getattr(one, "moments", None) or (one,))
        video = short_path(one.video) + ("" if there[one.video] else " (file is gone)")
        listed.add_row(known.shown(one.confidence, one.domain), when, video)
    console.print(listed)


def _span(moment: Moment) -> str:
    return f"{clock(moment.start_s)} – {clock(moment.end_s)}"
