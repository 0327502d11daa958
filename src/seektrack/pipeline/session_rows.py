"""What a tracking session keeps, as text: of each object its name, of each of its frames who saw what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from seektrack.geometry import Box
from seektrack.known import Known
from seektrack.types import Absence, Away, Mask, Observation, Prompt

OWN = -1
"""Stands in place of a frame for the row that tells of the object itself."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Said:
    """What a person said of an object on a frame; such a frame is sure and nothing writes over it.

    Attributes:
        positive, negative: Clicks on the object, and not on it, ``(x, y)`` in source pixels.
        box: Drawn around it, or None.
        mask: Whether its mask was given.
    """

    positive: tuple[Point, ...] = ()
    negative: tuple[Point, ...] = ()
    box: Box | None = None
    mask: bool = False

    @classmethod
    def of_prompt(cls, prompt: Prompt) -> Said:
        """What a prompt says."""
        points = [] if prompt.points is None else [(float(x), float(y)) for x, y in prompt.points]
        labels = [] if prompt.point_labels is None else [int(v) for v in prompt.point_labels]
        pairs = list(zip(points, labels, strict=True))
        return cls(
            tuple(p for p, label in pairs if label == 1),
            tuple(p for p, label in pairs if label == 0),
            None if prompt.box is None else cast(Box, tuple(float(v) for v in prompt.box)),
            prompt.mask is not None,
        )


@dataclass(frozen=True)
class Seen:
    """One object on one frame, and what a person said of it there, None where the engine alone speaks."""

    observation: Observation
    said: Said | None = None


@dataclass(frozen=True)
class Named:
    """An object beside its frames.

    Attributes:
        label, score, domain, absences: As in :class:`seektrack.Track`.
        place: Its place among the tracks.
    """

    label: str
    score: float
    place: int
    domain: Known = "unmeasured"
    absences: tuple[Absence, ...] = ()


def pack_seen(seen: Seen) -> str:
    """As text that `unpack_seen` reads without loss."""
    o = seen.observation
    value: dict[str, Any] = {
        "time_s": float(o.time_s),
        "box": [float(v) for v in o.box],
        "score": float(o.score),
    }
    if o.mask is not None:
        value["mask"] = [*(int(n) for n in o.mask.size), o.mask.counts.decode("ascii")]
    if o.amodal is not None:
        value["amodal"] = [*(int(n) for n in o.amodal.size), o.amodal.counts.decode("ascii")]
    if not o.visible:
        value["visible"] = False
    if seen.said is not None:
        said = seen.said
        value["said"] = {
            **({"positive": said.positive} if said.positive else {}),
            **({"negative": said.negative} if said.negative else {}),
            **({"box": said.box} if said.box is not None else {}),
            **({"mask": True} if said.mask else {}),
        }
    return json.dumps(value, separators=(",", ":"))


def unpack_seen(frame_index: int, text: str) -> Seen:
    """What `pack_seen` wrote.

    Raises:
        ValueError, KeyError, TypeError: It is something else.
    """
    value = json.loads(text)
    observation = Observation(
        frame_index,
        float(value["time_s"]),
        _box(value["box"]),
        _mask(value.get("mask")),
        float(value["score"]),
        bool(value.get("visible", True)),
        _mask(value.get("amodal")),
    )
    said = value.get("said")
    if said is None:
        return Seen(observation)
    box = said.get("box")
    return Seen(
        observation,
        Said(
            _points(said.get("positive", ())),
            _points(said.get("negative", ())),
            None if box is None else _box(box),
            bool(said.get("mask", False)),
        ),
    )


def pack_named(named: Named) -> str:
    """As text that `unpack_named` reads without loss."""
    value: dict[str, Any] = {"label": named.label, "score": float(named.score), "place": named.place}
    if named.domain != "unmeasured":
        value["domain"] = named.domain
    if named.absences:
        value["absences"] = [[a.first_frame, a.last_frame, a.state] for a in named.absences]
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def unpack_named(text: str) -> Named:
    """What `pack_named` wrote.

    Raises:
        ValueError, KeyError, TypeError: It is something else.
    """
    value = json.loads(text)
    absences = (Absence(int(a), int(b), cast(Away, str(state))) for a, b, state in value.get("absences", ()))
    return Named(
        str(value["label"]),
        float(value["score"]),
        int(value["place"]),
        cast(Known, value.get("domain", "unmeasured")),
        tuple(absences),
    )


def _box(values: Sequence[Any]) -> Box:
    x0, y0, x1, y1 = (float(v) for v in values)
    return x0, y0, x1, y1


def _mask(held: Sequence[Any] | None) -> Mask | None:
    return None if held is None else Mask((int(held[0]), int(held[1])), str(held[2]).encode("ascii"))


def _points(values: Sequence[Any]) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in values)
