"""Which model a library was made with, without opening it: light enough to be asked before torch loads."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from seektrack.errors import LibraryError, ModelError
from seektrack.library import database
from seektrack.library.address import backend_of

MODEL_VARIABLE = "SEEKTRACK_MODEL"
"""Environment variable with the model to use where none is named and no library says."""


def made_with(folder: str | Path | None) -> str | None:
    """The model of a library as ``--model`` takes it.

    None where there is no library that can be read; opening it says why.
    """
    if folder is None:
        return None
    meta = _said_by(folder)
    asked, model = meta.get("asked"), meta.get("model")
    from seektrack.checkpoints import parse_model

    with contextlib.suppress(ModelError):
        return asked if asked and parse_model(asked)[0] == model else model
    return model


def _said_by(folder: str | Path) -> Mapping[str, str]:
    with contextlib.suppress(LibraryError, sqlite3.Error, OSError, ValueError, ImportError):
        if backend_of(folder) == "lance":
            from seektrack.library.lance.reader import said_by

            return said_by(folder)
        path = Path(folder).expanduser() / database.FILE_NAME
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        ) as connection:
            asked = "SELECT key, value FROM meta WHERE key IN ('model', 'asked', 'fingerprint')"
            return dict(connection.execute(asked))
    return {}


def taught_for(folder: str | Path, model: str | None) -> bool:
    """Whether a model is a folder that was taught names, and its pictures' vectors are a library's own.

    Such a library can be asked with it as it is.
    """
    from seektrack.checkpoints import find, folder_fingerprint, parse_model
    from seektrack.checkpoints.fingerprints import NAMES_FILE

    with contextlib.suppress(ModelError, OSError):
        there = find(parse_model(model)[0], "text").folder if model else None
        if there is not None and (there / NAMES_FILE).is_file():
            return folder_fingerprint(there) == _said_by(folder).get("fingerprint")
    return False


def model_for(folder: str | Path | None, asked: str | None = None) -> str:
    """The model to use with a library: the one asked for, the library's own, SEEKTRACK_MODEL, or pocket."""
    return asked or made_with(folder) or os.environ.get(MODEL_VARIABLE) or "pocket"
