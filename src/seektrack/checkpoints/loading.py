"""Loading weights: from safetensors only, running no code, complete and finite or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seektrack.checkpoints import fetching, names
from seektrack.checkpoints.finding import Checkpoint, has_tokenizer
from seektrack.errors import ModelError, SeekTrackError
from seektrack.types import Progress


def obtain(checkpoint: Checkpoint, *, progress: Progress | None = None) -> Path:
    """The folder of a checkpoint, fetched from the hub when it is not on this machine.

    Raises:
        ModelError: It is not here and cannot be fetched; the hint names every way out.
    """
    if checkpoint.folder is not None:
        return checkpoint.folder
    hub_id = str(checkpoint.hub_id)
    known = names.published(hub_id, checkpoint.part)
    remote = fetching.look_up(hub_id, name=checkpoint.name, mib=known.mib if known else None)
    return fetching.fetch(remote, progress=progress)


def load_config(kind: Any, folder: Path, name: str, **options: Any) -> Any:
    """A configuration by transformers' class ``kind``.

    Raises:
        ModelError: It cannot be read.
    """
    with _unusable(name):
        return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)


def load_network(kind: Any, folder: Path, name: str, **options: Any) -> Any:
    """A network by transformers' class ``kind``, on the CPU, in evaluation mode.

    Args:
        kind: Such as ``AutoModel`` or ``Sam2VideoModel``.
        folder: Of the checkpoint.
        name: What the user called it.
        options: More for ``from_pretrained``.

    Raises:
        ModelError: Weights are missing, of other shapes, or not numbers.
    """
    with _unusable(name), quietly():
        network, said = kind.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    check_complete(said["missing_keys"], name)
    check_finite(network.state_dict(), name)
    return network.eval()


def load_tokenizer(kind: Any, folder: Path, name: str, **options: Any) -> Any:
    """A tokenizer by transformers' class ``kind``.

    Raises:
        ModelError: There is none, or it knows no words: every text would mean the same.
    """
    if not has_tokenizer(folder):
        raise ModelError(f"the model {name!r} has no tokenizer in {folder}", hint=_COMPLETE)
    with _unusable(name), quietly():
        tokenizer = kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)
        words = len(tokenizer) - len(tokenizer.all_special_ids)
    if words < 1:
        raise ModelError(f"the tokenizer of the model {name!r} knows no words", hint=_COMPLETE)
    return tokenizer


def load_other(kind: Any, folder: Path, name: str, **options: Any) -> Any:
    """Whatever else of a checkpoint has a ``from_pretrained``, such as a feature extractor.

    Raises:
        ModelError: It cannot be read.
    """
    with _unusable(name), quietly():
        return kind.from_pretrained(folder, local_files_only=True, **options)


def load_weights(folder: Path, name: str) -> dict[str, Any]:
    """The tensors of ``model.safetensors`` of a network of our own kind.

    Raises:
        ModelError: The file is missing, damaged, or holds what is no number.
    """
    from safetensors.torch import load_file

    with _unusable(name):
        weights = load_file(folder / "model.safetensors")
    check_finite(weights, name)
    return weights


def check_complete(missing: Any, name: str) -> None:
    """See that no weight was made up.

    Raises:
        ModelError: Some are missing.
    """
    lacking = sorted(missing)
    if lacking:
        raise ModelError(
            f"the model {name!r} lacks {len(lacking)} weights, among them {lacking[0]}", hint=_COMPLETE
        )


def check_finite(weights: dict[str, Any], name: str) -> None:
    """See that every weight is a number.

    Raises:
        ModelError: One is not.
    """
    import torch

    for key, weight in weights.items():
        if weight.is_floating_point() and not torch.isfinite(weight).all():
            raise ModelError(
                f"the model {name!r} is damaged: {key} holds values that are no numbers", hint=_COMPLETE
            )


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers from drawing and warning on the terminal, and leave its settings as they were."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


_COMPLETE = (
    "a checkpoint needs config.json, all its *.safetensors and, for texts, a tokenizer, as "
    "save_pretrained writes them; fetch or save it again"
)


@contextlib.contextmanager
def _unusable(name: str) -> Iterator[None]:
    """Transformers, safetensors and torch raise dozens of types; here all mean the same."""
    try:
        yield
    except SeekTrackError:
        raise
    except Exception as error:
        reason = next(
            (line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__
        )
        needs = "sentencepiece" in str(error).lower()
        raise ModelError(
            f"the model {name!r} cannot be loaded: {reason}",
            hint="pip install sentencepiece" if needs else _COMPLETE,
        ) from error
