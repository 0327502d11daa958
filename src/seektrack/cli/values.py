"""What options may be set to, known without loading a network: for early errors and for shell completion."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import typer

from seektrack.checkpoints.names import PRESETS
from seektrack.pipeline.follow_words import (
    ANOMALIES,
    FLOW,
    POST,
    PRECISION,
    PREDICTORS,
    PROPAGATION,
    REFINE,
    REMEMBER,
    check_value,
)

__all__ = [
    "ANOMALIES",
    "FLOW",
    "POST",
    "PRECISION",
    "PREDICTORS",
    "PROPAGATION",
    "REFINE",
    "REMEMBER",
    "check_value",
]

RUNTIMES = ("torch", "onnx", "onnx:cpu", "onnx:cuda", "onnx:tensorrt", "onnx:openvino")
DEVICES = ("cpu", "cuda", "mps")
GRAPH_PRECISION = ("fp32", "fp16", "int8")
CACHE = ("raw", "jpeg")
FILTERS = ("nlm", "bilateral", "gaussian", "clahe")
SAMPLING = ("adaptive", "keyframes", "fps=2", "every=5")
REGIONS = ("objects", "tiles", "none")
ANN = ("auto", "flat", "ivf-sq8", "ivf-pq", "hnsw")
RENDERS = ("auto", "fill", "outline", "cut-out", "matte", "blur", "blur-others")
ONLY = ("objects", "frames")
RANK_BY = ("confidence", "cosine", "centred", "whitened", "qb-norm")
TEMPLATES = ("auto", "none", "basic", "enriched", "adaptive", "multilingual", "library")
LAYOUTS = ("mp4", "davis", "youtube-vos", "mot", "coco", "flickr30k", "msr-vtt", "dicom", "nifti")

Complete = Callable[[str], list[str]]


def completing(values: Iterable[str]) -> Complete:
    """Completion of one value."""
    known = tuple(values)

    def complete(incomplete: str) -> list[str]:
        return [value for value in known if value.startswith(incomplete)]

    return complete


def completing_several(values: Iterable[str]) -> Complete:
    """Completion of the last of several values by commas."""
    known = tuple(values)

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [before + comma + value for value in known if value.startswith(last)]

    return complete


def formats() -> tuple[str, ...]:
    """Every format, and log, tracks are written in."""
    from seektrack.outputs.registry import written_forms

    return tuple(written_forms())


def complete_format(incomplete: str) -> list[str]:
    """A format tracks are written in."""
    return completing(formats())(incomplete)


def complete_tracker(incomplete: str) -> list[str]:
    """A tracker by name."""
    from seektrack.tracking import TRACKERS

    return completing(TRACKERS)(incomplete)


def complete_model(incomplete: str) -> list[str]:
    """Built-in names, and folders that hold a model."""
    parent, _, start = incomplete.rpartition("/")
    folder = Path(parent or ("/" if incomplete.startswith("/") else "."))
    found = [name for name in PRESETS if name.startswith(incomplete)]
    try:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.name.startswith(start) and not entry.name.startswith(".") and entry.is_dir():
                inside = set(os.listdir(entry.path))
                if inside & {"config.json", "clip", "sam2"}:
                    found.append(
                        f"{parent}/{entry.name}" if parent or incomplete.startswith("/") else entry.name
                    )
    except OSError:
        pass
    return found


def complete_video(context: typer.Context, incomplete: str) -> list[str]:
    """Videos of the library that the command line names so far, or of the usual one."""
    library = context.params.get("library") or os.environ.get("SEEKTRACK_LIBRARY") or "seektrack-library"
    file = Path(library, "library.sqlite")
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=0.2)) as opened:
            paths = [str(path) for (path,) in opened.execute("SELECT path FROM videos ORDER BY path")]
    except sqlite3.Error:
        return []
    here = os.getcwd() + os.sep
    shown = [path[len(here) :] if path.startswith(here) else path for path in paths]
    return [path for path in shown if path.startswith(incomplete)]


def option(name: str, *more: str, values: Iterable[str] | None = None, help: str, **how: Any) -> Any:
    """A Typer option whose values a shell completes."""
    if values is not None:
        how["autocompletion"] = completing(values)
    return typer.Option(name, *more, help=help, **how)
