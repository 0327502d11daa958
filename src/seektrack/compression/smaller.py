"""A graph in half precision or eight bits, by ONNX Runtime's own tools."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from seektrack.checkpoints.graphs import GraphPrecision

Calibration = Mapping[str, Sequence[Mapping[str, NDArray[Any]]]]
"""By part: inputs as they come in use."""


def make_smaller(
    path: Path,
    to: Path,
    precision: GraphPrecision,
    calibration: Sequence[Mapping[str, NDArray[Any]]] | None = None,
) -> bool:
    """Write a graph again in another precision.

    Args:
        path: The graph in fp32.
        to: Where the other goes.
        precision: ``fp16`` computes in half precision; ``int8`` holds weights in eight bits.
        calibration: Inputs as they come in use: activations are then in eight bits of a fixed range too;
            without, their range is measured each time.

    Returns:
        Whether anything in it changed.
    """
    if precision == "fp16":
        return _half(path, to)
    with _quietly():
        return _static(path, to, calibration) if calibration else _dynamic(path, to)


def _half(path: Path, to: Path) -> bool:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with _quietly():
        smaller = convert_float_to_float16(onnx.load(str(path)), keep_io_types=True)
    onnx.save(smaller, str(to))
    return True


def _dynamic(path: Path, to: Path) -> bool:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Only products with weights: convolutions of eight bits have no fast kernel of that kind.
    quantize_dynamic(
        str(path),
        str(to),
        op_types_to_quantize=["MatMul", "Gemm"],
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    return _has(to, ("MatMulInteger", "DynamicQuantizeLinear"))


def _static(path: Path, to: Path, calibration: Sequence[Mapping[str, NDArray[Any]]]) -> bool:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
        """Gives the inputs one after the other."""

        def __init__(self) -> None:
            self.left: Iterator[Mapping[str, NDArray[Any]]] = iter(calibration)

        def get_next(self) -> Any:
            return next(self.left, None)

    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(str(path), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(to),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul", "Gemm", "Conv"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        )
    return _has(to, ("QuantizeLinear",))


def _has(path: Path, kinds: Sequence[str]) -> bool:
    import onnx

    return any(node.op_type in kinds for node in onnx.load(str(path)).graph.node)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Its advice goes to the root logger; none of it is for the user."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
