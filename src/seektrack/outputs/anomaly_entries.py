"""Anomalies as JSON tells them, and read back."""

from __future__ import annotations

from typing import Any

from seektrack.anomaly import KINDS, SEVERITIES, Anomaly
from seektrack.errors import InputError
from seektrack.outputs import reading


def anomaly_to_dict(anomaly: Anomaly) -> dict[str, Any]:
    """One anomaly as JSON tells it; ``about`` says it in a sentence."""
    return {
        "kind": anomaly.kind,
        "obj_id": anomaly.obj_id,
        **({} if anomaly.other is None else {"other": anomaly.other}),
        "first_frame": anomaly.first_frame,
        "last_frame": anomaly.last_frame,
        "time_s": float(anomaly.time_s),
        "severity": anomaly.severity,
        "evidence": {name: float(value) for name, value in anomaly.evidence.items()},
        "repaired": anomaly.repaired,
        "about": anomaly.about,
    }


def read_anomaly(value: object, where: str) -> Anomaly:
    """What `anomaly_to_dict` made, checked.

    Raises:
        InputError: A value is not what it should be.
    """
    held = reading.entry(value, where)
    kind = next((known for known in KINDS if known == held.get("kind")), None)
    severity = next((known for known in SEVERITIES if known == held.get("severity")), None)
    if kind is None:
        raise InputError(
            f"{where}.kind must be one of {', '.join(KINDS)}, got {reading.shown(held.get('kind'))}"
        )
    if severity is None:
        allowed, came = ", ".join(SEVERITIES), reading.shown(held.get("severity"))
        raise InputError(f"{where}.severity must be one of {allowed}, got {came}")
    first, last = (reading.frame_number(held.get(k), where) for k in ("first_frame", "last_frame"))
    other, repaired = held.get("other"), held.get("repaired", False)
    if not isinstance(repaired, bool):
        raise InputError(f"{where}.repaired must be true or false, got {reading.shown(repaired)}")
    evidence = reading.entry(held.get("evidence") or {}, f"{where}.evidence")
    return Anomaly(
        kind,
        reading.integer(held.get("obj_id"), f"{where}.obj_id"),
        first,
        last,
        reading.time_of(held.get("time_s"), where),
        severity,
        {str(k): reading.number(v, f"{where}.evidence") for k, v in evidence.items()},
        None if other is None else reading.integer(other, f"{where}.other"),
        repaired,
    )
