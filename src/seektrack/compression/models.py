"""A model by name, exported: which of its networks become graphs, and what lies beside them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seektrack import checkpoints, defaults
from seektrack.checkpoints.graphs import GRAPH_PRECISIONS, GraphPrecision, Graphs, only_graphs
from seektrack.checkpoints.names import TRAJECTORY
from seektrack.checkpoints.presets import NOTE, note_of
from seektrack.compression import export
from seektrack.compression.installed import check_installed
from seektrack.compression.networks import (
    PREDICTORS,
    Network,
    Pictures,
    of_encoder,
    of_sam2,
    of_trajectory,
)
from seektrack.compression.sharing import WEIGHTS, share_weights
from seektrack.encoders import photographs
from seektrack.encoders.base import TEMPORAL
from seektrack.errors import InputError, ModelError
from seektrack.files import check_folder, new_files, write_text
from seektrack.segmentation import paired
from seektrack.types import Progress


def export_model(
    model: str | Path = defaults.MODEL,
    *,
    to: str | Path,
    precision: GraphPrecision = "fp32",
    resolution: int | None = None,
    pictures: Pictures = (),
    progress: Progress | None = None,
) -> list[Graphs]:
    """Write a model's networks as ONNX graphs, for use without torch.

    Every graph is run against torch, at sizes it was not written with, before it is believed. The folder is a
    model folder: ``--model FOLDER`` takes it.

    Args:
        model: A built-in name, ``ENCODER+SEGMENTER``, ``temporal``, ``lstm`` or ``transformer``, a folder
            or a hub id of the CLIP family, SAM 2, a temporal encoder or a trajectory predictor.
        to: Folder for the files; with two networks it gets the folders ``clip`` and ``sam2``.
        precision: ``fp32``; ``fp16``; or ``int8``, weights in eight bits. A part that would lose too much
            stays in fp32, and the note says so.
        resolution: Side of the square a SAM 2 sees, in pixels; the model's own if not given.
        pictures: RGB uint8 (H, W, 3), as they come in use: with ``int8`` activations are then held in eight
            bits too, over the ranges these pictures give, and objects followed through the first of them.
        progress: Called with ``(done, total, stage)``.

    Returns:
        What was written, one a network.

    Raises:
        InputError: An unknown precision, or pictures without int8.
        ModelError: The model is unknown, is graphs already, or cannot be written faithfully.
        OutputError: The folder cannot be written.
    """
    if precision not in GRAPH_PRECISIONS:
        raise InputError(
            f"there is no precision {precision!r} of graphs",
            hint=f"take one of {', '.join(GRAPH_PRECISIONS)}",
        )
    if len(pictures) and precision != "int8":
        raise InputError("pictures calibrate int8 only", hint="give precision='int8' with them")
    target = Path(to)
    check_folder(target)
    check_installed()
    name = str(model)
    halves = _halves(name)
    found = []
    for folder, network in _networks(_with_seconds(halves), resolution, progress):
        into = target / folder if folder else target
        found.append(_write(network, into, precision=precision, pictures=pictures, progress=progress))
    if len(halves) > 1:
        preset = checkpoints.parse_preset(name)
        write_text(target / NOTE, note_of(replace(preset, resolution=None)))
    return found


def export_beside(model: str | Path = defaults.MODEL, *, progress: Progress | None = None) -> list[Graphs]:
    """Write graphs beside a model's own weights, which they read: the folder then holds both forms once.

    Args:
        model: As for :func:`export_model`, on this machine.
        progress: Called with ``(done, total, stage)``.

    Returns:
        What was written, one a network.

    Raises:
        ModelError: The model is not in a folder of this machine with ``model.safetensors``.
        OutputError: The folder cannot be written.
    """
    found = []
    for kind, name, _ in _with_seconds(_halves(str(model))):
        folder = _own_folder(kind, name)
        with tempfile.TemporaryDirectory() as temporary:
            asked = name if kind in ("trajectory", "temporal") else str(folder)
            ((_, network),) = _networks([(kind, asked, "")], None, progress)
            written = _write(network, Path(temporary), progress=progress)
            with new_files(folder) as into:
                for one in (*(f.file for f in written.files.values()), "onnx.json"):
                    shutil.copyfile(Path(temporary) / one, into / one)
        placed = replace(written, folder=folder, model=name)
        for file in (WEIGHTS, photographs.WEIGHTS):
            if (folder / file).is_file():
                placed = share_weights(placed, folder / file)
        found.append(placed)
    return found


def _write(
    network: Network,
    into: Path,
    *,
    precision: GraphPrecision = "fp32",
    pictures: Pictures = (),
    progress: Progress | None = None,
) -> Graphs:
    held = network.calibrate(pictures) if len(pictures) and network.calibrate else None
    with new_files(into) as temporary:
        network.beside(temporary)
        graphs = export.write_graphs(
            network.parts,
            temporary,
            network.said,
            precision=precision,
            calibration=held,
            progress=progress,
        )
    return replace(graphs, folder=into)


def _own_folder(kind: str, name: str) -> Path:
    """Where a network lies, with its weights in one file.

    Raises:
        ModelError: It does not.
    """
    if kind == "trajectory":
        found = checkpoints.packaged_folder(f"trajectory/{name}") if name in PREDICTORS else Path(name)
    else:
        found = checkpoints.find(name, "mask" if kind == "sam2" else "text").folder or Path(name)
    if not (found / WEIGHTS).is_file():
        raise ModelError(
            f"the model {name!r} has no {WEIGHTS} on this machine that graphs could lie beside",
            hint="write them elsewhere: seektrack models export MODEL --to FOLDER",
        )
    return found


def _halves(name: str) -> list[tuple[str, str, str]]:
    """What is written: kind, name, and folder below the target."""
    folder = Path(name).expanduser()
    if name in PREDICTORS or checkpoints.model_type(folder) == TRAJECTORY:
        return [("trajectory", name, "")]
    if name == "temporal" or checkpoints.model_type(folder) == TEMPORAL:
        return [("temporal", name, "")]
    preset = checkpoints.parse_preset(name)
    if any(only_graphs(one) for one in (folder, folder / "clip", folder / "sam2")):
        raise ModelError(
            f"the model {name!r} is ONNX graphs already", hint="give the model they were made of"
        )
    both = [("clip", preset.clip, "clip"), ("sam2", preset.sam2, "sam2")]
    one = [(kind, half, "") for kind, half, _ in both if half == name]
    single = len(one) == 1 and name not in checkpoints.PRESETS
    return one if single else both


def _with_seconds(halves: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """The same, each set of weights of a segmenter that has two by itself, the second in a folder below."""
    found = []
    for kind, name, folder in halves:
        found.append((kind, name, folder))
        own = checkpoints.find(name, "mask").folder if kind == "sam2" else None
        if own is not None and paired.is_pair(own) and name != f"pocket:{paired.SETS[0]}":
            second = str(own / paired.SECOND) if name != defaults.MODEL else f"{name}:{paired.SETS[1]}"
            found.append((kind, second, f"{folder}/{paired.SECOND}".lstrip("/")))
    return found


def _networks(
    halves: Sequence[tuple[str, str, str]], resolution: int | None, progress: Progress | None
) -> Iterator[tuple[str, Network]]:
    for kind, name, folder in halves:
        if kind == "sam2":
            yield folder, of_sam2(name, resolution, progress)
        elif kind == "trajectory":
            yield folder, of_trajectory(name)
        else:
            yield folder, of_encoder(name, progress)
