"""Logs beside the tracks, a JSON object a line: where tracks are likely wrong, what happens to each object.

Packages add logs of their own by an entry point of the group ``seektrack.logs`` whose object is a `Log`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seektrack import files
from seektrack.outputs.anomaly_entries import anomaly_to_dict
from seektrack.outputs.events import events
from seektrack.registry import Registry
from seektrack.types import Tracks

GROUP = "seektrack.logs"


@dataclass(frozen=True)
class Log:
    """One kind of log.

    Attributes:
        name: What the user calls it.
        filename: What it is called inside an output folder.
        about: One line on what it holds.
        lines: The entries of a result, in order of time.
    """

    name: str
    filename: str
    about: str
    lines: Callable[[Tracks], Iterable[dict[str, Any]]]


def _anomalies(tracks: Tracks) -> Iterator[dict[str, Any]]:
    return (anomaly_to_dict(anomaly) for anomaly in tracks.anomalies)


def _events(tracks: Tracks) -> Iterator[dict[str, Any]]:
    return (event.to_dict() for event in events(tracks))


LOGS: Registry[Log] = Registry(
    Log,
    GROUP,
    (
        Log("anomalies", "anomalies.jsonl", "where tracks are likely wrong", _anomalies),
        Log("events", "events.jsonl", "when each object appears, hides, returns, leaves, is lost", _events),
    ),
    what="log",
)


def save_log(tracks: Tracks, path: str | Path, name: str) -> Path:
    """Write one log; it appears complete or not at all.

    Args:
        tracks: What it tells of.
        path: The file; missing parents are made.
        name: A name in `LOGS`.

    Returns:
        The path written.

    Raises:
        InputError: There is no such log.
        OutputError: The path cannot be written, or is the video.
    """
    log, target = LOGS.named(name), Path(path)
    text = "".join(files.json_text(line) + "\n" for line in log.lines(tracks))
    files.write_text(target, text, sources=(tracks.video.path,))
    return target
