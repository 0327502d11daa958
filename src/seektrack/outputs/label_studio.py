"""Label Studio's video tracks: a region an object, a rectangle a frame in percent of the picture.

Frames count from 1. Only boxes and only visible observations are written; masks go there as COCO.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.limits import Limits
from seektrack.outputs import documents, reading
from seektrack.outputs.reading import Gathered
from seektrack.types import Track, Tracks, VideoInfo


def write_label_studio(tracks: Tracks, path: Path) -> None:
    """A list of one task, its predictions regions of ``VideoRectangle``; ids are the ``obj_id``.

    ``data.seektrack`` keeps the video, which Label Studio passes on unread.
    """
    video = tracks.video
    regions = [_region(tracks, track) for track in tracks]
    mean = sum(t.score for t in tracks) / len(tracks) if len(tracks) else 0.0
    documents.write_json(
        path,
        [
            {
                "data": {
                    "video": video.path,
                    "seektrack": {
                        "video": reading.video_to_json(video),
                        "query": tracks.query,
                        "scores": {str(t.obj_id): float(t.score) for t in tracks},
                        "frames": [[i, float(tracks.frame_times[i])] for i in tracks.frame_indices],
                    },
                },
                "predictions": [{"model_version": "seektrack", "score": float(mean), "result": regions}],
            }
        ],
    )


def _region(tracks: Tracks, track: Track) -> dict[str, object]:
    video = tracks.video
    seen = [o for o in track.observations if o.visible]
    sequence = []
    for o, following in zip(seen, [*seen[1:], None], strict=True):
        x, y, w, h = documents.xywh(o.box)
        sequence.append(
            {
                "frame": o.frame_index + 1,
                "time": float(o.time_s),
                "enabled": following is not None and following.frame_index == o.frame_index + 1,
                "rotation": 0,
                "x": x / video.width * 100,
                "y": y / video.height * 100,
                "width": w / video.width * 100,
                "height": h / video.height * 100,
            }
        )
    frames = video.n_frames or max(documents.processed(tracks), default=-1) + 1
    return {
        "id": str(track.obj_id),
        "type": "videorectangle",
        "from_name": "box",
        "to_name": "video",
        "origin": "prediction",
        "score": float(track.score),
        "value": {
            "framesCount": frames,
            "duration": float(video.duration_s or frames / video.fps),
            "sequence": sequence,
            "labels": [track.label or "object"],
        },
    }


def read_label_studio(path: Path, video: VideoInfo | None) -> Tracks:
    """Read the rectangles of one task, filled in between key frames as Label Studio shows them.

    A region whose id is no number gets the next free one. The size of the video is that of ``video``, or of
    our own file: the format has only percent.

    Raises:
        InputError: It is no such export, holds several tasks, says no size, or a value cannot be.
    """
    content = reading.read_json(path)
    tasks = content if isinstance(content, list) else [content]
    if len(tasks) != 1:
        raise InputError(f"{len(tasks)} tasks in one file", hint="export one task at a time")
    task = reading.entry(tasks[0], "the task")
    data = reading.entry(task.get("data", {}), "data")
    ours = reading.entry(data.get("seektrack") or {}, "data.seektrack")
    info = video or (reading.video_from_json(ours["video"], "data.seektrack.video") if ours else None)
    if info is None:
        raise InputError(
            "Label Studio gives boxes in percent, and says no size", hint="give --video, or --size and --fps"
        )
    answers = task.get("annotations") or task.get("predictions") or []
    if not isinstance(answers, list) or not answers:
        raise InputError("no annotations and no predictions")
    regions = [
        (f"result[{n}]", reading.entry(region, f"result[{n}]"))
        for n, region in enumerate(reading.entries(reading.entry(answers[0], "annotations[0]"), "result"))
    ]
    gathered = Gathered()
    boxes = [(where, region) for where, region in regions if region.get("type") == "videorectangle"]
    for obj_id, (where, region) in zip(_ids(boxes), boxes, strict=True):
        value = reading.entry(region.get("value"), f"{where}.value")
        score = reading.share(region.get("score") or 1.0, f"{where}.score")
        label = _label(value, where)
        for index, time_s, box in _filled(value, info, where):
            place = f"{where}, frame {index + 1}"
            gathered.add(place, obj_id, index, box=box, score=score, label=label, time_s=time_s)
    scores = reading.entry(ours.get("scores", {}), "data.seektrack.scores")
    return gathered.tracks(
        info,
        query=reading.text(ours.get("query", ""), "data.seektrack.query"),
        scores={
            reading.integer(i, "data.seektrack.scores"): reading.share(s, "data.seektrack.scores")
            for i, s in scores.items()
        },
        times=reading.frame_times(ours.get("frames", []), "data.seektrack.frames"),
    )


def _label(value: dict[str, Any], where: str) -> str:
    labels = value.get("labels") or [""]
    if not isinstance(labels, list):
        raise InputError(f"{where}.value.labels must be a list, got {reading.shown(labels)}")
    return reading.text(labels[0], f"{where}.value.labels")


def _ids(regions: list[tuple[str, dict[str, Any]]]) -> list[int]:
    written = [str(region.get("id", "")) for _, region in regions]
    if all(name.isdecimal() and len(name) < 16 for name in written):
        return [int(name) for name in written]
    return list(range(len(regions)))


def _filled(value: dict[str, Any], info: VideoInfo, where: str) -> list[tuple[int, float | None, Box]]:
    keys = []
    for n, held in enumerate(reading.entries(value, "sequence", f"{where}.value")):
        place = f"{where}.value.sequence[{n}]"
        key = reading.entry(held, place)
        index = reading.frame_number(key.get("frame"), place, first=1)
        time = key.get("time")
        seconds = None if time is None else reading.time_of(time, place)
        keys.append((index, seconds, _box(key, info, place), key.get("enabled", True) is not False))
    if len({key[0] for key in keys}) != len(keys):
        raise InputError(f"{where} has two key frames on one frame")
    keys.sort(key=lambda key: key[0])
    found: list[tuple[int, float | None, Box]] = []
    for (start, seconds, one, enabled), (end, _, other, _) in pairwise(keys):
        found.append((start, seconds, one))
        if enabled:
            found += [
                (i, None, _between(one, other, (i - start) / (end - start)))
                for i in reading.between(start, end, where)
            ]
    for start, seconds, one, enabled in keys[-1:]:
        found.append((start, seconds, one))
        last = reading.integer(
            value.get("framesCount") or 0, f"{where}.framesCount", high=Limits.current().max_frame_index
        )
        if enabled:
            found += [(i, None, one) for i in reading.between(start, last, where)]
    return found


def _box(key: dict[str, Any], info: VideoInfo, where: str) -> Box:
    if reading.number(key.get("rotation") or 0, f"{where}.rotation"):
        raise InputError(f"{where}: a turned rectangle is not read", hint="turn it upright")
    x, y, w, h = (reading.number(key.get(name), f"{where}.{name}") for name in ("x", "y", "width", "height"))
    sides = (x * info.width / 100, y * info.height / 100, w * info.width / 100, h * info.height / 100)
    left, top, right, bottom = reading.xywh(list(sides), where)
    return round(left, 9), round(top, 9), round(right, 9), round(bottom, 9)  # percent leave the last bit open


def _between(one: Box, other: Box, share: float) -> Box:
    x0, y0, x1, y1 = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return x0, y0, x1, y1
