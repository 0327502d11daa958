"""Spellings of earlier versions: each is answered with the one that took its place."""

from __future__ import annotations

import shlex
from typing import Any

from typer.core import TyperGroup

from seektrack.errors import InputError

_ALWAYS = ("photos",)
_WITHOUT_DATA = ("clip", "sam2", "temporal", "trajectory")
"""Trainings of ``seektrack train`` that made the built-in weights again where no ``--data`` was given."""


class Moved(TyperGroup):
    """The group ``seektrack train``, which once held what is now ``seektrack pocket``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command.

        Raises:
            InputError: It has another name now.
        """
        name, given = args[0], args[1:]
        own = any(word == "--data" or word.startswith("--data=") for word in given)
        asks = {"--help", "-h"} & set(given)
        if name in _ALWAYS or (name in _WITHOUT_DATA and not own and not asks):
            now = shlex.join(["seektrack", "pocket", *args])
            if name in self.commands:
                raise InputError(
                    f"train {name} learns from data of your own, and there is no --data",
                    hint=f"add --data; to make a built-in model again: {now}",
                )
            raise InputError(f"train {name} is called pocket {name} now", hint=now)
        return super().resolve_command(ctx, args)
