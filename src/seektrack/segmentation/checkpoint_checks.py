"""What a session's file says, checked before anything is built of it; the bounds are `seektrack.limits`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from seektrack import geometry
from seektrack.errors import InputError, SeekTrackError
from seektrack.limits import Limits
from seektrack.segmentation.memory import MemorySettings, Timeline, check_remember
from seektrack.segmentation.model import Sam2
from seektrack.segmentation.stored import Stored, is_finite

_DTYPES = ("float32", "bfloat16", "float16")
_HINT = "it was changed or damaged; begin anew, or take an earlier copy"


@contextmanager
def understood(path: str | Path) -> Iterator[None]:
    """Whatever goes wrong with a file's content is an InputError that names it.

    Raises:
        InputError: In place of what is raised inside.
    """
    try:
        yield
    except InputError as error:
        if str(path) in error.message:
            raise
        raise InputError(
            f"the session {path} is damaged: {error.message}", hint=error.hint or _HINT
        ) from error
    except SeekTrackError:
        raise
    except Exception as error:  # a value no check foresaw
        raise InputError(f"the session {path} is damaged: {error!r}", hint=_HINT) from error


def parse_state(text: str) -> dict[str, Any]:
    """The JSON of the header.

    Raises:
        InputError: It is no JSON object, or nested too deeply.
    """
    try:
        state = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"its header is not JSON: {error}") from error
    return _entry(state, "the header")


def check_state(state: dict[str, Any]) -> None:
    """See that every value of the header is of the kind and within the bounds it must be.

    Raises:
        InputError: One is not; names it.
    """
    if state.get("hw") is not None:
        height, width = _whole_list(state["hw"], "hw", length=2)
        geometry.check_size((height, width))
    _whole(state.get("max_objects_per_batch"), "max_objects_per_batch", low=1)
    if state.get("memory_dtype") not in _DTYPES:
        raise InputError(
            f"memory_dtype must be one of {', '.join(_DTYPES)}, got {state.get('memory_dtype')!r}"
        )
    _check_settings(_entry(state.get("settings"), "settings"))
    _check_timeline(_entry(state.get("timeline"), "timeline"))
    ids = [_check_object(held, f"objects[{n}]") for n, held in enumerate(_list(state, "objects"))]
    if len(set(ids)) != len(ids):
        raise InputError(f"objects have one id each, got {ids}")
    for n, held in enumerate(_list(state, "pending")):
        _check_prompt(_entry(held, f"pending[{n}]"), f"pending[{n}]")


def check_tensors(tensors: Mapping[str, Stored], state: dict[str, Any], sam2: Sam2) -> None:
    """See that every tensor the header speaks of is there, of the network's shape, and finite.

    Raises:
        InputError: One is not; names it.
    """
    side, tokens = sam2.resolution // 4, (sam2.resolution // 16) ** 2
    pointer = sam2.network.sizes.hidden_dim
    row: dict[str, tuple[int, ...]] = {
        "logits": (side, side),
        "score": (),
        "iou": (),
        "pointer": (pointer,),
        "memory": (tokens, 64),
    }
    for slot, held in enumerate(state["objects"]):
        prefixes = [f"{slot}.conditioning.{i}" for i in range(len(held["conditioning"]))]
        prefixes += [f"{slot}.latest"] if held["latest"] else []
        wanted: dict[str, tuple[int, ...]] = {
            f"{prefix}.{name}": shape for prefix in prefixes for name, shape in row.items()
        }
        if held["memories"]:
            wanted[f"{slot}.memories"] = (len(held["memories"]), tokens, 64)
        if held["pointers"]:
            wanted[f"{slot}.pointers"] = (len(held["pointers"]), pointer)
        for name, shape in wanted.items():
            tensor = tensors.get(name)
            if tensor is None or tuple(tensor.shape) != shape:
                found = "nothing" if tensor is None else tuple(tensor.shape)
                raise InputError(f"{name} must be of shape {shape}, got {found}")
    check_finite(tensors)


def check_finite(tensors: Mapping[str, Stored]) -> None:
    """See that no tensor holds NaN or infinity.

    Raises:
        InputError: One does; names it.
    """
    for name, tensor in tensors.items():
        if not is_finite(tensor):
            raise InputError(f"{name} holds values that are not finite")


def _check_settings(held: dict[str, Any]) -> None:
    _named(held, {f.name for f in fields(MemorySettings)}, "settings")
    for name, value in held.items():
        if name != "remember":
            _whole(value, f"settings.{name}", low=-1 if name == "select_conditioning" else 0, high=10**6)
    check_remember(str(held["remember"]))


def _check_timeline(held: dict[str, Any]) -> None:
    _named(held, {f.name for f in fields(Timeline)}, "timeline")
    if held["frame_index"] is not None:
        _whole(held["frame_index"], "timeline.frame_index")
    _whole(held["position"], "timeline.position", low=-_span(), high=_span())
    _whole(held["direction"], "timeline.direction", low=-1, high=1)
    _number(held["stride"], "timeline.stride", low=1e-6)
    _whole_list(held["run_start"], "timeline.run_start", length=2)
    if not isinstance(held["turning"], bool):
        raise InputError(f"timeline.turning must be true or false, got {held['turning']!r}")
    if held["frame_index"] is None or held["turning"]:
        return
    gone = held["frame_index"] - held["run_start"][0], held["position"] - held["run_start"][1]
    ahead = all(part * held["direction"] >= 0 for part in gone) if held["direction"] else gone == (0, 0)
    if not ahead:
        raise InputError("timeline: the run does not lead from where it began to where it stands")


def _check_object(value: object, where: str) -> int:
    held = _entry(value, where)
    if not isinstance(held.get("latest"), bool):
        raise InputError(f"{where}.latest must be true or false, got {held.get('latest')!r}")
    for n, pair in enumerate(_list(held, "conditioning")):
        _whole_list(pair, f"{where}.conditioning[{n}]", length=2)
    for name in ("memories", "pointers"):
        _whole_list(held.get(name), f"{where}.{name}")
    if held.get("followed") is not None:
        _whole(held["followed"], f"{where}.followed", low=-_span(), high=_span())
    return _whole(held.get("obj_id"), f"{where}.obj_id", high=Limits.current().max_id)


def _check_prompt(held: dict[str, Any], where: str) -> None:
    names = {"obj_id", "frame_index", "points", "point_labels", "box", "mask", "score", "label"}
    _named(held, names, where)
    _whole(held["obj_id"], f"{where}.obj_id", high=Limits.current().max_id)
    _whole(held["frame_index"], f"{where}.frame_index")
    points, labels = held["points"] or [], held["point_labels"] or []
    if not isinstance(points, list) or not isinstance(labels, list) or len(points) != len(labels):
        raise InputError(f"{where}: points and their labels do not go together")
    for n, point in enumerate(points):
        _numbers(point, f"{where}.points[{n}]", length=2)
    _whole_list(labels, f"{where}.point_labels")
    if held["box"] is not None:
        _numbers(held["box"], f"{where}.box", length=4)
    _number(held["score"], f"{where}.score", low=0, high=1)
    if not isinstance(held["label"], str):
        raise InputError(f"{where}.label must be text, got {held['label']!r}")


def _entry(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where} must be an object, got {type(value).__name__}")
    return value


def _list(held: dict[str, Any], name: str) -> list[Any]:
    if not isinstance(held.get(name), list):
        raise InputError(f"{name} must be a list, got {type(held.get(name)).__name__}")
    return list(held[name])


def _named(held: dict[str, Any], names: set[str], where: str) -> None:
    if set(held) != names:
        raise InputError(f"{where} must have {', '.join(sorted(names))}, got {', '.join(map(str, held))}")


def _span() -> int:
    return 2 * Limits.current().max_frame_index


def _whole(value: object, where: str, *, low: int = 0, high: int | None = None) -> int:
    high = Limits.current().max_frame_index if high is None else high
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(f"{where} must be a whole number from {low} to {high}, got {value!r:.60}")
    return value


def _number(value: object, where: str, *, low: float = -math.inf, high: float = math.inf) -> float:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
    if not isinstance(value, (int, float)) or not known or not low <= value <= high:
        raise InputError(f"{where} must be a number from {low:g} to {high:g}, got {value!r:.60}")
    return float(value)


def _each(value: object, where: str, length: int | None, check: Callable[[object, str], Any]) -> list[Any]:
    if not isinstance(value, (list, tuple)) or (length is not None and len(value) != length):
        raise InputError(f"{where} must be a list of {length or 'any'} numbers, got {value!r:.60}")
    return [check(one, f"{where}[{n}]") for n, one in enumerate(value)]


def _whole_list(value: object, where: str, *, length: int | None = None) -> list[int]:
    span = _span()
    return _each(value, where, length, lambda one, place: _whole(one, place, low=-span, high=span))


def _numbers(value: object, where: str, *, length: int) -> list[float]:
    return _each(value, where, length, _number)
