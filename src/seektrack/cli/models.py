"""``seektrack models``: the built-in names, which work without a network, and fetching the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from seektrack.checkpoints.names import PACKAGED, PUBLISHED, Packaged, Part, Preset, Published
from seektrack.cli.common import AsJson, Quiet, Screen, quoted, table

if TYPE_CHECKING:
    from seektrack.checkpoints.fetching import Remote

app = typer.Typer(invoke_without_command=True)
_MIB = 2**20


@dataclass(frozen=True)
class ModelRow:
    """One network behind one name.

    Attributes:
        name: What ``--model`` takes.
        part: ``text`` (finds by words) or ``mask`` (segments and follows).
        source: Folder or hub id.
        ready: Whether it loads without a network.
        mib: Size on disk in MiB, or about that of the download when it is not on this machine.
        knows: What it was trained to understand.
    """

    name: str
    part: str
    source: str
    ready: bool
    mib: float | None
    knows: str


@dataclass(frozen=True)
class Fetched:
    """A network that was fetched.

    Attributes:
        part: ``text`` or ``mask``.
        hub_id: Where it is published.
        folder: Where it lies now.
        mib: Its size.
    """

    part: str
    hub_id: str
    folder: Path
    mib: float


@app.callback()
def models(context: typer.Context, quiet: Quiet = False, as_json: AsJson = False) -> None:
    """List the built-in models: what each knows, its size, and whether it is here already.

    Every command also takes a folder or any hub id with --model. Published weights are fetched from the
    Hugging Face hub the first time they are used, or with models fetch, and work offline from then on.
    """
    if context.invoked_subcommand is not None:
        return
    screen = Screen(quiet=quiet, as_json=as_json)
    rows = model_rows()

    def human(console: Console) -> None:
        shown = table("name", "part", "ready", "size", "source", "knows", right=("size",))
        for row in rows:
            packaged = row.source == "in the package"
            missing = Text("missing", "red") if packaged else Text("to be fetched", "yellow")
            ready = Text("yes", "green") if row.ready else missing
            size = "" if row.mib is None else f"{row.mib:.1f} MiB" if row.ready else f"~{row.mib:.0f} MiB"
            shown.add_row(row.name, row.part, ready, size, row.source, row.knows)
        console.print(shown)

    screen.result(rows, human)


@app.command()
def fetch(
    name: Annotated[
        str,
        typer.Argument(help="A built-in name such as base or light, a hub id, or ENCODER+SEGMENTER."),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FOLDER",
            help="Write it there, to be carried to a machine without a network and given as --model FOLDER; "
            "without this it goes into the hub's cache.",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fetch published models, so that they work without a network.

    What is here already is not fetched again, what was interrupted goes on, and every file is checked.
    """
    from seektrack.checkpoints import find, obtain, parse_preset
    from seektrack.checkpoints.fetching import copy, look_up
    from seektrack.checkpoints.fetching import fetch as fetch_one
    from seektrack.checkpoints.presets import NOTE, note_of
    from seektrack.errors import InputError
    from seektrack.files import check_folder, write_text

    screen = Screen(quiet=quiet, as_json=as_json)
    preset = parse_preset(name)
    halves: tuple[tuple[Part, str], ...] = (("text", preset.clip), ("mask", preset.sam2))
    wanted = [c for c in (find(asked, part) for part, asked in halves) if c.hub_id is not None]
    if not wanted:
        raise InputError(f"{name!r} is on this machine and needs no network", hint="give it as --model")
    if to is not None:
        check_folder(to)
    remotes: list[Remote | None] = []
    for one in wanted:
        remote = None if one.here else look_up(str(one.hub_id), name=name)
        remotes.append(remote)
        size = "on this machine" if remote is None else f"{remote.size / _MIB:.0f} MiB"
        screen.note(f"{one.hub_id}: {size}")
    fetched = []
    with screen.progress() as progress:
        for one, remote in zip(wanted, remotes, strict=True):
            into = to if to is None or len(wanted) == 1 else to / ("clip" if one.part == "text" else "sam2")
            if remote is not None:
                folder = fetch_one(remote, to=into, progress=progress)
            elif into is not None:
                folder = copy(obtain(one), into, progress=progress)
            else:
                folder = obtain(one)
            size_mib = sum(p.stat().st_size for p in folder.iterdir() if p.is_file()) / _MIB
            fetched.append(Fetched(one.part, str(one.hub_id), folder, round(size_mib, 1)))
    if to is not None and len(wanted) == 2 and preset != Preset(preset.clip, preset.sam2):
        write_text(to / NOTE, note_of(preset))
    given = quoted(to) if to is not None else name

    def human(console: Console) -> None:
        for one in fetched:
            console.print(f"{one.hub_id} is in {one.folder}")
        console.print(f"use it with --model {given}")

    screen.result({"model": str(to) if to is not None else name, "fetched": fetched}, human)


def model_rows() -> list[ModelRow]:
    """Every built-in network, the text encoders first."""
    parts: tuple[Part, ...] = ("text", "mask")
    return [_row(one) for part in parts for one in (*PACKAGED, *PUBLISHED) if one.part == part]


def _row(one: Packaged | Published) -> ModelRow:
    if isinstance(one, Packaged):
        size = _size(one.folder, below=one.name == "pocket")
        return ModelRow(one.name, one.part, "in the package", bool(size), size, one.knows)
    from seektrack.checkpoints.hub import cached

    here = cached(one.hub_id)
    size = _size(here) if here is not None else float(one.mib)
    return ModelRow(one.name, one.part, one.hub_id, here is not None, size, one.knows)


def _size(folder: Path, *, below: bool = False) -> float | None:
    found = folder.rglob("*.safetensors") if below else folder.glob("*.safetensors")
    sizes = [path.stat().st_size for path in found]
    return sum(sizes) / _MIB if sizes else None
