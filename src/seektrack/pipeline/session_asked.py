"""What a tracking session was asked, as JSON: a question, prompts, settings; reading it runs nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from seektrack.encoders import Templates
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
    templates: Templates
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
    name = _named(type(value))
    if name is not None:
        return {"is": name, **{f.name: packed(getattr(value, f.name)) for f in fields(value)}}
    raise InputError(
        f"a session cannot keep a {type(value).__name__}", hint="follow without session, and save the result"
    )


def unpacked(held: Any) -> Any:
    """What `packed` made.

    Raises:
        InputError: It is something else.
    """
    try:
        return _unpacked(held)
    except (
        ImportError,
        ArithmeticError,
        AttributeError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
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
    return _class(str(kind))(**{name: _unpacked(v) for name, v in held.items() if name != "is"})


_MODULES = tuple(f"seektrack.{name}." for name in ("grounding", "query", "segmentation", "tracking", "video"))
_NOUNS = ("Clause", "Concept", "CueRange", "CueWeights", "Motion", "Opening", "Query", "Term")


def _named(cls: type) -> str | None:
    """How a class is named in a session's file; None of one that has no place there."""
    if cls in (Asked, Prompt):
        return cls.__name__
    ours = cls.__module__.startswith(_MODULES) and is_dataclass(cls)
    ours = ours and (cls.__name__.endswith("Settings") or cls.__name__ in _NOUNS)
    return f"{cls.__module__.removeprefix('seektrack.')}:{cls.__name__}" if ours else None


def _class(name: str) -> type:
    """The class of a name that `_named` gave; nothing else is imported or made."""
    nouns = {"Asked": Asked, "Prompt": Prompt}
    if name in nouns:
        return nouns[name]
    module, _, cls = name.partition(":")
    path = f"seektrack.{module}"
    found = getattr(import_module(path), cls, None) if path.startswith(_MODULES) else None
    if not isinstance(found, type) or _named(found) != name:
        raise ValueError(f"there is no {name!r}")
    return found
