"""Finding a checkpoint by what a person calls it: a name, a folder or a hub id."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from seektrack.checkpoints import hub, names
from seektrack.checkpoints.graphs import has_graphs
from seektrack.checkpoints.names import Part
from seektrack.errors import ModelError

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, found; whether it is on this machine is another question.

    Attributes:
        name: What it was asked for as.
        part: What it is for.
        hub_id: Where it is published; None for a folder.
        folder: Where it lies on this machine; None when it must be fetched first.
    """

    name: str
    part: Part
    hub_id: str | None
    folder: Path | None

    @property
    def here(self) -> bool:
        """Whether it loads without a network."""
        return self.folder is not None


def find(name: str | os.PathLike[str], part: Part, *, more: tuple[str, ...] = ()) -> Checkpoint:
    """Find a checkpoint; nothing is fetched.

    Args:
        name: A built-in name, a folder, or a hub id.
        part: What it is wanted for.
        more: Further names the caller knows, for the hint.

    Raises:
        ModelError: The name stands for nothing, or the folder is no checkpoint.
    """
    asked = os.fspath(name)
    own = names.packaged(asked, part)
    if own is not None:
        if not (own.folder / "config.json").is_file():
            raise ModelError(
                f"the model {asked!r} is missing from this installation ({own.folder})",
                hint="install seektrack again; " + names.choices(asked, part, more=more),
            )
        return Checkpoint(asked, part, None, own.folder)
    known = names.published(asked, part)
    folder = Path(asked).expanduser() if asked.strip() else None
    short = known is not None and known.name == asked
    if folder is not None and not short and is_folder(folder):
        check_folder(folder, asked)
        return Checkpoint(asked, part, None, folder)
    if known is None and looks_like_a_path(asked):
        raise ModelError(
            f"unknown model {asked!r}: there is no such folder", hint=names.choices(asked, part, more=more)
        )
    if known is None and not _HUB_ID.fullmatch(asked):
        raise ModelError(f"unknown model {asked!r}", hint=names.choices(asked, part, more=more))
    hub_id = known.hub_id if known else asked
    return Checkpoint(asked, part, hub_id, hub.cached(hub_id))


def check_folder(folder: Path, name: str) -> None:
    """See that a folder holds a checkpoint in the form transformers writes.

    Raises:
        ModelError: Its configuration or its weights are missing, or not safetensors.
    """
    if not is_file(folder / "config.json"):
        raise ModelError(
            f"{name!r} is a folder without a config.json",
            hint="pass the folder that save_pretrained wrote, with config.json and *.safetensors",
        )
    if model_type(folder) == names.TRAJECTORY:
        raise ModelError(
            f"{name!r} tells where hidden objects go; it neither finds nor outlines anything",
            hint=f"give it as --predictor {name}",
        )
    if not has_graphs(folder) and not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{name!r} holds no *.safetensors weights",
            hint="other formats can run code when loaded; save the model again with save_pretrained",
        )


def read_config(folder: Path | None) -> dict[str, object]:
    """A checkpoint's config.json; empty when there is none or it cannot be read."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8")) if folder else {}
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def model_type(folder: Path | None) -> str:
    """What a checkpoint says it is, ``clip`` or ``sam2_video``; empty when it does not."""
    return str(read_config(folder).get("model_type", ""))


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a tokenizer; transformers makes an empty one up where there is none."""
    return any(next(folder.glob(pattern), None) is not None for pattern in _TOKENIZERS)


def looks_like_a_path(name: str) -> bool:
    """Whether a name can only be meant as a folder."""
    return name.startswith((".", "/", "~", "\\")) or "\\" in name or name.count("/") > 1 or name.endswith("/")


def stable_name(name: str) -> str:
    """A name that means the same from every folder: that of a folder in full, any other as it is."""
    folder = Path(name).expanduser()
    known = name in names.PRESETS or any(name in names.names_of(p) for p in ("text", "mask"))
    return os.path.abspath(folder) if not known and is_folder(folder) else name


def is_folder(path: Path) -> bool:
    """Whether a path is a folder one may look at."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether a path is a file one may look at."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
