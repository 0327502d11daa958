"""What a tracking session was asked, as JSON: a question, prompts, settings; reading it runs nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from seektrack.errors import InputError
from seektrack.query import Query
from seektrack.types import Mask, Prompt

if TYPE_CHECKING:
    from seektrack.tracking import FollowSettings
    from seektrack.video import Opening


@dataclass(frozen=True)
class Asked:
    """What a session follows, and how.

    Attributes:
        query: What the text says; None where objects are pointed at, or tracks were taken over.
        prompts: What is pointed at.
        opening: How the video is opened.
        filters: What is done to a frame before it is looked at.
        templates: Into which wordings the text is put.
        settings: How objects are found, followed and recognised.
    """

    query: Query | None
    prompts: tuple[Prompt, ...]
    opening: Opening
    filters: str | None
    templates: str
    settings: FollowSettings


def packed(value: Any) -> Any:
    """A value of settings as JSON; a dataclass carries its name.

    Raises:
        InputError: It is of a kind that cannot be kept.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"is": "float", "value": repr(value)}
    if isinstance(value, Fraction):
        return {"is": "Fraction", "value": str(value)}
    if isinstance(value, Mask):
        return {"is": "Mask", "value": value.to_coco()}
    if isinstance(value, (np.ndarray, np.generic)):
        return {"is": "array", "value": value.tolist(), "dtype": str(value.dtype)}
    if isinstance(value, (tuple, list)):
        return {"is": type(value).__name__, "value": [packed(v) for v in value]}
    if isinstance(value, Mapping):
        return {"is": "dict", "value": [[packed(k), packed(v)] for k, v in value.items()]}
    name = type(value).__name__
    if is_dataclass(value) and _classes().get(name) is type(value):
        return {"is": name, **{f.name: packed(getattr(value, f.name)) for f in fields(value)}}
    raise InputError(f"a session cannot keep a {name}", hint="follow without session, and save the result")


def unpacked(held: Any) -> Any:
    """What `packed` made.

    Raises:
        InputError: It is something else.
    """
    try:
        return _unpacked(held)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"what the session was asked cannot be read: {error}", hint="another release may have written it"
        ) from error


def _unpacked(held: Any) -> Any:
    if not isinstance(held, dict):
        return held
    kind, value = held["is"], held.get("value")
    if kind == "float":
        return float(str(value))
    if kind == "Fraction":
        return Fraction(str(value))
    if kind == "Mask":
        return Mask.from_coco(value)
    if kind == "array":
        return np.array(value, dtype=np.dtype(str(held["dtype"])))
    if kind in ("tuple", "list"):
        return (tuple if kind == "tuple" else list)(_unpacked(v) for v in value or ())
    if kind == "dict":
        return {_unpacked(k): _unpacked(v) for k, v in value or ()}
    made = _classes()[str(kind)]
    return made(**{name: _unpacked(v) for name, v in held.items() if name != "is"})


@cache
def _classes() -> dict[str, type]:
    """What may stand in a session's file, by name."""
    from seektrack.grounding import GroundSettings
    from seektrack.query.types import Clause, Concept, Motion, Term
    from seektrack.segmentation import PropagationSettings, RefineSettings
    from seektrack.tracking.anomalies.settings import AnomalySettings
    from seektrack.tracking.association import CueWeights
    from seektrack.tracking.backward import BackwardSettings
    from seektrack.tracking.follow_settings import FollowSettings
    from seektrack.tracking.kalman import KalmanSettings
    from seektrack.tracking.likeness import CueRange, LikenessSettings
    from seektrack.tracking.motion import MotionSettings
    from seektrack.tracking.settings import EngineSettings, IdentitySettings
    from seektrack.tracking.where_to_look import LookSettings
    from seektrack.video import Opening

    known = (
        AnomalySettings, Asked, BackwardSettings, Clause, Concept, CueRange, CueWeights, EngineSettings,
        FollowSettings,
        GroundSettings, IdentitySettings, KalmanSettings, LikenessSettings, LookSettings, Motion,
        MotionSettings, Opening, Prompt, PropagationSettings, Query, RefineSettings, Term,
    )  # fmt: skip
    return {one.__name__: one for one in known}
