"""``seektrack videos``: what a library holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from seektrack.cli.common import (
    DEFAULT_LIBRARY,
    AsJson,
    LibraryFolder,
    Quiet,
    Screen,
    clock,
    quoted,
    short_path,
    table,
)
from seektrack.cli.early import check_library
from seektrack.cli.index import described
from seektrack.cli.values import complete_video
from seektrack.errors import InputError

if TYPE_CHECKING:
    from seektrack.library import LibraryStats, VideoRecord
    from seektrack.pipeline import Library


def videos(
    library: LibraryFolder = DEFAULT_LIBRARY,
    remove: Annotated[
        list[Path] | None,
        typer.Option(
            "--remove",
            help="Take this video out; may be given more than once.",
            autocompletion=complete_video,
        ),
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Take out every video whose file is gone.")] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Save what is whole of a damaged library; the damaged file is kept beside it."
        ),
    ] = False,
    summary: Annotated[
        bool, typer.Option("--summary", help="The library in numbers instead of the list.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """List the videos in a library, or take some out; the files themselves are never touched."""
    check_library(library)
    from seektrack.pipeline import Library

    screen = Screen(quiet=quiet, as_json=as_json)
    if repair:
        _repair(screen, library)
        return
    with Library(library) as opened:
        unknown = [path for path in remove or () if not _removed(opened, path, screen)]
        for gone in opened.prune() if prune else ():
            screen.note(f"removed {gone}")
        listed, stats = opened.videos(), opened.stats()

    def human(console: Console) -> None:
        shown = table("video", "length", "frames", "state", right=("length", "frames"))
        for video in listed:
            length = "" if video.duration_s is None else clock(video.duration_s)
            shown.add_row(short_path(video.path), length, str(video.frames), _state(video))
        console.print(shown)
        in_numbers(console)

    def in_numbers(console: Console) -> None:
        console.print(
            f"{stats.videos} indexed{f', {stats.unfinished} unfinished' if stats.unfinished else ''}; "
            f"{stats.vectors} pictures of {stats.frames} frames, {stats.bytes / 1e6:.1f} MB; "
            f"model {stats.model}"
        )
        console.print(_searched(stats))

    if summary:
        screen.result(stats, in_numbers)
    else:
        screen.result(listed, human)
    if unknown:
        raise InputError(
            f"{', '.join(map(str, unknown))} {'is' if len(unknown) == 1 else 'are'} not in {library}",
            hint=f"see what is with: seektrack videos --library {quoted(library)}",
        )


def _removed(opened: Library, path: Path, screen: Screen) -> bool:
    found = opened.remove(path)
    if found:
        screen.note(f"removed {path}")
    return found


def _state(video: VideoRecord) -> Text:
    if not video.available:
        return Text("file is gone", "red")
    if video.damage:
        return Text(f"indexed as far as it could be read: {video.damage}", "yellow")
    if not video.done:
        return Text("unfinished: index it again", "yellow")
    return Text("indexed, and being indexed anew" if video.renewing else "indexed")


def _repair(screen: Screen, library: Path) -> None:
    from seektrack.library.salvage import repair

    report = repair(library)

    def human(console: Console) -> None:
        if report is None:
            console.print(f"{library} is whole")
            return
        console.print(f"{len(report.saved)} videos saved; the damaged file is {report.backup}")
        for path in report.lost:
            console.print(Text(f"  lost, index it again: {path}", "yellow"))

    screen.result(report, human)


def _searched(stats: LibraryStats) -> str:
    from seektrack.library.reader import INDEXED_FROM

    kind = stats.chosen.kind
    if stats.index is not None:
        return described(stats.index)
    if stats.vectors >= INDEXED_FROM:
        return f"search index: {kind}, built by the next search"
    later = "" if kind in ("auto", "flat") else f"; {kind} from {INDEXED_FROM} pictures on"
    return f"search index: none needed, every picture is compared{later}"
