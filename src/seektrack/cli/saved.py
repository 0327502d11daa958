"""Files written of what a search found: all that can be, named, and what could not be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seektrack.cli.common import Screen, report_error
from seektrack.cli.editor_options import save_for_editor
from seektrack.cli.tracked import MOST_FAILED, SOME_FAILED
from seektrack.errors import SeekTrackError, VideoError, foreseen
from seektrack.types import Hit, Moment

if TYPE_CHECKING:
    from seektrack.pipeline.answer import Answer

Found = Sequence[Moment] | Sequence[Hit]


@dataclass
class Saved:
    """What was written of some results.

    Attributes:
        files: By the option that asked for them.
        frames: The key frame of each picture found, None where its video could not be read.
        failed: Why a video could not be read, or a file not be written; each once.
    """

    files: dict[str, Path] = field(default_factory=dict)
    frames: list[Path | None] = field(default_factory=list)
    failed: dict[str, SeekTrackError] = field(default_factory=dict)

    def told(self, values: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Results as JSON tells them, each with the files it is in; as they are when none was asked for."""
        if not self.files:
            return values
        frames = iter(self.frames)
        for value in values:
            mine: dict[str, Any] = dict(self.files)
            if "frames" in mine:
                steps = len(value.get("moments") or [value])
                written = [file for file in (next(frames, None) for _ in range(steps)) if file is not None]
                mine["frames"] = written
            value["files"] = {name: _plain(path) for name, path in mine.items()}
        return values

    def tell(self, screen: Screen) -> None:
        """Name what was written; then, where something was not, say why and end with the status of that.

        Raises:
            SeekTrackError: A file could not be written.
            Exit: A video could not be read.
        """
        if self.files:
            screen.note("written: " + ", ".join(map(str, self.files.values())))
        for error in self.failed.values():
            if not isinstance(error, VideoError):
                raise error
        for error in self.failed.values():
            report_error(error, as_json=screen.as_json)
        if self.failed:
            raise typer.Exit(min(SOME_FAILED + len(self.failed), MOST_FAILED))


def save_all(found: Found, text: str, wanted: Mapping[str, Path | None]) -> Saved:
    """Write what was asked for; what fails is kept for later, so that the results are shown all the same.

    Args:
        found: The results.
        text: What was asked.
        wanted: Files and folders by the names of their options.
    """
    from seektrack.retrieval import save_csv, save_key_frames, save_sheet

    saved = Saved()

    def unreadable(video: str, error: SeekTrackError) -> None:
        saved.failed.setdefault(video, error)

    def frames(path: Path) -> None:
        saved.frames = save_key_frames(found, path, on_error=unreadable)

    def for_editor(name: str, path: Path) -> None:
        chosen = [path if name == each else None for each in ("clips", "edl", "otio", "vtt")]
        save_for_editor(found, text, *chosen)

    ways: dict[str, Callable[[Path], object]] = {
        "csv": lambda path: save_csv(found, path),
        "frames": frames,
        "sheet": lambda path: save_sheet(found, path, on_error=unreadable),
        **{name: partial(for_editor, name) for name in ("clips", "edl", "otio", "vtt")},
    }
    for name, path in wanted.items():
        if path is None:
            continue
        try:
            ways[name](path)
        except Exception as error:  # the results are shown first, whatever becomes of the files
            saved.failed.setdefault(name, foreseen(error, what=f"--{name}"))
        else:
            saved.files[name] = path
    return saved


def save_page(saved: Saved, found: Answer[Any], report: Path | None, *, title: str) -> None:
    """Write the page of an answer, an empty one too, where one is asked for; add it to what was written."""
    if report is None:
        return
    from seektrack.pipeline import save_report

    def unreadable(video: str, error: SeekTrackError) -> None:
        saved.failed.setdefault(video, error)

    try:
        save_report(
            report,
            query=title if found.query is None else found.query,
            moments=found,
            notices=found.notices,
            on_error=unreadable,
        )
    except Exception as error:  # as above
        saved.failed.setdefault("report", foreseen(error, what="--report"))
    else:
        saved.files["report"] = report


def _plain(value: Any) -> Any:
    return [str(one) for one in value] if isinstance(value, list) else str(value)
