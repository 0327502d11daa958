"""The house in order: no definition that nobody uses, a default told once, one name for one thing."""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import seektrack
from seektrack import Library, defaults, search_and_track, track_objects, track_videos
from seektrack.cli import app
from seektrack.evaluation.retrieval import evaluate_retrieval
from seektrack.pipeline import watch
from seektrack.segmentation import PropagationSettings
from seektrack.tracking import EngineSettings, IdentitySettings
from seektrack.training.finetune import FinetuneRecipe
from seektrack.training.sam2 import Sam2Finetune
from seektrack.training.temporal import TemporalRecipe
from seektrack.training.trajectory import TrajectoryRecipe

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(Path(seektrack.__file__).parent.rglob("*.py"))
ASKED_BY_OTHERS = {"on_broken_pipe", "_sym_db", "get_next"}
"""Names a library looks for, or its generator writes."""
HANDED_ON = {"model_validator", "field_validator"}
"""Decorators that give a definition to a library, which calls it."""


def is_registered(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether a decorator hands the definition to somebody who calls it, as a route or a command."""
    calls = [d.func for d in node.decorator_list if isinstance(d, ast.Call)]
    return any(isinstance(call, ast.Attribute) or call.id in HANDED_ON for call in calls)


def defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not is_registered(
            node
        ):
            yield node.name
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def test_every_definition_is_used_somewhere():
    folders = ("src", "tests", "benchmarks", "docs")
    files = [f for folder in folders for f in (ROOT / folder).rglob("*") if f.suffix in (".py", ".md")]
    words = Counter(word for file in files for word in re.findall(r"\w+", file.read_text(encoding="utf-8")))
    names = {name for source in SOURCES for name in defined(ast.parse(source.read_text(encoding="utf-8")))}
    names -= {name for name in names if name.startswith("__")} | ASKED_BY_OTHERS
    assert "track_objects" in names
    assert sorted(name for name in names if words[name] == 1) == []


def test_what_tells_progress_is_defined_once():
    same = re.compile(r"^\w+ = Callable\[\[int, int, str\], None\]", re.MULTILINE)
    homes = [s.name for s in SOURCES if same.search(s.read_text(encoding="utf-8"))]
    assert homes == ["types.py"]


def command_defaults(path: str) -> dict[str, Any]:
    command: Any = typer.main.get_command(app)
    for name in path.split():
        command = command.commands[name]
    return {p.name: p.default for p in command.params if p.default is not None}


@pytest.mark.parametrize(
    ("command", "door", "but"),
    [
        ("index", Library.index, {}),
        ("search", Library.search, {}),
        ("search", Library.hits, {}),
        ("search", Library.sequences, {}),
        ("live", watch, {}),
        ("track", track_videos, {"out"}),
        ("track", search_and_track, {"out"}),
        ("track", PropagationSettings, {}),
        ("track", EngineSettings, {"precision"}),
        ("track", IdentitySettings, {}),
        ("eval retrieval", evaluate_retrieval, {"temporal"}),
        ("train clip", FinetuneRecipe, {}),
        ("train sam2", Sam2Finetune, {"held_out"}),
        ("pocket temporal", TemporalRecipe, {}),
        ("pocket trajectory", TrajectoryRecipe, {}),
    ],
)
def test_a_command_takes_what_python_takes_where_nothing_is_said(
    command: str, door: Callable[..., Any], but: set[str]
) -> None:
    typed = command_defaults(command)
    python = {n: p.default for n, p in inspect.signature(door).parameters.items() if n in typed}
    shared = {n: v for n, v in python.items() if v not in (None, inspect.Parameter.empty) and n not in but}
    assert shared, "nothing to compare"
    assert {n: typed[n] for n in shared} == shared


def test_a_default_stands_in_one_place():
    told = {n: v for n, v in vars(defaults).items() if n.isupper()}
    assert set(told) >= {"MODEL", "K", "TOP", "FORMATS", "SAMPLING", "EVERY"}
    doors = (Library.index, Library.search, watch, track_objects, search_and_track, PropagationSettings)
    for door in doors:
        written = inspect.getsource(door).split('"""')[0]
        again = [
            n
            for n, v in told.items()
            if re.search(rf"\b{n.lower()}: [^=\n]* = {re.escape(repr(v))}", written)
        ]
        assert again == [], f"{door.__name__} says {again} again; take it from seektrack.defaults"
