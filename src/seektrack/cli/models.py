"""``seektrack models``: the built-in names, and which of them work without a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from seektrack.cli.common import AsJson, Quiet, Screen, table

_KNOWS = {
    "pocket": "the procedural world: 12 categories × 9 colours; ordinary footage only by luck",
    "temporal": "the same world in clips: what moves, comes and goes, in which order; not for search",
    "tiny": "ordinary footage, the smallest published segmenter",
    "small": "ordinary footage, a little better",
    "base": "ordinary footage, a good balance",
    "large": "ordinary footage, the best published; wants a GPU",
    "multilingual": "ordinary footage, text in many languages",
}


@dataclass(frozen=True)
class ModelRow:
    """One network behind one name.

    Attributes:
        name: What ``--model`` takes.
        part: ``text`` (finds by words) or ``mask`` (segments and follows).
        source: Folder or hub id.
        ready: Whether it loads without a network.
        mib: Size on disk in MiB; None when it is not on this machine.
        knows: What it was trained to understand.
    """

    name: str
    part: str
    source: str
    ready: bool
    mib: float | None
    knows: str


def models(quiet: Quiet = False, as_json: AsJson = False) -> None:
    """List the built-in models: what each knows, its size, and whether it is here already.

    Every command also takes a folder or any hub id with --model. Published weights are fetched from the
    Hugging Face hub the first time they are used, and work offline from then on.
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    rows = model_rows()

    def human(console: Console) -> None:
        shown = table("name", "part", "ready", "size", "source", "knows", right=("size",))
        for row in rows:
            missing = (
                Text("missing", "red") if row.name == "pocket" else Text("needs a network once", "yellow")
            )
            ready = Text("yes", "green") if row.ready else missing
            size = "" if row.mib is None else f"{row.mib:.1f} MiB"
            shown.add_row(row.name, row.part, ready, size, row.source, row.knows)
        console.print(shown)

    screen.result(rows, human)


def model_rows() -> list[ModelRow]:
    """Every built-in network, the text encoders first."""
    from seektrack.encoders.registry import HUB_IDS
    from seektrack.segmentation.model import CHECKPOINTS

    return [
        _packaged("pocket", "text", pocket_folder("clip")),
        _packaged("temporal", "text", pocket_folder("temporal")),
        *(_published(name, "text", hub_id) for name, hub_id in HUB_IDS.items()),
        _packaged("pocket", "mask", pocket_folder("sam2")),
        *(_published(name, "mask", hub_id) for name, hub_id in CHECKPOINTS.items()),
    ]


def pocket_folder(part: str) -> Path:
    """Where a pocket checkpoint (``clip``, ``sam2``, ``temporal``) lies in this installation."""
    from importlib.resources import files

    return Path(str(files("seektrack") / "pretrained" / part))


def _packaged(name: str, part: str, folder: Path) -> ModelRow:
    weights = sorted(folder.glob("*.safetensors"))
    size = sum(p.stat().st_size for p in weights) / 2**20 if weights else None
    return ModelRow(name, part, "in the package", bool(weights), size, _KNOWS[name])


def _published(name: str, part: str, hub_id: str) -> ModelRow:
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(hub_id, "model.safetensors")
    here = Path(cached) if isinstance(cached, str) else None
    size = here.stat().st_size / 2**20 if here is not None else None
    return ModelRow(name, part, hub_id, here is not None, size, _KNOWS[name])
