"""Graphs that read their weights from the safetensors beside them: a model in both forms, held once.

ONNX can point into any file for the raw bytes of a weight, and safetensors holds raw bytes. A weight held
in half precision is widened when the graph is opened; a matrix the exporter turned is turned there too.
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.checkpoints.graphs import Graphs, file_digest
from seektrack.errors import ModelError
from seektrack.files import new_file, write_json

WEIGHTS = "model.safetensors"
_FEWEST = 256
"""Numbers below which a weight stays in the graph."""
_TYPES: dict[str, tuple[np.dtype[Any], int]] = {"F16": (np.dtype("<f2"), 10), "F32": (np.dtype("<f4"), 1)}
"""safetensors' types → numpy's, and ONNX's number of them."""


def share_weights(graphs: Graphs, weights: Path) -> Graphs:
    """Take the weights out of a folder's graphs that lie in a safetensors file beside them.

    Args:
        graphs: In the folder of ``weights``; they are written anew.
        weights: The file the graphs were made of.

    Returns:
        What the note tells now.

    Raises:
        ModelError: The file lies elsewhere.
    """
    if weights.parent.resolve() != graphs.folder.resolve():
        raise ModelError(f"{weights} does not lie beside the graphs in {graphs.folder}", hint="copy it there")
    held = _held(weights)
    files = {}
    for name, one in graphs.files.items():
        path = graphs.folder / one.file
        if one.weights:  # reads another file already
            files[name] = one
            continue
        shared = _share(path, held, weights.name)
        files[name] = replace(
            one,
            size=path.stat().st_size,
            digest=file_digest(path),
            weights=weights.name if shared else "",
        )
    changed = replace(graphs, files=files)
    write_json(graphs.folder / "onnx.json", changed.to_json(), indent=1)
    return changed


_Place = tuple[int, int, int, tuple[int, ...], bool]
"""Offset and length in bytes, ONNX's type, shape in the file, and whether it is to be turned."""


def _held(weights: Path) -> dict[bytes, _Place]:
    """Where values lie in a file, by the bytes of their float32 form and shape."""
    raw = weights.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header: dict[str, Any] = json.loads(raw[8 : 8 + length])
    found: dict[bytes, _Place] = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] not in _TYPES:
            continue
        kind, number = _TYPES[entry["dtype"]]
        first, last = (8 + length + at for at in entry["data_offsets"])
        shape = tuple(int(side) for side in entry["shape"])
        values = np.frombuffer(raw[first:last], dtype=kind).reshape(shape).astype(np.float32)
        if values.size < _FEWEST:
            continue
        found[_key(values)] = (first, last - first, number, shape, False)
        if values.ndim == 2:
            found.setdefault(_key(values.T), (first, last - first, number, shape, True))
    return found


def _key(values: NDArray[np.float32]) -> bytes:
    return repr(values.shape).encode() + np.ascontiguousarray(values).tobytes()


def _share(path: Path, held: dict[bytes, _Place], file: str) -> bool:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    graph = model.graph
    first_nodes, kept = [], []
    for weight in graph.initializer:
        place = None
        if weight.data_type == TensorProto.FLOAT:
            place = held.get(_key(numpy_helper.to_array(weight)))
        if place is None:
            kept.append(weight)
            continue
        offset, length, number, shape, turned = place
        outside = TensorProto(name=f"{weight.name}/held", data_type=number, dims=shape)
        outside.data_location = TensorProto.EXTERNAL
        for key, value in (("location", file), ("offset", offset), ("length", length)):
            outside.external_data.add(key=key, value=str(value))
        kept.append(outside)
        name = outside.name
        if turned:
            first_nodes.append(helper.make_node("Transpose", [name], [f"{weight.name}/turned"], perm=[1, 0]))
            name = f"{weight.name}/turned"
        first_nodes.append(helper.make_node("Cast", [name], [weight.name], to=TensorProto.FLOAT))
    if not first_nodes:
        return False
    nodes = [*first_nodes, *graph.node]
    del graph.initializer[:], graph.node[:], graph.value_info[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    with new_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
    return True
