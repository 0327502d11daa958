"""The packages only some videos need."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from seektrack.errors import VideoError


def require_medical(name: str, path: Path) -> Any:
    """Import pydicom or nibabel.

    Args:
        name: Of the module.
        path: What is to be read with it, for the message.

    Raises:
        VideoError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise VideoError(
            f"cannot read {path}: the package {name.partition('.')[0]} is not installed",
            hint="pip install 'seektrack[medical]'",
        ) from error
