"""YouTube-VIS: one video, a list of masks a track, null where the object is not seen; truth and results."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from seektrack import geometry
from seektrack.errors import InputError
from seektrack.outputs import documents, manifest, reading
from seektrack.outputs.manifest import Objects
from seektrack.outputs.polygons import read_segmentation
from seektrack.outputs.reading import Gathered
from seektrack.types import Observation, Track, Tracks, VideoInfo

VIDEO_ID = 1

_NUMBER_AT_END = re.compile(r"(\d{1,10})\.\w+$")


def write_youtube_vis(tracks: Tracks, path: Path) -> None:
    """Ground-truth form: uncompressed run lengths, since that is what readers of the data set expect.

    The lists run over the processed frames; ``file_names`` carry the frame index.
    """
    video = tracks.video
    indices = documents.processed(tracks)
    numbers = documents.category_ids(tracks)
    content = {
        "info": {
            "description": f"seektrack: {tracks.query or 'prompted objects'} in {video.name}",
            "seektrack": manifest.manifest(tracks, "ytvis", {t.obj_id: t for t in tracks}),
        },
        "licenses": [],
        "videos": [
            {
                "id": VIDEO_ID,
                "width": video.width,
                "height": video.height,
                "length": len(indices),
                "file_names": [f"{video.name or 'video'}/{index:05d}.jpg" for index in indices],
            }
        ],
        "categories": documents.categories(tracks),
        "annotations": [
            {
                "id": number,
                "video_id": VIDEO_ID,
                "category_id": numbers[track.label],
                "iscrowd": 0,
                "width": video.width,
                "height": video.height,
                "track_id": track.obj_id,
                "score": float(track.score),
                **_columns(track, indices),
            }
            for number, track in enumerate(tracks, start=1)
        ],
    }
    documents.write_json(path, content)


def write_results(tracks: Tracks, path: Path) -> None:
    """Results form, as the servers take it: a list of ``video_id, category_id, score, segmentations``.

    Run lengths are compressed. ``<name>.objects.json`` says which track each entry is.
    """
    indices = documents.processed(tracks)
    numbers = documents.category_ids(tracks)
    content = [
        {
            "video_id": VIDEO_ID,
            "category_id": numbers[track.label],
            "score": float(track.score),
            "segmentations": [None if o is None or o.mask is None else o.mask.to_coco() for o in seen],
        }
        for track in tracks
        for seen in [[_seen(track, index) for index in indices]]
    ]
    documents.write_json(path, content)


def objects_beside(tracks: Tracks) -> dict[str, str]:
    """``<name>.objects.json``: the track behind each entry of the results, counted from 1, and the frames."""
    content = manifest.manifest(tracks, "ytvis-results", dict(enumerate(tracks, start=1)))
    return {f".{manifest.NAME}": json.dumps(content, ensure_ascii=False)}


def read_youtube_vis(path: Path, video: VideoInfo | None) -> Tracks:
    """Read the ground-truth form of one video; ``obj_id`` is ``track_id`` or the annotation's id.

    A frame's index is the number in its file's name, else its position. Only frames with a mask are read.

    Raises:
        InputError: It holds several videos, or something is not what it should be.
    """
    content = reading.entry(reading.read_json(path), "the document")
    videos = reading.entries(content, "videos")
    if len(videos) != 1:
        raise InputError(f"{len(videos)} videos in one file", hint="split it: one file a video")
    held = reading.entry(videos[0], "videos[0]")
    size = (
        reading.side(held.get("height"), "videos[0].height"),
        reading.side(held.get("width"), "videos[0].width"),
    )
    indices = _indices(held)
    names = {
        reading.integer(c.get("id"), "categories.id"): reading.text(c.get("name"), "categories.name")
        for c in (reading.entry(c, "categories") for c in reading.entries(content, "categories"))
    }
    info = content.get("info")
    ours = info.get("seektrack") if isinstance(info, dict) else None
    known = manifest.parse(ours) if isinstance(ours, dict) else manifest.NOTHING
    gathered = Gathered()
    for n, value in enumerate(reading.entries(content, "annotations")):
        where = f"annotations[{n}]"
        a = reading.entry(value, where)
        kind = reading.integer(a.get("category_id"), f"{where}.category_id")
        if kind not in names:
            raise InputError(f"{where}: no category has the id {kind}")
        obj_id = reading.integer(a.get("track_id", a.get("id")), f"{where}.id")
        score = reading.share(a.get("score", 1.0), f"{where}.score")
        _add(gathered, a, where, obj_id, indices, size=size, score=score, label=names[kind])
    described = video or known.video or reading.guessed_video(path, size)
    return _finish(known, gathered, described, indices)


def read_results(path: Path, video: VideoInfo | None) -> Tracks:
    """Read the results form of one video; ids and labels come from the file beside it where there is one.

    Raises:
        InputError: It holds several videos, or something is not what it should be.
    """
    content = reading.read_json(path)
    if not isinstance(content, list):
        raise InputError(f"results are a list, got {reading.shown(content)}", hint="for the truth use ytvis")
    known = manifest.read_manifest(path.with_name(f"{path.stem}.{manifest.NAME}"))
    indices = sorted(known.times)
    gathered = Gathered()
    videos = set()
    for n, value in enumerate(content):
        where = f"[{n}]"
        result = reading.entry(value, where)
        videos.add(reading.integer(result.get("video_id"), f"{where}.video_id"))
        if len(videos) > 1:
            raise InputError(f"{where}: a second video in one file", hint="split it: one file a video")
        obj_id, label = known.of(n + 1, f"category {reading.shown(result.get('category_id'))}")
        length = len(reading.entries(result, "segmentations", where))
        frames = indices if len(indices) == length else list(range(length))
        score = reading.share(result.get("score"), f"{where}.score")
        _add(gathered, result, where, obj_id, frames, size=None, score=score, label=label)
    info = video or known.video or reading.guessed_video(path, gathered.size())
    return _finish(known, gathered, info, indices)


def _finish(known: Objects, gathered: Gathered, info: VideoInfo, indices: list[int]) -> Tracks:
    if known.times:
        return known.finish(gathered, info)
    return gathered.tracks(info, times={index: float(index / info.fps) for index in indices})


def _add(
    gathered: Gathered,
    held: dict[str, Any],
    where: str,
    obj_id: int,
    indices: list[int],
    *,
    size: tuple[int, int] | None,
    score: float,
    label: str,
) -> None:
    masks = reading.entries(held, "segmentations", where)
    if len(masks) != len(indices):
        raise InputError(f"{where}: {len(masks)} segmentations for {len(indices)} frames")
    for position, value in enumerate(masks):
        place = f"{where}.segmentations[{position}]"
        if value is None:
            continue
        mask = reading.mask(value, place) if size is None else read_segmentation(value, size, place)
        if mask is not None and mask.area:
            gathered.add(place, obj_id, indices[position], mask=mask, score=score, label=label)


def _indices(video: dict[str, Any]) -> list[int]:
    files = [reading.text(name, "videos[0].file_names") for name in reading.entries(video, "file_names")]
    found = [_NUMBER_AT_END.search(name) for name in files]
    numbers = [int(match[1]) for match in found if match]
    return numbers if len(set(numbers)) == len(files) else list(range(len(files)))


def _seen(track: Track, index: int) -> Observation | None:
    o = track.at(index)
    return o if o is not None and o.visible and o.mask is not None and o.mask.area else None


def _columns(track: Track, indices: list[int]) -> dict[str, list[object]]:
    segmentations: list[object] = []
    areas: list[object] = []
    boxes: list[object] = []
    for o in (_seen(track, index) for index in indices):
        if o is None or o.mask is None or o.mask.box is None:
            for column in (segmentations, areas, boxes):
                column.append(None)
            continue
        runs = geometry.rle_runs(o.mask.counts).tolist()
        segmentations.append({"size": list(o.mask.size), "counts": runs})
        areas.append(o.mask.area)
        boxes.append(list(geometry.xyxy_to_xywh(o.mask.box)))
    return {"segmentations": segmentations, "areas": areas, "bboxes": boxes}
