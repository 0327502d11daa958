"""A video session on disk: one safetensors file, its structure as JSON in the file's header."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from seektrack.errors import InputError, ModelError, OutputError
from seektrack.files import new_file
from seektrack.segmentation.checkpoint_checks import check_state, check_tensors, parse_state, understood
from seektrack.segmentation.memory import (
    Conditioning,
    MemorySettings,
    ObjectMemory,
    Row,
    Timeline,
)
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.runtime import Network
from seektrack.segmentation.stored import Stored, read_arrays, write_arrays
from seektrack.types import Mask, Prompt

FORMAT = 2
"""Version of the file's structure."""

Tensors = dict[str, Stored]

_ROW = ("logits", "score", "iou", "pointer")


class Kept(Protocol):
    """What of a ``VideoSession`` is kept; see there."""

    sam2: Sam2
    objects: dict[int, ObjectMemory]
    latest: dict[int, Row]
    pending: dict[int, dict[int, Prompt]]
    hw: tuple[int, int] | None
    max_objects_per_batch: int
    memory_dtype: Any
    settings: MemorySettings
    timeline: Timeline

    def add(self, prompt: Prompt) -> None: ...  # noqa: D102


Session = TypeVar("Session", bound=Kept)


def save_session(session: Kept, path: str | Path) -> None:
    """Write a session; the file appears whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    write(path, *pack(session))


def load_session(path: str | Path, sam2: Sam2, make: Callable[..., Session]) -> Session:
    """Read a session written by ``save_session``; ``make`` is its class.

    Raises:
        InputError: The file is missing or not a session of this kind.
        ModelError: It was written with another network or resolution.
    """
    tensors, state = read(path)
    if "flow" in state:
        raise InputError(
            f"the session {path} leaves frames to the optical flow", hint="load it with resume_session"
        )
    with understood(path):
        return unpack(tensors, state, sam2, path, make)


def pack(session: Kept) -> tuple[Tensors, dict[str, Any]]:
    """A session as named arrays and the JSON that says what they are."""
    tensors: Tensors = {}
    network = session.sam2.network
    objects = []
    for slot, (obj_id, memory) in enumerate(session.objects.items()):
        for i, conditioned in enumerate(memory.conditioning):
            _put_row(tensors, f"{slot}.conditioning.{i}", conditioned.row, network)
        if memory.memories:
            tensors[f"{slot}.memories"] = np.stack([network.store(m.tokens) for _, m in memory.memories])
        if memory.pointers:
            tensors[f"{slot}.pointers"] = np.stack([network.store(value) for _, value in memory.pointers])
        if obj_id in session.latest:
            _put_row(tensors, f"{slot}.latest", session.latest[obj_id], network)
        objects.append(
            {
                "obj_id": obj_id,
                "latest": obj_id in session.latest,
                "conditioning": [[c.frame_index, c.position] for c in memory.conditioning],
                "memories": [position for position, _ in memory.memories],
                "pointers": [position for position, _ in memory.pointers],
                "followed": memory.followed,
            }
        )
    return tensors, {
        "format": FORMAT,
        "network": network.memory_fingerprint,
        "hw": session.hw,
        "max_objects_per_batch": session.max_objects_per_batch,
        "memory_dtype": str(session.memory_dtype).removeprefix("torch."),
        "settings": asdict(session.settings),
        "timeline": asdict(session.timeline),
        "objects": objects,
        "pending": [_prompt_to_json(p) for held in session.pending.values() for p in held.values()],
    }


def unpack(
    tensors: Tensors, state: dict[str, Any], sam2: Sam2, path: str | Path, make: Callable[..., Session]
) -> Session:
    """The session that ``pack`` took apart; ``make`` is its class, ``path`` is named in errors.

    Raises:
        InputError: A value or a tensor is not what it must be.
        ModelError: It was written with another network or resolution.
    """
    check_state(state)
    made_with = state.get("network")
    chosen = next((one for one in (sam2, *sam2.sets) if made_with == one.network.memory_fingerprint), None)
    if chosen is None:
        raise ModelError(
            f"the session {path} was written with another network, runtime, resolution or precision than "
            f"{sam2.name!r} by {sam2.runtime} at {sam2.resolution} in {sam2.precision}",
            hint="load the checkpoint it was made with",
        )
    sam2, network = chosen, chosen.network
    check_tensors(tensors, state, sam2)
    hw = state["hw"]
    session = make(
        sam2,
        hw=None if hw is None else (int(hw[0]), int(hw[1])),
        max_objects_per_batch=state["max_objects_per_batch"],
        memory_dtype=network.dtype_of(state["memory_dtype"]),
    )
    session.settings = MemorySettings(**state["settings"])
    timeline = dict(state["timeline"])
    session.timeline = Timeline(**{**timeline, "run_start": tuple(timeline["run_start"])})
    for slot, entry in enumerate(state["objects"]):
        memory = ObjectMemory(session.settings)
        memory.conditioning = [
            Conditioning(frame_index, position, _get_row(tensors, f"{slot}.conditioning.{i}", network))
            for i, (frame_index, position) in enumerate(entry["conditioning"])
        ]
        for i, position in enumerate(entry["memories"]):
            tokens = network.restore(tensors[f"{slot}.memories"][i])
            memory.memories.append((position, network.remembered(tokens)))
        for i, position in enumerate(entry["pointers"]):
            memory.pointers.append((position, network.restore(tensors[f"{slot}.pointers"][i])))
        memory.followed = entry.get("followed", entry["memories"][-1] if entry["memories"] else None)
        session.objects[entry["obj_id"]] = memory
        if entry["latest"]:
            session.latest[entry["obj_id"]] = _get_row(tensors, f"{slot}.latest", network)
    for held in state["pending"]:
        session.add(_prompt_from_json(held))
    return session


def write(path: str | Path, tensors: Tensors, state: dict[str, Any]) -> None:
    """Write a file that appears whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    from safetensors import SafetensorError

    with new_file(path) as temporary:
        try:
            write_arrays(temporary, tensors, {"seektrack_session": json.dumps(state)})
        except SafetensorError as error:
            raise OutputError(f"cannot write {path}: {error}") from error


def read(path: str | Path) -> tuple[Tensors, dict[str, Any]]:
    """What ``write`` wrote.

    Raises:
        InputError: The file is missing or not a session of this version.
    """
    from safetensors import SafetensorError

    try:
        tensors, said = read_arrays(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"the session {path} cannot be read: {error}") from error
    with understood(path):
        text = said.get("seektrack_session")
        state = parse_state(text) if text else {}
    if state.get("format") != FORMAT:
        raise InputError(f"{path} is not a session of this version", hint=f"format {FORMAT} is needed")
    return tensors, state


def _put_row(tensors: Tensors, prefix: str, row: Row, network: Network) -> None:
    for name in _ROW:
        tensors[f"{prefix}.{name}"] = network.store(getattr(row, name))
    tensors[f"{prefix}.memory"] = network.store(row.memory.tokens)


def _get_row(tensors: Tensors, prefix: str, network: Network) -> Row:
    logits, score, iou, pointer = (network.restore(tensors[f"{prefix}.{name}"]) for name in _ROW)
    tokens = network.restore(tensors[f"{prefix}.memory"])
    return Row(logits, score, iou, pointer, network.remembered(tokens))


def _prompt_to_json(prompt: Prompt) -> dict[str, Any]:
    return {
        "obj_id": prompt.obj_id,
        "frame_index": prompt.frame_index,
        "points": None if prompt.points is None else np.asarray(prompt.points).tolist(),
        "point_labels": None if prompt.point_labels is None else np.asarray(prompt.point_labels).tolist(),
        "box": prompt.box,
        "mask": None if prompt.mask is None else prompt.mask.to_coco(),
        "score": prompt.score,
        "label": prompt.label,
    }


def _prompt_from_json(held: dict[str, Any]) -> Prompt:
    points, labels, box, mask = held["points"], held["point_labels"], held["box"], held["mask"]
    return Prompt(
        obj_id=held["obj_id"],
        frame_index=held["frame_index"],
        points=None if points is None else np.array(points, dtype=np.float64),
        point_labels=None if labels is None else np.array(labels, dtype=np.int64),
        box=None if box is None else (box[0], box[1], box[2], box[3]),
        mask=None if mask is None else Mask.from_coco(mask),
        score=held["score"],
        label=held["label"],
    )
