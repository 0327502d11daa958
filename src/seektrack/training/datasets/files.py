"""Reading the files of data sets, with one clear error when they are not what they should be."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seektrack.errors import InputError

VOID = 255


def require_file(path: Path, *, what: str) -> Path:
    """The path, if a file lies there.

    Raises:
        InputError: None does; the message says ``what`` was looked for.
    """
    if not path.is_file():
        raise InputError(f"no {what}: {path}", hint="see docs/guide/data.md for where each file lies")
    return path


def require_folder(path: Path, *, what: str) -> Path:
    """The path, if a folder lies there.

    Raises:
        InputError: None does; the message says ``what`` was looked for.
    """
    if not path.is_dir():
        raise InputError(f"no {what}: {path}", hint="see docs/guide/data.md for where each folder lies")
    return path


def read_text(path: Path, *, what: str) -> str:
    """A text file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: Missing, or not text.
    """
    try:
        return require_file(path, what=what).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the {what} {path}: {error}", hint="it must be UTF-8 text") from error


def read_json(path: Path, *, what: str, needs: Sequence[str]) -> dict[str, Any]:
    """A JSON object.

    Args:
        path: The file.
        what: Its role, for messages.
        needs: Keys it must have.

    Raises:
        InputError: Missing, no JSON, no object, or without a key it needs.
    """
    try:
        data = json.loads(read_text(path, what=what))
    except json.JSONDecodeError as error:
        raise InputError(
            f"the {what} {path} is not JSON: {error}", hint="was it downloaded whole?"
        ) from error
    missing = [key for key in needs if not isinstance(data, dict) or key not in data]
    if missing:
        found = ", ".join(data) if isinstance(data, dict) else type(data).__name__
        raise InputError(
            f"the {what} {path} lacks {', '.join(missing)}; it has {found or 'nothing'}",
            hint="is it the file of another data set?",
        )
    return dict(data)


def read_lines(path: Path, *, what: str) -> list[str]:
    """The lines of a list of names, stripped, empty ones left out.

    Raises:
        InputError: Missing, or not text.
    """
    return [line.strip() for line in read_text(path, what=what).splitlines() if line.strip()]


def read_table(path: Path, *, what: str, delimiter: str = ",") -> list[dict[str, str]]:
    """The rows of a table whose first line names its columns.

    Raises:
        InputError: Missing, or not text.
    """
    lines = read_text(path, what=what).splitlines()
    rows = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True, strict=False)
    return [{(k or "").strip(): v for k, v in row.items() if isinstance(v, str)} for row in rows]
