"""Networks as ONNX graphs: the note that lies beside them, and opening them in ONNX Runtime.

A folder of graphs is a model folder: beside ``onnx.json`` lies what else the model is made of, such as its
tokenizer. Neither torch nor transformers is needed to use it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import ModelError

Kind = Literal["clip", "sam2", "temporal", "trajectory"]
GraphPrecision = Literal["fp32", "fp16", "int8"]
GRAPH_PRECISIONS: tuple[GraphPrecision, ...] = ("fp32", "fp16", "int8")

NOTE = "onnx.json"
FORMAT = 1
OPSET = 18
"""The ONNX operator set that is written, and the newest that is read."""
OLDEST_OPSET = 17
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""Who computes a graph, by the name after ``onnx:``."""
_PACKAGES = {
    "cuda": "onnxruntime-gpu",
    "tensorrt": "onnxruntime-gpu and TensorRT",
    "openvino": "onnxruntime-openvino",
}
_AGAIN = "write it again: seektrack models export MODEL --to FOLDER"
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What a note raises that was not written by us, where its values are taken for what they should be."""


@dataclass(frozen=True)
class GraphFile:
    """One graph of a model.

    Attributes:
        file: Its name.
        size: Of the file in bytes.
        digest: BLAKE2b of the file, 32 hexadecimal digits.
        precision: What it computes in.
        error: How far it was from torch when it was written, relative to the size of the answer.
        why: Why it does not compute in what was asked for; empty where it does.
        weights: Another file beside it that its weights are read from; empty where they are inside.
    """

    file: str
    size: int
    digest: str
    precision: GraphPrecision
    error: float
    why: str = ""
    weights: str = ""

    def __post_init__(self) -> None:
        for name in (self.file, self.weights):
            if not isinstance(name, str) or name != Path(name).name.replace("\0", ""):
                raise ValueError(
                    f"a graph's file is {str(name)[:80]!r}, the name of one beside the note is wanted"
                )
        if type(self.size) is not int or not isinstance(self.digest, str):
            raise ValueError(
                f"size and digest of {self.file!r} are {self.size!r:.40} and {self.digest!r:.40}"
            )


@dataclass(frozen=True, eq=False)
class Graphs:
    """What a folder of graphs says of itself.

    Attributes:
        folder: Where they lie.
        kind: What they are.
        model: What they were made of, by name.
        fingerprint: Of what they were made of, as ``folder_fingerprint`` or ``Sam2.fingerprint`` has it.
        opset: Of the graphs.
        precision: What was asked for.
        settings: What else their user must know; its keys depend on the kind.
        files: The graphs by name.
    """

    folder: Path
    kind: Kind
    model: str
    fingerprint: str
    opset: int
    precision: GraphPrecision
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, GraphFile] = field(default_factory=dict)

    @property
    def answers_fingerprint(self) -> str:
        """Whose answers they give: those of the original, but where int8 weights made another of it."""
        if self.precision != "int8":
            return self.fingerprint
        return hashlib.sha256(f"{self.fingerprint} int8".encode()).hexdigest()[:32]

    def to_json(self) -> dict[str, Any]:
        """The content of the note."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "opset": self.opset,
            "precision": self.precision,
            "settings": dict(self.settings),
            "graphs": {name: asdict(one) for name, one in self.files.items()},
        }


def has_graphs(folder: Path | None) -> bool:
    """Whether a folder holds a model as graphs."""
    try:
        return folder is not None and (folder / NOTE).is_file()
    except (OSError, ValueError):
        return False


def only_graphs(folder: Path | None) -> bool:
    """Whether a folder holds a model as graphs and in no other form."""
    return folder is not None and has_graphs(folder) and not (folder / "model.safetensors").is_file()


def read_graphs(folder: Path, name: str = "", *, kind: Kind | None = None) -> Graphs:
    """Read the note of a folder of graphs.

    Args:
        folder: Holding ``onnx.json``.
        name: What the user called it; the folder if not given.
        kind: What is wanted.

    Raises:
        ModelError: There is none, it cannot be read, is of a newer form or operator set, or another kind.
    """
    asked = name or str(folder)
    if not has_graphs(folder):
        raise ModelError(f"the model {asked!r} holds no ONNX graphs", hint=_AGAIN.replace("again", "first"))
    try:
        held = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        files = {str(key): GraphFile(**one) for key, one in held["graphs"].items()}
        found = Graphs(
            folder=folder,
            kind=held["kind"],
            model=str(held["model"]),
            fingerprint=str(held["fingerprint"]),
            opset=int(held["opset"]),
            precision=held["precision"],
            settings=dict(held["settings"]),
            files=files,
        )
        form = int(held["format"])
    except UNREADABLE as error:
        raise ModelError(f"cannot read {folder / NOTE}: {str(error)[:200]}", hint=_AGAIN) from error
    if form > FORMAT:
        raise ModelError(
            f"{folder / NOTE} is of form {form}, this seektrack reads up to {FORMAT}",
            hint="update seektrack, or " + _AGAIN,
        )
    if not OLDEST_OPSET <= found.opset <= OPSET:
        raise ModelError(
            f"the graphs of {asked!r} are of opset {found.opset}, {OLDEST_OPSET} to {OPSET} can be run",
            hint=_AGAIN,
        )
    if kind is not None and found.kind != kind:
        raise ModelError(
            f"the graphs of {asked!r} are a {found.kind}, a {kind} is wanted", hint="give another folder"
        )
    return found


def file_digest(path: Path) -> str:
    """BLAKE2b of a file, 32 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def check_provider(provider: str) -> str:
    """ONNX Runtime's name of a provider, if this machine has it.

    Raises:
        ModelError: There is no such provider, or not here; or ONNX Runtime is not installed.
    """
    if provider not in PROVIDERS:
        raise ModelError(
            f"there is no ONNX provider {provider!r}", hint=f"take one of {', '.join(PROVIDERS)}"
        )
    there = _runtime().get_available_providers()
    if PROVIDERS[provider] not in there:
        here = ", ".join(name for name, full in PROVIDERS.items() if full in there)
        raise ModelError(
            f"the ONNX provider {provider!r} is not on this machine; there is {here}",
            hint=f"pip install {_PACKAGES.get(provider, 'onnxruntime')}, or take --runtime onnx:cpu",
        )
    return PROVIDERS[provider]


class Session:
    """One graph, opened.

    Args:
        graphs: Whose it is.
        name: Of the graph.
        provider: Who computes it.
        threads: How many threads it may use; 0 for as many as there are cores.

    Raises:
        ModelError: The file is missing, cut off, or no graph; the provider is not here.
    """

    def __init__(self, graphs: Graphs, name: str, *, provider: str = "cpu", threads: int = 0) -> None:
        wanted = check_provider(provider)
        ort = _runtime()
        file = graphs.files.get(name)
        if file is None:
            raise ModelError(f"the model {graphs.folder} has no graph {name!r}", hint=_AGAIN)
        path = graphs.folder / file.file
        _check_whole(path, file)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads or thread_count()
        providers = [wanted] if provider == "cpu" else [wanted, PROVIDERS["cpu"]]
        try:
            self._session = ort.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
        except Exception as error:  # ONNX Runtime raises types of its own
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"{path} cannot be opened: {said[:200]}", hint=_AGAIN) from error
        self.name, self._path = name, path
        self.inputs: list[str] = [one.name for one in self._session.get_inputs()]
        self.outputs: list[str] = [one.name for one in self._session.get_outputs()]

    def __call__(self, *values: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the graph on its inputs, in their order.

        Raises:
            ModelError: It does not take them, or fails.
        """
        try:
            given = dict(zip(self.inputs, values, strict=True))
            return [np.asarray(out) for out in self._session.run(None, given)]
        except Exception as error:  # ONNX Runtime raises types of its own
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"{self._path} cannot be run: {said[:200]}", hint=_AGAIN) from error


def thread_count() -> int:
    """Threads a graph may use: what OMP_NUM_THREADS says, else the cores this process may run on."""
    import os

    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_whole(path: Path, file: GraphFile) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ModelError(f"the graph {path} is missing", hint=_AGAIN) from error
    if size != file.size:
        raise ModelError(f"the graph {path} is cut off: {size} of {file.size} bytes", hint=_AGAIN)
    if file_digest(path) != file.digest:
        raise ModelError(f"the graph {path} is not the one {NOTE} tells of", hint=_AGAIN)
    if file.weights and not (path.parent / file.weights).is_file():
        raise ModelError(f"{path.parent / file.weights}, the weights of {path.name}, is missing", hint=_AGAIN)


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            "running ONNX graphs needs ONNX Runtime, which is not installed",
            hint="pip install onnxruntime, or take --runtime torch",
        ) from error
    return onnxruntime
