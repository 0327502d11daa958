"""The commands by name, each imported when it is named: a call does not wait for the others."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, MutableMapping
from typing import Any

import typer
from typer.core import TyperGroup

_HOMES = {
    "demo": "demo:demo",
    "index": "index:index",
    "search": "search:search",
    "live": "live:live",
    "serve": "serve:serve",
    "track": "track:track",
    "frame": "frame:frame",
    "videos": "videos:videos",
    "library": "library:app",
    "convert": "convert:convert",
    "anomalies": "anomalies:anomalies",
    "link": "link:link",
    "label": "compare:label",
    "doctor": "doctor:doctor",
    "prompts": "compare:app",
    "bench": "bench:bench",
    "eval": "eval:app",
    "train": "train:app",
    "pocket": "pocket:app",
    "world": "world:app",
    "models": "models_towers:app",
}
"""Command → module below this package, and the function or the group in it; in the help's order."""


class Commands(TyperGroup):
    """The group of all commands."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given | {"commands": None})
        self.commands: MutableMapping[str, Any] = _Loaded()


class _Loaded(MutableMapping[str, Any]):
    """Name → command, made when it is looked at."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _made(name, _HOMES[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*_HOMES, *self._made]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in _HOMES or name in self._made


def _made(name: str, home: str) -> Any:
    module, _, attribute = home.partition(":")
    found = getattr(importlib.import_module(f"seektrack.cli.{module}"), attribute)
    holder = typer.Typer(rich_markup_mode="rich")
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name)(found)
    return typer.main.get_group(holder).commands[name]
