"""The Hugging Face hub: what its cache on this machine holds, and whether it can be reached."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from seektrack.errors import ModelError

PATIENCE_S = 3.0
"""Seconds for a first connection; without asking first, a machine without a network retries for a minute."""


def cached(hub_id: str) -> Path | None:
    """The folder of the hub's cache that holds a whole checkpoint, or None; nothing is asked of the hub.

    The one its branch ``main`` stands at is preferred; another whole one will do, as the hub keeps weights it
    converted to safetensors on a branch of their own.
    """
    storage = storage_of(hub_id)
    try:
        snapshots = sorted(
            (storage / "snapshots").iterdir(), key=lambda path: path.stat().st_mtime, reverse=True
        )
        main = (storage / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        main, snapshots = "", _folders(storage / "snapshots")
    snapshots.sort(key=lambda path: path.name != main)
    return next((folder for folder in snapshots if is_whole(folder)), None)


def storage_of(hub_id: str) -> Path:
    """Where the hub's cache keeps a repository, whether it does or not."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}"


def is_whole(folder: Path) -> bool:
    """Whether a folder holds a configuration and every file of its safetensors weights."""
    if not (folder / "config.json").is_file():
        return False
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return any(folder.glob("*.safetensors"))
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False
    return all((folder / shard).is_file() for shard in shards)


def unreachable() -> str:
    """Why the hub cannot be asked, in a few words; empty when it can."""
    import urllib.parse
    import urllib.request

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    if urllib.request.getproxies():
        return ""
    address = urllib.parse.urlsplit(constants.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        with socket.create_connection((address.hostname, port), timeout=PATIENCE_S):
            return ""
    except OSError:
        return f"{address.hostname} does not answer"


def not_here(name: str, hub_id: str, why: str, *, mib: int | None = None) -> ModelError:
    """The error of a model that is not on this machine and cannot be fetched now, with every way out."""
    size = f", about {mib} MiB" if mib else ""
    return ModelError(
        f"the model {name!r} ({hub_id}{size}) is not on this machine and cannot be fetched: {why}",
        hint="go online once, or set HF_HOME to a cache that has it; or elsewhere run: seektrack models "
        f"fetch {name} --to FOLDER, and here give --model FOLDER; or leave --model out: the pocket model",
    )


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(parent.iterdir())
    except OSError:
        return []
