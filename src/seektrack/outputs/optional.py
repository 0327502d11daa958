"""Libraries that only some formats need."""

from __future__ import annotations

import importlib
from typing import Any

from seektrack.errors import InputError


def needed(name: str, extra: str) -> Any:
    """Import a module.

    Args:
        name: Of the module.
        extra: The extra of seektrack that brings it.

    Raises:
        InputError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"the package {name.partition('.')[0]} is not installed", hint=f"pip install 'seektrack[{extra}]'"
        ) from error
