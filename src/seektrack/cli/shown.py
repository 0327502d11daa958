"""What reaches a terminal: text as it is, never as markup, and nothing a terminal would obey."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

# Escapes and other controls (ECMA-48, C0 and C1) but tab and line feed; marks that turn the direction of
# writing (Unicode TR 36); bytes of a file name that are no text, which Python carries as lone surrogates.
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NOT_IN_JSON = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str) -> str:
    r"""Text that any terminal only shows: controls and broken characters are written out.

    >>> shown("a\x1b[2Jb\udce9.mp4")
    'a\\x1b[2Jb\\xe9.mp4'
    """
    return _UNSHOWN.sub(_written_out, text)


def name_shown(name: str) -> str:
    r"""The name of a file on one line, whatever is in it.

    >>> name_shown("a\nb.mp4")
    'a\\nb.mp4'
    """
    return shown(name.replace("\n", "\\n").replace("\t", "\\t"))


def one_line(text: object) -> str:
    """Text on one line, line feeds and runs of blanks made one blank each."""
    return shown(" ".join(str(text).split()))


def as_json(value: object, *, indent: int | None = None) -> str:
    """JSON in which what is no text, or would steer a terminal, is escaped; it reads back the same."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class PlainConsole(Console):
    """A console to which text is text: ``[bold]``, ``:smile:`` and escape sequences are shown as typed."""

    def __init__(self, *, file: IO[str] | None = None, stderr: bool = False, **options: Any) -> None:
        super().__init__(file=file, stderr=stderr, highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A text as Rich keeps it, made harmless before it is measured."""
        return super().render_str(shown(text), **options)

    def on_broken_pipe(self) -> None:
        """Say so, where Rich would end the process without a word."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces of a renderable, those that hold text made harmless."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(shown(piece.text), piece.style)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
