"""``seektrack bench``: speed, latency and memory on this machine."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seektrack import defaults
from seektrack.cli.common import AsJson, Device, Model, Quiet, Screen, spare_threads
from seektrack.cli.values import PRECISION, check_value, completing
from seektrack.errors import ModelError

STAGES = ("follow", "search", "cold", "film")


def bench(
    model: Model = defaults.MODEL,
    device: Device = None,
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            "--runtime", metavar="NAME", help="torch, onnx or onnx:PROVIDER; may be repeated; torch and onnx."
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="TYPE",
            help="What torch computes in: fp32, bf16, on a GPU fp16; may be repeated.",
            autocompletion=completing(PRECISION),
        ),
    ] = None,
    objects: Annotated[
        list[int] | None,
        typer.Option("--objects", min=1, max=64, help="Objects followed at once; may be repeated; 1, 4, 16."),
    ] = None,
    resolution: Annotated[
        list[int] | None,
        typer.Option(
            "--resolution", min=64, max=4096, help="Side of what the segmenter sees; may be repeated."
        ),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            "--stage",
            metavar="NAME",
            help="follow, search, cold (a search from the shell) or film (one indexed, asked and followed by "
            "its name); may be repeated; all by default.",
            autocompletion=completing(STAGES),
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="1 and 8 objects, few frames: under two minutes on two cores.")
    ] = False,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile torch's image encoder first: a minute or more.")
    ] = False,
    reference: Annotated[
        bool, typer.Option("--reference/--no-reference", help="Whether transformers' loop runs beside.")
    ] = True,
    profile: Annotated[
        bool, typer.Option("--profile", help="Also tell what a frame's time is spent on.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for bench.json, bench.md and, with \\[plot], bench.png."),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure frames a second, latency and memory, beside transformers' own loop in the same run.

    Every contestant sees each frame before the next comes, so that a busy machine disturbs all alike. What
    cannot be measured here says why, and the exit status is then 4.
    """
    for one in precision or ():
        check_value("--precision", one, PRECISION)
    for one in stage or ():
        check_value("--stage", one, STAGES)
    spare_threads(model)
    from seektrack.evaluation.bench import (
        BenchSettings,
        Row,
        follow_rows,
        markdown,
        search_rows,
        whole_rows,
        write_bench,
    )

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = BenchSettings(
        model=model,
        device=device,
        runtimes=tuple(runtime or ("torch", "onnx")),
        precisions=tuple(precision or ("fp32",)),
        objects=tuple(objects or ((1, 8) if quick else (1, 4, 16))),
        resolutions=tuple(resolution or (None,)),
        rounds=4 if quick else 12,
        reference=reference,
        compiled=compiled,
    )
    wanted = tuple(stage or STAGES)
    rows: list[Row] = []
    parts: dict[str, dict[str, float]] = {}
    with screen.progress() as progress:
        if {"search", "cold"} & set(wanted):
            found = search_rows(settings, cold="cold" in wanted, progress=progress)
            rows += [row for row in found if row.stage == "cold" or "search" in wanted]
        if "film" in wanted:
            rows += whole_rows(settings, progress=progress)
        if "follow" in wanted:
            rows += follow_rows(settings, progress=progress, parts=parts if profile else None)
    if out is not None:
        written = write_bench(rows, out, parts=parts)
        if len(written) < 3 and importlib.util.find_spec("matplotlib") is None:
            screen.note("no picture: pip install 'seektrack[plot]'")

    def human(console: Console) -> None:
        console.print(markdown(rows, parts), markup=False, soft_wrap=True)

    screen.result({"rows": rows, "parts": parts}, human)
    if any(row.why for row in rows):
        raise typer.Exit(ModelError.exit_code)
