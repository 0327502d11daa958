"""The documentation against the program: its commands parse, its imports resolve, its links lead on."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import os
import re
import shlex
from pathlib import Path

import pytest
import typer

import seektrack
from seektrack import limits
from seektrack.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [body for lang, body in FENCE.findall(page.read_text(encoding="utf-8")) if lang == language]


def command_lines() -> list[str]:
    inline = re.compile(r"`(seektrack [^`]+)`")
    shown = [block for page in PAGES for language in ("", "sh") for block in blocks(page, language)]
    lines = {line for block in shown for line in block.splitlines()}
    lines |= {found for page in PAGES for found in inline.findall(page.read_text(encoding="utf-8"))}
    return sorted(line for line in lines if line.startswith("seektrack "))


def python_blocks() -> list[tuple[str, str]]:
    return [(f"{page.name}-{i}", body) for page in PAGES for i, body in enumerate(blocks(page, "python"))]


@pytest.mark.parametrize("line", command_lines())
def test_every_command_shown_is_one_the_program_understands(line: str):
    args = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app)
    while args and args[0] in getattr(command, "commands", {}):
        command = command.commands[args.pop(0)]
    if args:
        command.make_context("seektrack", args)


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in python_blocks()])
def test_every_example_compiles_and_its_imports_resolve(body: str):
    imports = [node for node in ast.walk(ast.parse(body)) if isinstance(node, ast.ImportFrom)]
    missing = [
        f"{node.module}.{alias.name}"
        for node in imports
        for alias in node.names
        if not hasattr(importlib.import_module(node.module or ""), alias.name)
    ]
    assert missing == []


@pytest.mark.parametrize("page", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in PAGES])
def test_every_link_inside_leads_to_a_file(page: Path):
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert broken == []


def test_every_format_is_in_the_guide():
    from seektrack.outputs import FORMATS

    page = (ROOT / "docs/guide/outputs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| `([\w./-]+)` \|.*\|$", page, re.MULTILINE)
    assert {(name, file.rstrip("/")) for name, file in rows} == {
        (f.name, f.filename) for f in FORMATS.values()
    }
    assert "Every one of them is read back" in page
    assert [f.name for f in FORMATS.values() if f.read is None] == []


def test_every_tracker_and_grounder_is_in_the_guide():
    from seektrack.grounding import GROUNDERS
    from seektrack.tracking import TRACKERS

    page = (ROOT / "docs/guide/detections.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([\w:-]+)` \|", page, re.MULTILINE))
    takes = {f"{k.name}:{k.takes}" if k.takes else k.name for k in GROUNDERS.values()}
    assert rows == takes | set(TRACKERS)


def test_every_environment_variable_is_in_the_guide():
    source = Path(seektrack.__file__).parent
    names = {
        n for p in source.rglob("*.py") for n in re.findall(r"\bSEEKTRACK_[A-Z_]+\b", p.read_text("utf-8"))
    }
    names -= {"SEEKTRACK_"}
    names |= {limits.variable(field.name) for field in dataclasses.fields(limits.Limits)}
    page = "".join((ROOT / "docs/guide" / n).read_text(encoding="utf-8") for n in ("README.md", "videos.md"))
    assert names
    assert {n for n in names if f"`{n}" not in page} == set()


def test_every_exit_status_is_in_the_guide():
    page = (ROOT / "docs/guide/README.md").read_text(encoding="utf-8")
    told = {int(n) for n in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    errors = [e for e in vars(seektrack.errors).values() if isinstance(e, type)]
    assert {e.exit_code for e in errors} | {0, 130} == told


def test_every_decision_is_listed():
    folder = ROOT / "docs/adr"
    page = (folder / "README.md").read_text(encoding="utf-8")
    numbered = sorted(p.name for p in folder.glob("[0-9]*.md"))
    assert [n for n in numbered if f"({n})" not in page] == []
    assert [int(n[:4]) for n in numbered] == list(range(1, len(numbered) + 1))


def test_the_run_script_can_be_run():
    assert os.access(ROOT / ".ci/run", os.X_OK)
