"""``seektrack.toml``: every option of every command can stand in it, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from seektrack.cli import app, main
from seektrack.cli.own_defaults import VARIABLE, keys_of
from seektrack.library import LibraryStore


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)


def commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, child in getattr(command, "commands", {}).items():
        where = f"{path}.{name}" if path else name
        yield where, child
        yield from commands(child, where)


EVERY = dict(commands(typer.main.get_command(app)))


def ended(*args: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(args))
    return int(end.value.code or 0)


@pytest.mark.parametrize("path", [p for p, c in EVERY.items() if not hasattr(c, "commands")])
def test_every_option_of_every_command_is_taken_from_the_file(path: str, monkeypatch: pytest.MonkeyPatch):
    for variable in ("SEEKTRACK_LIBRARY", "SEEKTRACK_MODEL"):
        monkeypatch.delenv(variable, raising=False)
    command = EVERY[path]
    keys = keys_of(command)
    assert len(keys) == len(set(keys.values())) >= len(command.params) - 1
    for parameter in command.params:
        if parameter.name in keys.values():
            context = command.context_class(command, info_name=path, default_map={parameter.name: "mine"})
            taken, source = parameter.consume_value(context, {})
            assert (taken, source.name) == ("mine", "DEFAULT_MAP"), parameter.name


def test_what_the_file_says_is_the_default_and_the_command_line_goes_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with LibraryStore.create(tmp_path / "films", model="test", fingerprint="test", dim=8):
        pass
    (tmp_path / "seektrack.toml").write_text('[videos]\nlibrary = "films"\njson = true\n')
    assert ended("videos") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert ended("videos", "--library", "none") == 5


def test_a_file_named_by_the_environment_is_read_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "seektrack.toml").write_text("not toml at all")
    (tmp_path / "mine.toml").write_text('[videos]\nlibrary = "nowhere"\n')
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine.toml"))
    assert ended("videos") == 5
    assert "nowhere" in capsys.readouterr().err
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone.toml"))
    assert ended("videos") == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[serch]\n", "did you mean 'search'?"),
        ("[videos]\nlibary = 'x'\n", "did you mean 'library'?"),
        ("videos = 5\n", "must be a section"),
        ("[videos\n", "is no TOML"),
        ("[videos]\nlibrary = []\n", "library"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "seektrack.toml").write_text(content)
    assert ended("videos") in (2, 5)
    assert said in " ".join(capsys.readouterr().err.split())
