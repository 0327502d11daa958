"""Whether graphs can be written here."""

from __future__ import annotations

import importlib.util

from seektrack.errors import ModelError

NEEDED = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")


def check_installed() -> None:
    """See that graphs can be written and run here.

    Raises:
        ModelError: A library is missing.
    """
    for name in NEEDED:
        try:
            there = importlib.util.find_spec(name) is not None
        except ImportError:
            there = False
        if not there:
            raise ModelError(
                f"writing ONNX graphs needs {name}, which is not installed",
                hint="pip install 'seektrack[onnx]'",
            )
