"""A training command run again in several processes that share its steps."""

from __future__ import annotations

import os

import typer

from seektrack.errors import SeekTrackError


def processes_here() -> int:
    """How many processes share the training this one belongs to; 1 alone."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def spoken_by_another() -> bool:
    """Whether this is one of several processes and not the first: that one speaks for all.

    torchrun and accelerate launch say which this is.
    """
    return os.environ.get("RANK", "0") != "0"


def in_processes(context: typer.Context, processes: int) -> bool:
    """Run the command again in so many processes and wait for them, unless this is one of them.

    Returns:
        Whether it was done; False leaves it to the caller.

    Raises:
        SeekTrackError: They failed.
    """
    from seektrack.training.scale import launch, launched

    if processes == 1 or launched():
        return False
    command = context.command_path.split()[1:]
    status = launch(["seektrack", *command, *_repeated(context, without="processes")], processes)
    if status:
        raise SeekTrackError(
            f"the training in {processes} processes ended with status {status}",
            hint="its own message is above; with --processes 1 there is only one to read",
        )
    return True


def _repeated(context: typer.Context, *, without: str) -> list[str]:
    """The command's own arguments as they were given, one option left out."""
    given: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name == without or source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        for one in value if isinstance(value, (list, tuple)) else [value]:
            given += [parameter.opts[0]] if one is True else [parameter.opts[0], str(one)]
    return given
