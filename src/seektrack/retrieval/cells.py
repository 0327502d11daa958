"""Text for the cells of tables, such that no spreadsheet takes it for a formula."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: str) -> str:
    """The text, with an apostrophe before it where it begins with ``= + - @`` or a tab."""
    return f"'{value}" if value.lstrip("'").startswith(_FORMULA) else value


def plain_cell(value: str) -> str:
    """The reverse of `safe_cell`."""
    return value[1:] if value.startswith("'") and value.lstrip("'").startswith(_FORMULA) else value
