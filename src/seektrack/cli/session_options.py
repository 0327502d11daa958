"""Options of ``track`` that keep what was followed in a session, and put it right."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seektrack.cli.prompts import parse_prompts
from seektrack.errors import InputError, PromptError

if TYPE_CHECKING:
    from seektrack.pipeline import Correction, TrackingSession

_FORMS = "X,Y[,0]@FRAME[#ID], X0,Y0,X1,Y1@FRAME[#ID] or MASK.png@FRAME[#ID]"

SessionFile = Annotated[
    Path | None,
    typer.Option(
        "--session",
        metavar="FILE",
        help="Keep what is followed in this file as it goes; go on with it where it is there already.",
    ),
]
TracksFile = Annotated[
    Path | None,
    typer.Option(
        "--tracks", metavar="FILE", help="With --session: start from tracks that are there, in any format."
    ),
]
Corrections = Annotated[
    list[str] | None,
    typer.Option(
        "--correct",
        metavar="X,Y[,0]@FRAME[#ID]",
        help="With --session: put an object right on a frame by a click (0: not on it), a box"
        " X0,Y0,X1,Y1@FRAME or a mask MASK.png@FRAME; without #ID a new object. May be given more than once.",
    ),
]
Edits = Annotated[
    list[str] | None,
    typer.Option(
        "--edit",
        metavar="EDIT",
        help="With --session: 'rename ID NAME', 'merge ID INTO', 'split ID FRAME', 'delete ID' or 'redo';"
        " done before corrections. May be given more than once.",
    ),
]
Undo = Annotated[
    int,
    typer.Option(
        "--undo",
        count=True,
        help="With --session: take back the latest edit, once for each --undo; done first.",
    ),
]


def parse_corrections(values: Sequence[str]) -> list[Correction]:
    """Read the values of ``--correct``; what has one id and frame is one correction.

    Returns:
        In the order they were first named. All clicks without an id mean one new object, each box its own.

    Raises:
        PromptError: A value has not the form.
        InputError: A mask cannot be read.
    """
    from seektrack.pipeline import Correction

    named = {int(m[1]) for v in values if (m := re.search(r"#(\d+)$", v.strip()))}
    masks = [v for v in values if _is_mask(v)]
    points = [v for v in values if not _is_mask(v) and v.partition("@")[0].count(",") != 3]
    boxes = [v for v in values if not _is_mask(v) and v.partition("@")[0].count(",") == 3]
    try:
        prompts = parse_prompts(points, boxes)
    except PromptError as error:
        hint = f"write {_FORMS}" if error.message.startswith("cannot read") else error.hint
        raise PromptError(
            error.message.replace("--point", "--correct").replace("--box", "--correct"), hint=hint
        ) from None
    found = [Correction.of_prompt(p, obj_id=p.obj_id if p.obj_id in named else None) for p in prompts]
    return found + [_of_mask(v) for v in masks]


def parse_edits(values: Sequence[str]) -> list[Callable[[TrackingSession], object]]:
    """Read the values of ``--edit``.

    Raises:
        InputError: A value is no edit.
    """
    return [_edit(value) for value in values]


def check_session(
    file: Path | None,
    *,
    videos: Sequence[str],
    asks: bool,
    several: bool,
    library: Path | None,
    tracks: Path | None,
    changes: bool,
) -> None:
    """See that options of sessions go together with the rest.

    Args:
        file: Of the session.
        videos: That are named.
        asks: Whether something to follow is said, shown or given.
        several: Whether they are more than one.
        library: To search instead.
        tracks: To start from.
        changes: Whether anything is corrected, edited or undone.

    Raises:
        InputError: They do not.
    """
    if file is None:
        if tracks is not None or changes:
            name = "--tracks" if tracks is not None else "--correct, --edit and --undo"
            raise InputError(
                f"{name} goes with --session" if tracks else f"{name} go with --session", hint="name its file"
            )
        return
    if several or library is not None:
        raise InputError("--session is of one video", hint="name that video, and no --library")
    if tracks is not None and asks:
        raise InputError("both --tracks and something to follow given", hint="give one of them")
    if not file.exists() and not videos:
        raise InputError(f"no such session: {file}", hint="name the video to start one")


def _is_mask(value: str) -> bool:
    name = value.rpartition("@")[0]
    return Path(name).suffix.lower() in (".png", ".bmp", ".gif", ".tif", ".tiff")


def _of_mask(value: str) -> Correction:
    from seektrack.outputs import read_prompts
    from seektrack.pipeline import Correction

    match = re.fullmatch(r"(.+@\d+)(?:#(\d+))?", value.strip())
    if match is None:
        raise PromptError(f"cannot read the correction {value!r}", hint=f"write {_FORMS}")
    prompts = read_prompts(match[1])
    if len(prompts) != 1:
        raise PromptError(
            f"the picture of {value!r} holds {len(prompts)} objects",
            hint="give the mask of one, white on black",
        )
    return Correction.of_prompt(prompts[0], obj_id=None if match[2] is None else int(match[2]))


def _edit(value: str) -> Callable[[TrackingSession], object]:
    verb, *rest = value.split(maxsplit=2)
    numbers = [int(n) for n in rest if n.isdecimal()]
    if verb == "redo" and not rest:
        return lambda session: session.redo()
    if verb == "rename" and len(rest) == 2 and rest[0].isdecimal():
        return lambda session: session.rename(int(rest[0]), rest[1])
    if verb == "delete" and len(rest) == len(numbers) == 1:
        return lambda session: session.delete(numbers[0])
    if verb in ("merge", "split") and len(rest) == len(numbers) == 2:
        if verb == "merge":
            return lambda session: session.merge(numbers[0], into=numbers[1])
        return lambda session: session.split(numbers[0], numbers[1])
    raise InputError(
        f"cannot read the edit {value!r}",
        hint="write rename ID NAME, merge ID INTO, split ID FRAME, delete ID or redo",
    )
