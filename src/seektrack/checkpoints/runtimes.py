"""Who computes a network: torch, or ONNX Runtime where graphs lie in the model's folder."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from seektrack.checkpoints.fingerprints import graphs_fit
from seektrack.checkpoints.graphs import PROVIDERS, check_provider, only_graphs
from seektrack.errors import ModelError, needs_torch

RUNTIMES = ("torch", "onnx")
"""Who computes a network; ``onnx:`` may be followed by a provider."""


def can_run() -> bool:
    """Whether ONNX Runtime is installed."""
    return _installed("onnxruntime")


def has_torch() -> bool:
    """Whether torch and transformers are installed, which come with ``seektrack[torch]``."""
    return _installed("torch") and _installed("transformers")


def check_runtime(runtime: str | None) -> None:
    """Refuse a runtime that is none, or whose provider is not here.

    Raises:
        ModelError: There is no such runtime or provider, or it is not installed.
    """
    if runtime is None:
        return
    kind, colon, provider = runtime.partition(":")
    if kind not in RUNTIMES or (colon and kind == "torch"):
        raise ModelError(
            f"there is no runtime {runtime!r}",
            hint=f"take torch, onnx, or onnx: and one of {', '.join(PROVIDERS)}",
        )
    if kind == "onnx":
        check_provider(provider if colon else "cpu")
    elif not has_torch():
        raise needs_torch("the runtime torch")


def pick_runtime(
    runtime: str | None, folder: Path | None, name: str, *, device: str | None = None
) -> tuple[str, str]:
    """Who computes a model, and with graphs by which provider.

    Args:
        runtime: What was asked for; if None, graphs where a folder holds nothing else or torch is not
            installed, else torch.
        folder: Of the model; None where it would have to be fetched.
        name: What the user called it.
        device: Where torch was asked to compute; graphs compute on the CPU if nothing else is asked for.

    Raises:
        ModelError: There is no such runtime here, or torch is needed and not installed.
    """
    check_runtime(runtime)
    if runtime is not None:
        kind, _, provider = runtime.partition(":")
        return kind, provider or "cpu"
    if only_graphs(folder):
        return "onnx", "cpu"
    if has_torch():
        return "torch", ""
    if folder is None or not graphs_fit(folder):
        raise needs_torch(f"the model {name!r}")
    if device not in (None, "cpu"):
        raise needs_torch(f"the device {device!r}")
    return "onnx", "cpu"


def quickest(folder: Path | None) -> str | None:
    """Graphs that lie beside the weights in a folder, where nothing else is asked for: they load at once."""
    return "onnx" if folder is not None and can_run() and graphs_fit(folder) else None


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False
