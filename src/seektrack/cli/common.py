"""What the commands share: their common options, the screen they write on, and how values become JSON."""

from __future__ import annotations

import dataclasses
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from seektrack.cli.early import check_device, check_runtime_option
from seektrack.cli.shown import PlainConsole, name_shown, one_line
from seektrack.cli.shown import as_json as to_json
from seektrack.cli.telling import Teller, still_at_it
from seektrack.cli.values import DEVICES, FILTERS, RUNTIMES, complete_model, completing, completing_several
from seektrack.errors import OutputError, SeekTrackError
from seektrack.known import fields
from seektrack.library.address import BACKENDS, place_of
from seektrack.library.made_with import MODEL_VARIABLE
from seektrack.types import Mask
from seektrack.types import Progress as Told

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        envvar=MODEL_VARIABLE,
        help="A built-in name (see [bold]seektrack models[/]), a folder or a hub id.",
        autocompletion=complete_model,
    ),
]
LibraryModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        show_default=False,
        help="A built-in name (see [bold]seektrack models[/]), a folder or a hub id; when left out, what the "
        "library was made with, and for a new one SEEKTRACK_MODEL or pocket.",
        autocompletion=complete_model,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="cpu, cuda, cuda:1 or mps; chosen for you when left out.",
        callback=check_device,
        autocompletion=completing(DEVICES),
    ),
]
Runtime = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        metavar="NAME",
        show_default=False,
        help="Who computes: torch; onnx, for graphs that models export wrote; onnx:cuda, onnx:tensorrt or"
        " onnx:openvino. When left out, what the model's folder holds.",
        callback=check_runtime_option,
        autocompletion=completing(RUNTIMES),
    ),
]
FrameFilter = Annotated[
    str | None,
    typer.Option(
        "--filter",
        help="Make frames easier to read first: nlm, bilateral, gaussian or clahe, several by commas, "
        "each with its strength if you like (nlm=6,clahe=2).",
        autocompletion=completing_several(FILTERS),
    ),
]


def placed(value: Any) -> Any:
    """The callback of options that name libraries: an address keeps both its slashes.

    Raises:
        LibraryError: No library can lie at it.
    """
    if isinstance(value, (list, tuple)):
        return [placed(one) for one in value]
    place = value if value is None else place_of(value)
    return place if isinstance(place, str) else value


LibraryFolder = Annotated[
    Path,
    typer.Option(
        "--library",
        "-l",
        envvar="SEEKTRACK_LIBRARY",
        help="The library's folder, or its address as s3://bucket/name.",
        callback=placed,
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help="What keeps a new library: embedded (a folder), or lance (LanceDB; many machines may write "
        "at once). By its place when left out.",
        autocompletion=completing(BACKENDS),
    ),
]
DEFAULT_LIBRARY = Path("seektrack-library")
_PIPED_WIDTH = 1000
"""Columns where no terminal gives a width, so that a path is never broken over lines."""


def debugging() -> bool:
    """Whether SEEKTRACK_DEBUG asks for tracebacks instead of one-line errors."""
    return os.environ.get("SEEKTRACK_DEBUG", "") not in ("", "0")


def spare_threads(model: str) -> None:
    """Run the pocket networks on one thread, unless OMP_NUM_THREADS says otherwise; call before torch loads.

    They are too small to share: on two idle cores two threads take as long as one, and on busy ones they
    wait for each other and take many times as long.
    """
    if set(model.split("+")) == {"pocket"} and "torch" not in sys.modules:
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def report_error(error: SeekTrackError, *, as_json: bool) -> None:
    """Write an error on standard error, as one line and its hint or in the JSON error shape."""
    if as_json:
        body = {"code": error.code, "message": error.message, "hint": error.hint}
        print(to_json({"error": body}), file=sys.stderr)
        return
    console = PlainConsole(stderr=True, soft_wrap=True)
    console.print("error:", style="bold red", end=" ")
    console.print(one_line(error.message))
    if error.hint:
        console.print("hint:", style="bold cyan", end=" ")
        console.print(one_line(error.hint))


class _SpeedColumn(ProgressColumn):
    """Steps a second, of late."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.3g}/s", style="progress.data.speed")


class Screen:
    """Where a command writes: results on standard output, everything else on standard error.

    Args:
        quiet: Leave out what is not a result.
        as_json: Results are one JSON document; implies ``quiet``.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self.quiet = quiet or as_json
        self._warns = not quiet
        self.as_json = as_json
        piped = sys.stdout is None or not sys.stdout.isatty()
        self._out = PlainConsole(soft_wrap=True, width=_PIPED_WIDTH if piped else None)
        self._err = PlainConsole(stderr=True)

    def note(self, text: str | Text) -> None:
        """Say something that is not a result; silent when quiet."""
        if not self.quiet:
            self._err.print(text, soft_wrap=True)

    def warn_unknown(self, what: str, model: str) -> None:
        """Say on one line that how sure the model is of something cannot be known, and what changes it."""
        self.warn(
            f"{what}: the model {model!r} was not shown pictures like these, so how sure it is, is "
            "unknown; another may know them: --model base (photographs), see: seektrack models"
        )

    def warn(self, text: str) -> None:
        """Say on one line what a result is not to be taken for; only ``--quiet`` silences it."""
        if self._warns:
            self._err.print("warning:", style="bold yellow", end=" ", soft_wrap=True)
            self._err.print(text, soft_wrap=True, markup=False)

    def result(self, value: Any, human: Callable[[Console], None]) -> None:
        """Print a result: ``value`` as JSON, or whatever ``human`` writes.

        Raises:
            OutputError: Standard output is closed or full.
        """
        try:
            if self.as_json:
                print(to_json(plain(value), indent=2), flush=True)
            else:
                human(self._out)
        except OSError as error:
            raise OutputError(f"cannot write to standard output: {error.strerror or error}") from error

    def line(self, value: Any) -> None:
        """Print one of many results as a line of JSON, at once.

        Raises:
            OutputError: Standard output is closed or full.
        """
        try:
            print(to_json(plain(value)), flush=True)
        except OSError as error:
            raise OutputError(f"cannot write to standard output: {error.strerror or error}") from error

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """While something goes on that tells nothing of itself: a line every half minute, unless quiet."""
        if self.quiet:
            yield
            return
        with still_at_it(self.note, what):
            yield

    @contextmanager
    def progress(self, *, each: str = "") -> Iterator[Told | None]:
        """A callback ``(done, total, stage)`` that draws one bar per stage; None when quiet.

        A total of 0 or less is drawn as unknown; a bar goes when its stage is complete. Where standard error
        is no terminal a line tells of each stage that begins with ``each`` when it is complete, and of any
        other that takes long.
        """
        if self.quiet:
            yield None
            return
        if not self._err.is_terminal:
            yield Teller(lambda text: self.note(name_shown(text)), each=each)
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", style="progress.description", markup=False),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            _SpeedColumn(),
            TimeRemainingColumn(compact=True),
        )
        with Progress(*columns, console=self._err, transient=True) as bars:
            tasks: dict[str, TaskID] = {}

            def advance(done: int, total: int, stage: str) -> None:
                known = total if total > 0 else None
                if stage not in tasks:
                    tasks[stage] = bars.add_task(name_shown(stage), total=known)
                unfinished = known is None or done < known
                bars.update(tasks[stage], completed=done, total=known, visible=unfinished)

            yield advance


def plain(value: Any) -> Any:
    """Turn results (dataclasses, masks, arrays, paths, fractions, errors) into what JSON can hold."""
    if isinstance(value, Mask):
        return value.to_coco()
    if isinstance(value, SeekTrackError):
        return {"code": value.code, "message": value.message, "hint": value.hint}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        content = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return _honest(content, getattr(value, "domain", None))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, (Path, Exception)):
        return str(value)
    return _plain_number(value)


def _honest(content: dict[str, Any], domain: Any) -> dict[str, Any]:
    """A result with where it lies: outside, its confidence is null and a warning stands beside it."""
    content.pop("domain", None)
    if domain == "outside" and "confidence" in content:
        content["confidence"] = None
    return content | (fields(domain) if domain in ("inside", "outside") else {})


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Fraction):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """An unboxed table; the columns named in ``right`` are right-aligned."""
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def clock(seconds: float) -> str:
    """Seconds as ``m:ss.s``, or ``h:mm:ss.s`` from an hour on.

    >>> clock(75.25), clock(3600)
    ('1:15.2', '1:00:00.0')
    """
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def quoted(path: str | Path) -> str:
    """A path as a shell takes it, for hints: one with spaces in quotes."""
    return shlex.quote(str(path))


def short_path(path: str) -> str:
    """A path as a person here would type it, on one line: relative when it lies below the current folder."""
    here = Path.cwd()
    return name_shown(str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path)
