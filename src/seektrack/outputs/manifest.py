"""What beside a file or inside a folder says of the objects in it: ``objects.json``.

Formats that have no place for ids, labels, times or the video keep them there, so that what is written can
be read back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seektrack.errors import InputError
from seektrack.outputs import reading
from seektrack.outputs.remarks import Remarks
from seektrack.types import Track, Tracks, VideoInfo

NAME = "objects.json"


@dataclass(frozen=True)
class Objects:
    """What is known of the objects of a file.

    Attributes:
        video: The video, or None.
        query: What was asked for.
        times: Seconds by frame index.
        by_value: Number in the file to (obj_id, label, score).
        remarks: What the result says of itself.
    """

    video: VideoInfo | None
    query: str
    times: dict[int, float]
    by_value: dict[int, tuple[int, str, float]]
    remarks: Remarks = field(default_factory=Remarks)

    @property
    def ids(self) -> list[int]:
        """Ids in the order of the tracks."""
        return [obj_id for obj_id, _, _ in self.by_value.values()]

    @property
    def labels(self) -> dict[int, str]:
        """Label by id."""
        return {obj_id: label for obj_id, label, _ in self.by_value.values()}

    @property
    def scores(self) -> dict[int, float]:
        """Score by id."""
        return {obj_id: score for obj_id, _, score in self.by_value.values()}

    def of(self, value: int, label: str = "") -> tuple[int, str]:
        """Id and label of a number in the file; the number itself and ``label`` where nothing is known."""
        obj_id, known, _ = self.by_value.get(value, (value, label, 1.0))
        return obj_id, known

    def finish(self, gathered: reading.Gathered, info: VideoInfo) -> Tracks:
        """The tracks of what was gathered, with what is known of them."""
        tracks = gathered.tracks(
            info,
            query=self.query,
            scores=self.scores,
            times=self.times,
            labels=self.labels,
            order=self._order(gathered),
        )
        return self.remarks.onto(tracks)

    def _order(self, gathered: reading.Gathered) -> list[int]:
        known = self.ids
        return known + sorted(gathered.ids - set(known))


NOTHING = Objects(None, "", {}, {})


def manifest(tracks: Tracks, format: str, objects: Mapping[int, Track]) -> dict[str, Any]:
    """The content of an ``objects.json``: number in the file to track."""
    return {
        "format": format,
        "video": reading.video_to_json(tracks.video),
        "query": tracks.query,
        **Remarks.of(tracks).to_dict(),
        "frames": [[index, float(tracks.frame_times[index])] for index in tracks.frame_indices],
        "objects": [
            {"value": value, "obj_id": t.obj_id, "label": t.label, "score": float(t.score)}
            for value, t in objects.items()
        ],
    }


def read_manifest(path: Path) -> Objects:
    """An ``objects.json``, or nothing known where there is none.

    Raises:
        InputError: It is not of that form.
    """
    if not path.is_file():
        return NOTHING
    try:
        content = reading.entry(reading.read_json(path), path.name)
        return parse(content)
    except InputError as error:
        raise InputError(f"{path.name}: {error.message}", hint=error.hint) from error


def parse(content: dict[str, Any]) -> Objects:
    """What `manifest` made, checked.

    Raises:
        InputError: It is not of that form.
    """
    by_value: dict[int, tuple[int, str, float]] = {}
    for n, value in enumerate(reading.entries(content, "objects")):
        where = f"objects[{n}]"
        held = reading.entry(value, where)
        number = reading.integer(held.get("value"), f"{where}.value")
        obj_id = reading.integer(held.get("obj_id"), f"{where}.obj_id")
        label = reading.text(held.get("label", ""), f"{where}.label")
        if number in by_value or obj_id in (known for known, _, _ in by_value.values()):
            raise InputError(f"{where}: value {number} or object {obj_id} comes twice")
        by_value[number] = obj_id, label, reading.share(held.get("score", 1.0), f"{where}.score")
    video = content.get("video")
    return Objects(
        video=reading.video_from_json(video) if isinstance(video, dict) else None,
        query=reading.text(content.get("query", ""), "query"),
        times=reading.frame_times(content.get("frames", [])),
        by_value=by_value,
        remarks=Remarks.read(content),
    )
