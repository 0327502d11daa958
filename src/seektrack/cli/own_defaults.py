"""``seektrack.toml``: defaults of one's own, a section a command, a key an option."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seektrack.errors import InputError

FILE_NAME = "seektrack.toml"
VARIABLE = "SEEKTRACK_CONFIG"
"""Environment variable with the file's path, instead of that name in the current folder."""


def read_defaults(environment: Mapping[str, str]) -> tuple[Path, dict[str, Any]]:
    """The file, and what it holds; nothing where there is none and none was named.

    Raises:
        InputError: It cannot be read, or is no TOML.
    """
    named = environment.get(VARIABLE)
    path = Path(named).expanduser() if named else Path(FILE_NAME)
    if not named and not path.is_file():
        return path, {}
    try:
        with path.open("rb") as file:
            return path, tomllib.load(file)
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{path} is no TOML: {error}", hint="a section a command, a key an option"
        ) from error


def default_map(context: Any, path: Path, held: Mapping[str, Any]) -> dict[str, Any]:
    """What the command line takes as defaults for the command that is called.

    Args:
        context: Of the program, which knows that command.
        path: The file, for what is said of it.
        held: What it holds.

    Raises:
        InputError: A section is no command, a key none of its options.
    """
    names = list(context.command.list_commands(context))
    for section in held:
        _known(section, names, f"{path}: [{section}] is no command")
    called = context.invoked_subcommand
    if called not in held:
        return {}
    command = context.command.get_command(context, called)
    return {called: _of_command(command, held[called], path, called)}


def keys_of(command: Any) -> dict[str, str]:
    """What the options and arguments of a command are called in the file → in the program."""
    keys = {}
    for parameter in command.params:
        long = [name for name in parameter.opts if name.startswith("--")]
        key = long[0].removeprefix("--") if long else parameter.name
        if key not in ("help", "version"):
            keys[key] = parameter.name
    return keys


def _of_command(command: Any, held: Any, path: Path, name: str) -> dict[str, Any]:
    if not isinstance(held, dict):
        raise InputError(f"{path}: {name} must be a section", hint=f"write [{name}], then its options below")
    children, keys = getattr(command, "commands", None), keys_of(command)
    given: dict[str, Any] = {}
    for key, value in held.items():
        if children is not None and key in children:
            given[key] = _of_command(children[key], value, path, f"{name}.{key}")
        else:
            known = [*(children or ()), *keys]
            _known(key, known, f"{path}: [{name}] has no {key!r}")
            given[keys[key]] = value
    return given


def _known(name: str, names: Iterable[str], wrong: str) -> None:
    known = list(names)
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    raise InputError(wrong, hint=f"{meant}there are {', '.join(known)}")


def take_defaults(context: Any) -> None:
    """Have the program's context take the file's values where an option is not given.

    Raises:
        InputError: The file cannot be used.
    """
    path, held = read_defaults(os.environ)
    if held:
        context.default_map = default_map(context, path, held)
