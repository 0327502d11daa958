"""A graph in half precision or eight bits, by ONNX Runtime's own tools."""

from __future__ import annotations

import contextlib
import logging
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from seektrack.checkpoints.graphs import GraphPrecision

Calibration = Mapping[str, Sequence[Mapping[str, NDArray[Any]]]]
"""By part: inputs as they come in use."""


WAYS = ("static", "static products", "dynamic")
"""To eight bits: activations of a fixed range, those of products alone, or of a range measured each time."""
_PRODUCTS = ("MatMul", "Gemm")
_CONVOLVED = 0.25
"""Share of the weights from which convolutions are worth what they lose in eight bits."""


def ways(precision: GraphPrecision, *, calibrated: bool) -> tuple[str, ...]:
    """How a graph may be made smaller, what saves most first."""
    return ("half",) if precision == "fp16" else WAYS if calibrated else WAYS[-1:]


def make_smaller(
    path: Path,
    to: Path,
    way: str,
    calibration: Sequence[Mapping[str, NDArray[Any]]] = (),
) -> bool:
    """Write a graph again in another precision.

    Args:
        path: The graph in fp32.
        to: Where the other goes.
        way: Of :func:`ways`.
        calibration: Inputs as they come in use, for the static ones.

    Returns:
        Whether anything in it changed.
    """
    if way == "half":
        return _half(path, to)
    with _quietly():
        if way == "dynamic":
            return _dynamic(path, to)
        return _static(path, to, calibration, convolutions=way == "static")


def halved(inputs: Sequence[Mapping[str, NDArray[Any]]]) -> tuple[list[Any], list[Any]]:
    """Inputs that set ranges, and every fourth, which judges what came of them; all are both where few."""
    own = [one for n, one in enumerate(inputs) if n % 4 != 3]
    return (own, list(inputs[3::4])) if len(inputs) > 3 else (list(inputs), list(inputs))


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
        op_types_to_quantize=list(_PRODUCTS),
        nodes_to_exclude=_left(path),
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    return _has(to, ("MatMulInteger", "DynamicQuantizeLinear"))


def _static(
    path: Path, to: Path, calibration: Sequence[Mapping[str, NDArray[Any]]], *, convolutions: bool
) -> bool:
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
        convolved = convolutions and _convolved(ready) > _CONVOLVED
        quantize_static(
            str(ready),
            str(to),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*_PRODUCTS, *(["Conv"] if convolved else [])],
            nodes_to_exclude=_left(ready),
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            # Answers stay float: rounding them again costs time and a third of the accuracy.
            extra_options={"OpTypesToExcludeOutputQuantization": list(_PRODUCTS)},
        )
    return _has(to, ("QuantizeLinear",))


def _left(path: Path) -> list[str]:
    """Products that stay float.

    Those of activations with each other, whose range no few pictures tell, and those with a stack of weights,
    which no kernel takes with a scale a channel.
    """
    import onnx

    graph = onnx.load(str(path)).graph
    flat = {one.name for one in graph.initializer if len(one.dims) <= 2}
    return [node.name for node in graph.node if node.op_type == "MatMul" and not flat & set(node.input)]


def _convolved(path: Path) -> float:
    """Share of a graph's weights that convolutions hold."""
    import onnx

    graph = onnx.load(str(path)).graph
    sizes = {one.name: math.prod(one.dims) for one in graph.initializer}
    held = sum(sizes.get(name, 0) for n in graph.node if n.op_type == "Conv" for name in n.input[1:])
    return float(held / max(1, sum(sizes.values())))


def _has(path: Path, kinds: Sequence[str]) -> bool:
    import onnx

    return any(node.op_type in kinds for node in onnx.load(str(path)).graph.node)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Its advice goes to the root logger and the terminal; none of it is for the user."""
    import onnxruntime

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    onnxruntime.set_default_logger_severity(4)
    try:
        yield
    finally:
        root.setLevel(level)
        onnxruntime.set_default_logger_severity(2)  # its own default
