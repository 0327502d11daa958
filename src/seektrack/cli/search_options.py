"""Options of everything that asks a library or a video: where to look, how, and where results go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seektrack import defaults
from seektrack.cli.common import placed
from seektrack.cli.values import ONLY, RANK_BY, complete_video, completing
from seektrack.query import Query, in_short
from seektrack.query import explain as lines_of

if TYPE_CHECKING:
    from seektrack.cli.common import Screen

LibraryFolders = Annotated[
    list[Path],
    typer.Option(
        "--library",
        "-l",
        envvar="SEEKTRACK_LIBRARY",
        help="The library's folder or address; may be given more than once, to ask several together.",
        callback=placed,
    ),
]
AnswerIn = Annotated[
    float | None,
    typer.Option(
        "--answer-in",
        min=0.0,
        metavar="SECONDS",
        help="Of several libraries: leave out and name those that take longer to answer.",
    ),
]
Count = Annotated[int, typer.Option("-k", "--count", min=1, help="At most this many.")]
StartS = Annotated[
    float | None, typer.Option("--start", min=0.0, help="Only from this second of the video on.")
]
EndS = Annotated[float | None, typer.Option("--end", min=0.0, help="Only before this second of the video.")]
InVideo = Annotated[
    Path | None, typer.Option("--video", help="Only in this video.", autocompletion=complete_video)
]
Only = Annotated[
    str | None,
    typer.Option(
        "--only",
        help="Look at proposed [bold]objects[/] or whole [bold]frames[/].",
        autocompletion=completing(ONLY),
    ),
]
_WITHIN = f"Most seconds between two steps of an order of events; {defaults.WITHIN_S:g}."
Within = Annotated[float | None, typer.Option("--within", min=0, help=_WITHIN)]
PerVideo = Annotated[int | None, typer.Option("--per-video", min=1, help="At most this many of one video.")]
Missing = Annotated[bool, typer.Option("--include-missing", help="Also videos whose file is gone.")]
Label = Annotated[str | None, typer.Option("--label", help="Only pictures that also show this.")]
RankBy = Annotated[
    str | None,
    typer.Option(
        "--rank-by",
        help="With --hits: confidence, cosine, centred, whitened or qb-norm.",
        autocompletion=completing(RANK_BY),
    ),
]
MinConfidence = Annotated[
    float | None,
    typer.Option("--min-confidence", min=0, max=1, help="Leave out what is less believed."),
]
Translate = Annotated[
    str | None, typer.Option("--translate", help="Translate the text first, with this model.")
]
Template = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        help='How a phrase is worded, as "a scan of {}"; may be given more than once. Or a set by name: '
        "auto, none, basic, enriched, adaptive, multilingual, library (by what the library shows).",
    ),
]
Explain = Annotated[bool, typer.Option("--explain", help="Show how the question was read.")]
Verbatim = Annotated[bool, typer.Option("--verbatim", help="Do not put mistyped words right.")]
Motion = Annotated[
    bool,
    typer.Option(
        "--motion/--no-motion",
        help='Ask the stretches of a library indexed with --temporal about "moving left" and the like.',
    ),
]
CsvFile = Annotated[Path | None, typer.Option("--csv", help="Also write what was found to this CSV file.")]
FramesDir = Annotated[
    Path | None, typer.Option("--frames", help="Also save each key frame as JPEG in this folder.")
]
SheetFile = Annotated[
    Path | None, typer.Option("--sheet", help="Also lay the key frames out on this JPEG contact sheet.")
]


def given_templates(given: list[str] | None) -> dict[str, Any]:
    """The values of ``--template`` as an argument: a name, or wordings; nothing when there are none."""
    if not given:
        return {}
    return {"templates": given[0] if len(given) == 1 and "{}" not in given[0] else tuple(given)}


def tell_reading(screen: Screen, query: Query | None, notices: Sequence[str], *, wanted: bool) -> None:
    """Say on standard error what of a question is left aside and, where wanted, how it was read."""
    if wanted and query is not None:
        for line in lines_of(query):
            screen.note(line)
    for notice in notices:
        screen.note(f"note: {notice}")


def with_reading(results: Any, query: Query | None, notices: Sequence[str]) -> dict[str, Any]:
    """Results as JSON together with how their question was read."""
    reading = None if query is None else in_short(query)
    return {"query": query, "reading": reading, "notices": list(notices), "results": results}
