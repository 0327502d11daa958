"""A session of the optical flow on disk: the file of the session inside, and where the flow stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.segmentation.checkpoint import Tensors, pack, read, unpack, write
from seektrack.segmentation.checkpoint_checks import understood
from seektrack.segmentation.masks import FrameMasks
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.propagation import PropagationSettings
from seektrack.segmentation.session import VideoSession

_MASKS = ("logits", "object_scores", "iou_scores", "pointers")


@dataclass(frozen=True, eq=False)
class FlowState:
    """Where a ``FlowSession`` stands, beside the session inside it.

    Attributes:
        arrays: The carrier's, and ``image``, the picture last stepped, if any.
        answers: ``anchor``, the network's last, and ``latest``, where there are any.
        numbers: ``frame_index``, ``n_seen``, ``since`` and ``residual``.
    """

    arrays: dict[str, NDArray[Any]]
    answers: dict[str, FrameMasks]
    numbers: dict[str, Any]


class Kept(Protocol):
    """What of a ``FlowSession`` is kept; see there."""

    session: VideoSession
    settings: PropagationSettings

    def state(self) -> FlowState: ...  # noqa: D102
    def restore(self, held: FlowState) -> None: ...  # noqa: D102


Session = TypeVar("Session", bound=Kept)


def save_flow_session(session: Kept, path: str | Path) -> None:
    """Write a session; the file appears whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    tensors, state = pack(session.session)
    held, network = session.state(), session.session.sam2.network
    for name, array in held.arrays.items():
        tensors[f"flow.{name}"] = array.copy()
    answers: dict[str, Any] = {}
    for name, answer in held.answers.items():
        answers[name] = {
            "frame_index": answer.frame_index,
            "obj_ids": answer.obj_ids,
            "hw": answer.hw,
        }
        for column in _MASKS:
            tensors[f"flow.{name}.{column}"] = network.store(getattr(answer, column))
    state["flow"] = {
        "settings": asdict(session.settings),
        "numbers": held.numbers,
        "arrays": list(held.arrays),
        "answers": answers,
    }
    write(path, tensors, state)


def load_flow_session(
    path: str | Path, sam2: Sam2, make: Callable[[VideoSession, PropagationSettings], Session]
) -> Session:
    """Read a session written by ``save_flow_session``; ``make`` is its class.

    Raises:
        InputError: The file is missing or not a session of this kind.
        ModelError: It was written with another network or resolution, or its flow method cannot be had.
    """
    tensors, state = read(path)
    flow = state.get("flow")
    if flow is None:
        raise InputError(
            f"the session {path} takes every frame through the network", hint="load it with resume_session"
        )
    with understood(path):
        inside = unpack(tensors, state, sam2, path, VideoSession)
        session = make(inside, PropagationSettings(**flow["settings"]))
        session.restore(
            FlowState(
                arrays={name: tensors[f"flow.{name}"].copy() for name in flow["arrays"]},
                answers={name: _answer(tensors, name, held, sam2) for name, held in flow["answers"].items()},
                numbers=flow["numbers"],
            )
        )
    return session


def _answer(tensors: Tensors, name: str, held: dict[str, Any], sam2: Sam2) -> FrameMasks:
    columns = {column: sam2.network.restore(tensors[f"flow.{name}.{column}"]) for column in _MASKS}
    height, width = held["hw"]
    return FrameMasks(
        frame_index=held["frame_index"], obj_ids=list(held["obj_ids"]), hw=(height, width), **columns
    )
