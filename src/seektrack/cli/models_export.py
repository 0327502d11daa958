"""``seektrack models export``: a model as ONNX graphs, which run without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from seektrack.cli.common import AsJson, Quiet, Screen, quoted, table
from seektrack.cli.models import app
from seektrack.cli.values import GRAPH_PRECISION, check_value, complete_model, completing
from seektrack.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seektrack.checkpoints.graphs import Graphs

__all__ = ["app", "export"]

_KIB = 1024


@app.command()
def export(
    model: Annotated[
        str,
        typer.Argument(
            help="A built-in name such as pocket, ENCODER+SEGMENTER, temporal, lstm, transformer, a folder or"
            " a hub id.",
            autocompletion=complete_model,
        ),
    ],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Folder for the graphs: a model folder.")
    ] = None,
    beside: Annotated[
        bool,
        typer.Option(
            "--beside", help="Instead of --to: beside the model's own weights, which they then read."
        ),
    ] = False,
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="TYPE",
            help="fp32; fp16, for GPUs; or int8, weights in eight bits. What would lose too much stays fp32.",
            autocompletion=completing(GRAPH_PRECISION),
        ),
    ] = "fp32",
    resolution: Annotated[
        int | None,
        typer.Option(
            "--resolution", min=64, max=4096, help="Side of the square the segmenter sees, a multiple of 32."
        ),
    ] = None,
    calibrate: Annotated[
        str | None,
        typer.Option(
            "--calibrate",
            metavar="VIDEO",
            help="With int8: frames of this video or folder say in which range activations lie, so that they"
            " are held in eight bits too.",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write a model as ONNX graphs, and see that they answer as torch does.

    The folder is a model folder: give it as --model. Each graph is run against torch at several sizes; one
    that answers otherwise is refused.
    """
    check_value("--precision", precision, GRAPH_PRECISION)
    if calibrate is not None and precision != "int8":
        raise InputError("--calibrate is for int8", hint="add --precision int8, or leave --calibrate out")
    if (to is None) != beside:
        raise InputError("give either --to FOLDER or --beside", hint="--to FOLDER writes a model folder")
    if beside and (precision != "fp32" or resolution is not None):
        raise InputError("--beside writes fp32 at the model's own resolution", hint="take --to FOLDER")
    from seektrack.compression.installed import check_installed

    check_installed()
    from seektrack.compression import export_beside, export_model

    screen = Screen(quiet=quiet, as_json=as_json)
    given: Any = precision
    with screen.progress() as progress:
        pictures = [] if calibrate is None else frames_of(calibrate)
        if to is None:
            found = export_beside(model, progress=progress)
        else:
            found = export_model(
                model, to=to, precision=given, resolution=resolution, pictures=pictures, progress=progress
            )
    used = ["--model", quoted(to)] if to is not None else ["--model", model, "--runtime", "onnx"]

    def human(console: Console) -> None:
        shown = table("network", "graph", "type", "size", "off torch", right=("size", "off torch"))
        for graphs in found:
            for name, one in graphs.files.items():
                size = f"{one.size / _KIB:.0f} KiB"
                shown.add_row(graphs.kind, name, one.precision, size, f"{one.error:.1e}")
        console.print(shown)
        for graphs in found:
            for name, one in graphs.files.items():
                if one.why:
                    console.print(f"{name} stays {one.precision}: {one.why}")
        console.print("use it with " + " ".join(used))

    screen.result(
        {"folder": None if to is None else str(to), "networks": [_told(graphs) for graphs in found]}, human
    )


def _told(graphs: Graphs) -> dict[str, Any]:
    told = graphs.to_json()
    return {key: told[key] for key in ("kind", "model", "fingerprint", "opset", "precision", "graphs")} | {
        "folder": str(graphs.folder)
    }


CALIBRATION_FRAMES = 24
"""Frames that say in which range activations lie; more change it little."""


def frames_of(source: str) -> list[NDArray[np.uint8]]:
    """Frames of a video or folder, evenly over it."""
    from seektrack.video import open_video

    with open_video(source) as opened:
        total = opened.info.n_frames or 0
        every = max(1, total // CALIBRATION_FRAMES)
        chosen = []
        for frame in opened:
            if frame.index % every == 0:
                chosen.append(frame.image)
            if len(chosen) == CALIBRATION_FRAMES:
                break
    return chosen
