"""Writing a network as ONNX: every part is run against torch before it is believed."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seektrack.checkpoints.graphs import (
    GRAPH_PRECISIONS,
    NOTE,
    OPSET,
    GraphFile,
    GraphPrecision,
    Graphs,
    Kind,
    file_digest,
)
from seektrack.compression.installed import check_installed
from seektrack.compression.parts import GraphPart
from seektrack.compression.smaller import Calibration, halved, make_smaller, ways
from seektrack.errors import ModelError
from seektrack.files import write_json
from seektrack.types import Progress

TOLERANCE: Mapping[GraphPrecision, float] = {"fp32": 1e-4, "fp16": 2e-2, "int8": 6.5e-2}
"""Largest difference from torch, as a part of the size of the answer, that is believed."""


@dataclass(frozen=True, eq=False)
class Written:
    """What else a folder of graphs says of itself, see ``Graphs``."""

    kind: Kind
    model: str
    fingerprint: str
    settings: Mapping[str, Any]


def write_graphs(
    parts: Sequence[GraphPart],
    folder: Path,
    said: Written,
    *,
    precision: GraphPrecision = "fp32",
    calibration: Calibration | None = None,
    progress: Progress | None = None,
) -> Graphs:
    """Write parts and their note into a folder that exists.

    A part that does not compute well enough in the precision asked for is written in fp32, and the note says
    why.

    Args:
        parts: At least one.
        folder: For the files.
        said: What the note tells beside.
        precision: ``fp32``, ``fp16`` or ``int8``.
        calibration: By part, inputs as they come in use, for static int8; dynamic without.
        progress: Called with ``(done, total, stage)``.

    Raises:
        ModelError: torch cannot write a part, or what was written in fp32 answers otherwise than torch.
    """
    check_installed()
    if precision not in GRAPH_PRECISIONS:
        raise ModelError(
            f"there is no precision {precision!r} of graphs",
            hint=f"take one of {', '.join(GRAPH_PRECISIONS)}",
        )
    files: dict[str, GraphFile] = {}
    for done, part in enumerate(parts):
        if progress:
            progress(done, len(parts), f"writing {part.name}")
        path = folder / f"{part.name}.onnx"
        _write_one(part, path)
        error = difference(part, path)
        if not error <= TOLERANCE["fp32"]:
            raise ModelError(
                f"the graph of {part.name} answers otherwise than torch: {error:.2g} off, "
                f"{TOLERANCE['fp32']:g} is allowed",
                hint="its layers cannot be written faithfully by this torch; use the model with torch",
            )
        used, why = precision, ""
        if precision != "fp32":
            used, error, why = _smaller(part, path, precision, error, (calibration or {}).get(part.name))
        files[part.name] = GraphFile(
            path.name, path.stat().st_size, file_digest(path), used, float(f"{error:.3g}"), why
        )
    if progress:
        progress(len(parts), len(parts), "writing")
    found = Graphs(
        folder, said.kind, said.model, said.fingerprint, OPSET, precision, dict(said.settings), files
    )
    write_json(folder / NOTE, found.to_json(), indent=1)
    return found


def _smaller(
    part: GraphPart,
    path: Path,
    precision: GraphPrecision,
    error: float,
    calibration: Sequence[Mapping[str, NDArray[Any]]] | None,
) -> tuple[GraphPrecision, float, str]:
    """Replace a graph by a smaller one if that still answers alike: what it is, how far off, and why not."""
    ranges, judged = halved(calibration or ())
    candidate, why = path.with_suffix(".smaller"), ""
    for way in ways(precision, calibrated=bool(ranges)):
        try:
            off, told = _tried(part, path, candidate, way, precision, ranges, judged)
            if not told:
                candidate.replace(path)
                return precision, off, ""
            why = why or told
        finally:
            candidate.unlink(missing_ok=True)
    return "fp32", error, why


def _tried(
    part: GraphPart,
    path: Path,
    candidate: Path,
    way: str,
    precision: GraphPrecision,
    ranges: Sequence[Mapping[str, NDArray[Any]]],
    judged: Sequence[Mapping[str, NDArray[Any]]],
) -> tuple[float, str]:
    """Write a candidate: how far off it is, and why it is not taken."""
    try:
        if not make_smaller(path, candidate, way, ranges):
            return 0.0, f"nothing in it can be {precision}"
        off = difference(part, candidate, judged)
    except Exception as failed:  # a kernel may lack for what its tools wrote; both raise types of their own
        said = (str(failed).strip() or type(failed).__name__).splitlines()[0]
        return 0.0, f"{precision} cannot be run: {said[:80]}"
    if not off <= TOLERANCE[precision]:
        return off, f"{precision} is {off:.2g} off, {TOLERANCE[precision]:g} is allowed"
    if candidate.stat().st_size >= path.stat().st_size:
        return off, f"{precision} is no smaller"
    return off, ""


def _write_one(part: GraphPart, path: Path) -> None:
    dynamic = tuple(
        dict.fromkeys(part.dynamic.get(name, {}), torch.export.Dim.DYNAMIC) for name in part.inputs
    )
    module = part.module.eval()
    with _silence(), torch.no_grad():
        try:
            torch.onnx.export(
                module,
                tuple(part.inputs.values()),
                str(path),
                input_names=list(part.inputs),
                output_names=list(part.outputs),
                dynamic_shapes=dynamic,
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # the exporter raises dozens of types
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(
                f"torch cannot write {part.name} as ONNX: {said[:200]}",
                hint="use the model with --runtime torch",
            ) from error
    _settle(path, part.name)


def _settle(path: Path, name: str) -> None:
    """See that a graph is of the operator set asked for, and leave out where in the source its nodes were."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    found = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)
    if found != OPSET:
        raise ModelError(
            f"torch wrote {name} in opset {found}, {OPSET} was asked for",
            hint="another version of onnxscript may: pip install -U onnxscript",
        )
    graph = model.graph
    for one in (*graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del one.metadata_props[:]
        one.doc_string = ""
    del graph.metadata_props[:], model.metadata_props[:]
    path.write_bytes(model.SerializeToString())


def difference(part: GraphPart, path: Path, examples: Sequence[Mapping[str, NDArray[Any]]] = ()) -> float:
    """How far a graph is from its part, the largest over examples and outputs, relative to the answers.

    Of each answer the root of the mean square is taken; infinite where it is not finite or of another shape.
    ``examples`` are inputs as they come in use; the part's own, which are noise, without.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4  # what fails is told by the caller
    options.intra_op_num_threads = max(1, torch.get_num_threads())
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    worst = 0.0
    own = [{name: torch.from_numpy(value) for name, value in one.items()} for one in examples]
    for inputs in own or (dict(part.inputs), *part.others()):
        with torch.no_grad():
            wanted = part.module(*inputs.values())
        told = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        for want, got in zip(_several(wanted), told, strict=True):
            worst = max(worst, _off(want.float().numpy(), np.asarray(got)))
    return worst


def _off(want: NDArray[np.floating], got: NDArray[np.floating]) -> float:
    if want.shape != got.shape or not np.isfinite(got).all():
        return float("inf")
    size = float(np.sqrt(np.mean(np.square(want, dtype=np.float64))))
    off = float(np.sqrt(np.mean(np.square(want.astype(np.float64) - got))))
    return off / max(size, 1e-6)


def _several(out: Any) -> Sequence[Tensor]:
    return (out,) if isinstance(out, Tensor) else tuple(out)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The exporter draws and warns on the terminal; nothing of it is for the user."""
    names = ("torch.onnx", "torch.onnx._internal.exporter._registration", "onnxscript", "torch.export")
    levels = {name: logging.getLogger(name).level for name in names}
    fast = torch.backends.mha.get_fastpath_enabled()
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.backends.mha.set_fastpath_enabled(False)  # its joined layer is no operator of ONNX
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
