"""Fingerprints: whose answers may be compared. Equal contents give equal fingerprints, wherever they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from seektrack.checkpoints.graphs import Graphs, has_graphs, only_graphs, read_graphs
from seektrack.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

_HASHED = (
    "config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json",
    "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "photographs.json",
)  # fmt: skip
DOMAIN_FILE, GATE_FILE = "domain.safetensors", "gate.safetensors"
"""What an encoder was shown, measured after training, and what chooses between a segmenter's two sets of
weights: they lie beside the weights and change no answer of theirs."""
NAMES_FILE = "names.safetensors"
"""Names that a person taught to an encoder; they change no vector of a picture."""


def folder_fingerprint(folder: Path) -> str:
    """Hash what decides an encoder's embeddings: configuration, preprocessing, tokenizer and weights.

    In a hub snapshot without safetensors of its own (the hub converted them), the commit in the folder's name
    stands for them. Graphs without the weights they were made of carry those weights' fingerprint.

    Returns:
        32 hexadecimal digits.
    """
    if only_graphs(folder):
        return read_graphs(folder).answers_fingerprint
    digest = hashlib.sha256()
    besides = (DOMAIN_FILE, GATE_FILE, NAMES_FILE)
    weights = sorted(path for path in folder.glob("*.safetensors") if path.name not in besides)
    for path in [folder / n for n in _HASHED if (folder / n).is_file()] + weights:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    if not weights:
        digest.update(folder.name.encode())
    return digest.hexdigest()[:32]


def check_source(graphs: Graphs, folder: Path, name: str) -> None:
    """See that graphs beside weights were made of them.

    Raises:
        ModelError: They were made of others.
    """
    if not _fit(graphs, folder):
        raise ModelError(
            f"the graphs in {folder} were not made of the weights of {name!r} beside them",
            hint="write them again with seektrack models export, or take --runtime torch",
        )


def graphs_fit(folder: Path) -> bool:
    """Whether a folder holds graphs that can be read and were made of the weights beside them."""
    try:
        return has_graphs(folder) and _fit(read_graphs(folder), folder)
    except ModelError:
        return False


def _fit(graphs: Graphs, folder: Path) -> bool:
    made_of = graphs.settings.get("source", graphs.fingerprint)
    return not (folder / "model.safetensors").is_file() or folder_fingerprint(folder) == made_of


def weights_fingerprint(said: str, weights: Iterable[tuple[str, Tensor]]) -> str:
    """Hash loaded weights by name and value, whatever their device or precision.

    Args:
        said: What else decides the answers, such as the resolution.
        weights: Names and values, in a fixed order.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(said.encode(), digest_size=16)
    for name, weight in weights:
        digest.update(name.encode())
        digest.update(weight.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()
