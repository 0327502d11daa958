"""One word for one thing: what the glossary says of words, held over the help texts of every command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from seektrack.cli import app

PAGE = Path(__file__).resolve().parents[2] / "docs/glossary.md"
NETWORK = re.compile(r"\bclip/|\bCLIP\b")
"""How a network of the kind is spoken of; any other "clip" would be a piece of video."""


def words() -> dict[str, str]:
    return dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)[1:])


def help_texts(command: Any, path: str = "seektrack") -> Iterator[tuple[str, str]]:
    yield path, command.help or ""
    for parameter in command.params:
        yield f"{path} {parameter.opts[0]}", getattr(parameter, "help", None) or ""
    for name, child in getattr(command, "commands", {}).items():
        yield from help_texts(child, f"{path} {name}")


def test_each_word_is_told_once_and_in_its_meaning() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)[1:]
    told = words()
    assert len(rows) == len(set(rows)) > 50
    assert "a stretch" in told["clip"] and "a scene" in told["clip"]
    assert {"stretch", "scene", "moment"} <= set(told)


def test_no_help_text_calls_a_piece_of_video_a_clip() -> None:
    every = list(help_texts(typer.main.get_command(app)))
    assert any("stretch" in text for _, text in every)
    wrong = [where for where, text in every if re.search(r"\bclips?\b", NETWORK.sub("", text), re.IGNORECASE)]
    assert wrong == []
