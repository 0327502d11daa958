"""What a result says of itself beside its tracks: unknown footage, damage, what was left aside, why nothing.

Every format that has a place for it keeps it there, so that an empty result says why it is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from seektrack.anomaly import Anomaly
from seektrack.errors import InputError
from seektrack.known import Known, fields, read_known, told
from seektrack.missed import Missed, Stage
from seektrack.outputs import reading
from seektrack.outputs.anomaly_entries import anomaly_to_dict, read_anomaly
from seektrack.types import Tracks


@dataclass(frozen=True)
class Remarks:
    """Of one result.

    Attributes:
        domain: Whether the encoder was shown frames like the video's.
        damage: What was wrong with the video as far as it was read.
        notices: What of the query could not be answered, one line each.
        missed: Why nothing was found, one for each thing asked for, where nothing was.
        min_confidence: Least score of a track that was kept; None where no text was asked.
        retrieval_score: Confidence of the best moment of the search that led here; None without one.
        anomalies: Where tracks are likely wrong.
    """

    domain: Known = "unmeasured"
    damage: str = ""
    notices: tuple[str, ...] = ()
    missed: tuple[Missed, ...] = ()
    min_confidence: float | None = None
    retrieval_score: float | None = None
    anomalies: tuple[Anomaly, ...] = ()

    @classmethod
    def of(cls, tracks: Tracks) -> Remarks:
        """Those of a result."""
        return cls(
            tracks.domain,
            tracks.damage,
            tracks.notices,
            tracks.missed,
            tracks.min_confidence,
            tracks.retrieval_score,
            tracks.anomalies,
        )

    @classmethod
    def read(cls, held: Mapping[str, Any], where: str = "") -> Remarks:
        """What `to_dict` made, checked; other entries are passed over.

        Raises:
            InputError: A value is not what it should be.
        """
        within = f"{where}." if where else ""

        def listed(name: str) -> list[Any]:
            return reading.entries({name: held.get(name) or []}, name, where)

        notices = [reading.text(n, f"{within}notices") for n in listed("notices")]
        missed = [
            _read_missed(reading.entry(one, f"{within}missed[{n}]"), f"{within}missed[{n}]")
            for n, one in enumerate(listed("missed"))
        ]
        return cls(
            read_known(held.get("domain"), f"{within}domain"),
            reading.text(held.get("damage", ""), f"{within}damage"),
            tuple(notices),
            tuple(missed),
            _share(held, "min_confidence", within),
            _share(held, "retrieval_score", within),
            tuple(read_anomaly(one, f"{within}anomalies[{n}]") for n, one in enumerate(listed("anomalies"))),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON tells it: what there is to say, nothing otherwise."""
        return {
            **fields(self.domain),
            **({"damage": self.damage} if self.damage else {}),
            **({"notices": list(self.notices)} if self.notices else {}),
            **({} if self.min_confidence is None else {"min_confidence": float(self.min_confidence)}),
            **({} if self.retrieval_score is None else {"retrieval_score": float(self.retrieval_score)}),
            **({"missed": [missed_to_dict(one) for one in self.missed]} if self.missed else {}),
            **({"anomalies": [anomaly_to_dict(one) for one in self.anomalies]} if self.anomalies else {}),
        }

    def onto(self, tracks: Tracks) -> Tracks:
        """A result that was read, with these; a track that says nothing of its footage lies where they do."""
        known = tuple(replace(t, domain=self.domain) if t.domain == "unmeasured" else t for t in tracks)
        return replace(
            tracks,
            tracks=known,
            notices=self.notices,
            missed=self.missed,
            damage=self.damage,
            min_confidence=self.min_confidence,
            retrieval_score=self.retrieval_score,
            anomalies=self.anomalies,
        )


def _share(held: Mapping[str, Any], name: str, within: str) -> float | None:
    return None if held.get(name) is None else reading.share(held[name], f"{within}{name}")


def missed_to_dict(missed: Missed) -> dict[str, Any]:
    """Why one thing was not found, as JSON tells it; beyond what the encoder knows, confidence is null."""
    sure = missed.confidence
    return {
        "stage": missed.stage,
        "label": missed.label,
        "frame_index": missed.frame_index,
        "time_s": missed.time_s,
        "box": None if missed.box is None else [float(v) for v in missed.box],
        "confidence": None if sure is None else told(float(sure), missed.domain),
        **fields(missed.domain),
        "reason": missed.reason,
        "hint": missed.hint,
    }


def _read_missed(held: dict[str, Any], where: str) -> Missed:
    stage, box = held.get("stage"), held.get("box")
    if stage not in get_args(Stage):
        raise InputError(
            f"{where}.stage must be one of {', '.join(get_args(Stage))}, got {reading.shown(stage)}"
        )
    frame, time_s, sure = (held.get(name) for name in ("frame_index", "time_s", "confidence"))
    return Missed(
        cast(Stage, stage),
        reading.text(held.get("label"), f"{where}.label"),
        frame_index=None if frame is None else reading.frame_number(frame, where),
        time_s=None if time_s is None else reading.time_of(time_s, where),
        box=None if box is None else reading.xyxy(box, f"{where}.box"),
        confidence=None if sure is None else reading.share(sure, f"{where}.confidence"),
        domain=read_known(held.get("domain"), f"{where}.domain"),
    )
