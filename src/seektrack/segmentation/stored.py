"""Arrays as a file holds them: numpy's, with bfloat16 as its bits in uint16, in safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Stored = NDArray[Any]
"""An array of numpy; uint16 stands for bfloat16, which numpy lacks."""

_KINDS: Mapping[str, Any] = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I64": np.int64,
    "I32": np.int32, "I16": np.int16, "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


def narrowed(values: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Floats rounded to the nearest bfloat16, ties to even, as its bits."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def widened(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The floats that bits of bfloat16 stand for."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def is_finite(values: Stored) -> bool:
    """Whether no value is NaN or infinite."""
    if values.dtype == np.uint16:
        return bool(((values & 0x7F80) != 0x7F80).all())
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def write_arrays(path: str | Path, arrays: Mapping[str, Stored], said: Mapping[str, str]) -> None:
    """Write arrays and what is said of them.

    Raises:
        SafetensorError: The file cannot be written.
    """
    from safetensors import TensorSpec, serialize_file

    held = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    specs = {
        name: TensorSpec(
            dtype="bfloat16" if values.dtype == np.uint16 else values.dtype.name,
            shape=arrays[name].shape,
            data_ptr=values.ctypes.data,
            data_len=values.nbytes,
        )
        for name, values in held.items()
    }
    serialize_file(specs, str(path), metadata=dict(said))


def read_arrays(path: str | Path) -> tuple[dict[str, Stored], dict[str, str]]:
    """What ``write_arrays`` wrote.

    Raises:
        OSError: The file cannot be read.
        SafetensorError: It is no such file.
        ValueError: An array is of a kind that is never written.
    """
    from safetensors import deserialize, safe_open

    with safe_open(str(path), framework="np") as file:
        said = dict(file.metadata() or {})
    arrays = {}
    for name, one in deserialize(Path(path).read_bytes()):  # type: ignore[no-untyped-call]
        if one["dtype"] not in _KINDS:
            raise ValueError(f"{name} is of the kind {one['dtype']}")
        arrays[name] = np.frombuffer(one["data"], _KINDS[one["dtype"]]).reshape(one["shape"])
    return arrays, said
