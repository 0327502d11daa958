"""A session of the optical flow on disk: the file of the session inside, and where the flow stands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from seektrack.errors import InputError
from seektrack.segmentation.checkpoint import Tensors, load_session, pack, read, understood, unpack, write
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.model import Sam2

if TYPE_CHECKING:
    from seektrack.segmentation.flow_session import FlowSession
    from seektrack.segmentation.session import VideoSession

_MASKS = ("logits", "object_scores", "iou_scores", "pointers")


def save_flow_session(session: FlowSession, path: str | Path) -> None:
    """Write a session; the file appears whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    tensors, state = pack(session.session)
    held = session.state()
    for name, array in held.arrays.items():
        tensors[f"flow.{name}"] = torch.from_numpy(array).contiguous().clone()
    answers: dict[str, Any] = {}
    for name, answer in held.answers.items():
        answers[name] = {
            "frame_index": answer.frame_index,
            "obj_ids": answer.obj_ids,
            "hw": answer.hw,
        }
        for column in _MASKS:
            tensors[f"flow.{name}.{column}"] = getattr(answer, column).detach().cpu().contiguous().clone()
    state["flow"] = {
        "settings": asdict(session.settings),
        "numbers": held.numbers,
        "arrays": list(held.arrays),
        "answers": answers,
    }
    write(path, tensors, state)


def load_flow_session(path: str | Path, sam2: Sam2) -> FlowSession:
    """Read a session written by ``save_flow_session``.

    Raises:
        InputError: The file is missing or not a session of this kind.
        ModelError: It was written with another network or resolution, or its flow method cannot be had.
    """
    from seektrack.segmentation.flow_session import FlowSession, FlowState
    from seektrack.segmentation.propagation import PropagationSettings

    tensors, state = read(path)
    flow = state.get("flow")
    if flow is None:
        raise InputError(
            f"the session {path} takes every frame through the network", hint="load it with resume_session"
        )
    with understood(path):
        session = FlowSession(unpack(tensors, state, sam2, path), PropagationSettings(**flow["settings"]))
        session.restore(
            FlowState(
                arrays={name: tensors[f"flow.{name}"].numpy() for name in flow["arrays"]},
                answers={name: _answer(tensors, name, held, sam2) for name, held in flow["answers"].items()},
                numbers=flow["numbers"],
            )
        )
    return session


def resume_session(path: str | Path, sam2: Sam2) -> VideoSession | FlowSession:
    """Read a session of either kind, to continue as ``open_session`` began it, with the same network.

    Raises:
        InputError: The file is missing or not a session.
        ModelError: It was written with another network or resolution, or its flow method cannot be had.
    """
    _, state = read(path)
    return load_flow_session(path, sam2) if "flow" in state else load_session(path, sam2)


def _answer(tensors: Tensors, name: str, held: dict[str, Any], sam2: Sam2) -> FrameMasks:
    columns = {column: tensors[f"flow.{name}.{column}"].to(sam2.device) for column in _MASKS}
    height, width = held["hw"]
    return FrameMasks(
        frame_index=held["frame_index"], obj_ids=list(held["obj_ids"]), hw=(height, width), **columns
    )
