"""Our own forms: JSON that loses nothing, CSV for a spreadsheet."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from seektrack import files
from seektrack.errors import InputError
from seektrack.outputs.motion import velocities
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo

FORMAT, VERSION = "seektrack.tracks", 1

CSV_COLUMNS = (
    "frame_index",
    "time_s",
    "obj_id",
    "label",
    "x0",
    "y0",
    "x1",
    "y1",
    "cx",
    "cy",
    "vx",
    "vy",
    "score",
    "visible",
)


def write_csv(tracks: Tracks, path: Path) -> None:
    """One row an observation, by frame then object; pixels, seconds, pixels a second, visible 0 or 1."""
    rows = []
    for track in tracks:
        for o, (vx, vy) in zip(track.observations, velocities(track), strict=True):
            numbers = (*o.box, *o.centre, float(vx), float(vy))
            rounded = [_short(n) for n in numbers]
            head = (o.frame_index, _short(o.time_s, 6), track.obj_id, track.label)
            rows.append((*head, *rounded, _short(o.score, 4), int(o.visible)))
    rows.sort(key=lambda row: (row[0], row[2]))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        writer.writerows(rows)


def write_json(tracks: Tracks, path: Path) -> None:
    """Everything `Tracks` holds, and the velocity of each observation for convenience."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "video": video_to_json(tracks.video),
        "query": tracks.query,
        "frames": [[index, float(tracks.frame_times[index])] for index in tracks.frame_indices],
        "tracks": [_track_to_json(track) for track in tracks],
    }
    path.write_text(files.json_text(content), encoding="utf-8")


def read_json(path: Path, video: VideoInfo | None) -> Tracks:
    """Read what `write_json` wrote; ``video`` replaces the recorded one, for a file that moved."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is not a {FORMAT} file", hint="for COCO files use format 'coco'")
    if content["version"] != VERSION:
        raise InputError(
            f"{path} has version {content['version']}, this release reads {VERSION}",
            hint="read it with the release that wrote it, or update seektrack",
        )
    return Tracks(
        video=video or video_from_json(content["video"]),
        query=content["query"],
        tracks=tuple(_track_from_json(t) for t in content["tracks"]),
        frame_times={int(index): float(time) for index, time in content["frames"]},
    )


def video_to_json(video: VideoInfo) -> dict[str, object]:
    """A video's description with its frame rate as an exact fraction."""
    return {
        "path": video.path,
        "width": video.width,
        "height": video.height,
        "fps": str(video.fps),
        "duration_s": video.duration_s,
        "n_frames": video.n_frames,
    }


def video_from_json(content: dict[str, Any]) -> VideoInfo:
    """The reverse of `video_to_json`."""
    return VideoInfo(**{**content, "fps": Fraction(content["fps"])})


def _track_to_json(track: Track) -> dict[str, object]:
    return {
        "obj_id": track.obj_id,
        "label": track.label,
        "score": float(track.score),
        "observations": [
            {
                "frame_index": o.frame_index,
                "time_s": float(o.time_s),
                "box": [float(v) for v in o.box],
                "velocity": [round(float(v), 3) for v in velocity],
                "mask": None if o.mask is None else o.mask.to_coco(),
                "score": float(o.score),
                "visible": bool(o.visible),
            }
            for o, velocity in zip(track.observations, velocities(track), strict=True)
        ],
    }


def _track_from_json(content: dict[str, Any]) -> Track:
    observations = (
        Observation(
            frame_index=o["frame_index"],
            time_s=o["time_s"],
            box=(o["box"][0], o["box"][1], o["box"][2], o["box"][3]),
            mask=None if o["mask"] is None else Mask.from_coco(o["mask"]),
            score=o["score"],
            visible=o["visible"],
        )
        for o in content["observations"]
    )
    return Track(content["obj_id"], content["label"], content["score"], tuple(observations))


def _short(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")
