"""COCO instance annotations with the identity on each: one image a frame, or CocoVID with its videos.

The identity stands where others look for it: ``attributes.track_id`` (CVAT, datumaro), ``track_id``, and
``instance_id`` in CocoVID. The ``seektrack`` entry under ``info`` keeps what COCO has no place for, so that
our files read back whole; other programs ignore it. Only visible observations are written.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from seektrack.errors import InputError
from seektrack.limits import Limits
from seektrack.outputs import documents, reading
from seektrack.outputs.polygons import read_segmentation
from seektrack.outputs.reading import Gathered
from seektrack.outputs.remarks import Remarks
from seektrack.types import Observation, Track, Tracks, VideoInfo

VERSION = 1
VIDEO_ID = 1

_IN_NAME = re.compile(r"(?:frame_?)?(\d+)")


def write_coco(tracks: Tracks, path: Path) -> None:
    """Images named ``frame_000000.jpg``, categories, and annotations with compressed run-length codes.

    Ids of images and annotations count from 1 (pycocotools' evaluation takes 0 for "unmatched"). An
    observation without a mask has a ``bbox`` only.
    """
    images = [_image(tracks, index) for index in documents.processed(tracks)]
    documents.write_json(path, _document(tracks, images, video_id=None))


def write_coco_vid(tracks: Tracks, path: Path) -> None:
    """As `write_coco`, with ``videos``, ``video_id``, ``frame_id`` and ``instance_id``."""
    indices = documents.processed(tracks)
    name = tracks.video.name or "video"
    images = [
        {
            **_image(tracks, index),
            "file_name": f"{name}/frame_{index:06d}.jpg",
            "video_id": VIDEO_ID,
            "frame_id": position,
        }
        for position, index in enumerate(indices)
    ]
    documents.write_json(path, _document(tracks, images, video_id=VIDEO_ID))


def _image(tracks: Tracks, index: int) -> dict[str, object]:
    return {
        "id": index + 1,
        "file_name": f"frame_{index:06d}.jpg",
        "width": tracks.video.width,
        "height": tracks.video.height,
        "frame_index": index,
        "time_s": documents.time_of(tracks, index),
    }


def _document(tracks: Tracks, images: list[dict[str, object]], *, video_id: int | None) -> dict[str, object]:
    video, numbers = tracks.video, documents.category_ids(tracks)
    seen = [(t, o) for index in documents.processed(tracks) for t, o in tracks.at(index) if o.visible]
    annotations = [_annotation(t, o, numbers[t.label], n) for n, (t, o) in enumerate(seen, start=1)]
    content: dict[str, object] = {
        "info": {
            "description": f"seektrack: {tracks.query or 'prompted objects'} in {video.name}",
            "seektrack": {
                "version": VERSION,
                "video": reading.video_to_json(video),
                "query": tracks.query,
                **Remarks.of(tracks).to_dict(),
                "tracks": [{"obj_id": t.obj_id, "label": t.label, "score": float(t.score)} for t in tracks],
            },
        },
        "licenses": [],
    }
    if video_id is not None:
        content["videos"] = [
            {
                "id": video_id,
                "name": video.name or "video",
                "width": video.width,
                "height": video.height,
                "fps": float(video.fps),
                "length": len(images),
            }
        ]
        annotations = [{**a, "video_id": video_id, "instance_id": a["track_id"]} for a in annotations]
    return {
        **content,
        "images": images,
        "categories": documents.categories(tracks),
        "annotations": annotations,
    }


def _annotation(track: Track, o: Observation, category_id: int, number: int) -> dict[str, object]:
    box = documents.xywh(o.box)
    annotation: dict[str, object] = {
        "id": number,
        "image_id": o.frame_index + 1,
        "category_id": category_id,
        "bbox": box,
        "area": box[2] * box[3] if o.mask is None else o.mask.area,
        "iscrowd": 0,
        "track_id": track.obj_id,
        "score": float(o.score),
        "attributes": {"track_id": track.obj_id, "occluded": False},
    }
    if o.mask is not None:
        annotation["segmentation"] = o.mask.to_coco()
    return annotation


class _Image(NamedTuple):
    frame: int
    time_s: float | None
    size: tuple[int, int]


def read_coco(path: Path, video: VideoInfo | None) -> Tracks:
    """Read COCO or CocoVID annotations with identities.

    The identity is ``track_id``, ``instance_id`` or ``attributes.track_id``. In files of others a frame's
    index is ``frame_index``, ``frame_id``, the number in its name (``frame_000012.jpg``), or else
    its position by id; its time is ``time_s`` or the index over the frame rate, which is ``video``'s, the
    file's or else `reading.ASSUMED_FPS`. Polygons and uncompressed codes are converted.

    Raises:
        InputError: Something is missing or not what it should be, an annotation has no identity, or an object
            comes twice on a frame.
    """
    content = reading.entry(reading.read_json(path), "the document")
    ours = _ours(content)
    images = images_of(content)
    names = names_of(content)
    gathered = Gathered()
    for n, value in enumerate(reading.entries(content, "annotations")):
        where = f"annotations[{n}]"
        annotation = reading.entry(value, where)
        image = images.get(_any_id(annotation.get("image_id"), f"{where}.image_id"))
        if image is None:
            raise InputError(f"{where}: no image has the id {annotation['image_id']}")
        kind = _any_id(annotation.get("category_id"), f"{where}.category_id")
        if kind not in names:
            raise InputError(f"{where}: no category has the id {kind}")
        box = annotation.get("bbox")
        gathered.add(
            where,
            _identity(annotation, where),
            image.frame,
            box=None if box is None else reading.xywh(box, f"{where}.bbox"),
            mask=read_segmentation(annotation.get("segmentation"), image.size, where),
            score=reading.share(annotation.get("score", 1.0), f"{where}.score"),
            label=names[kind],
            time_s=image.time_s,
        )
    info = video or _video(content, ours) or reading.guessed_video(path, next(iter(images.values())).size)
    return _finish(gathered, info, ours, images)


def _finish(gathered: Gathered, info: VideoInfo, ours: dict[str, Any], images: dict[int, _Image]) -> Tracks:
    known = [
        (
            reading.integer(held.get("obj_id"), "info.seektrack.tracks.obj_id"),
            reading.text(held.get("label", ""), "info.seektrack.tracks.label"),
            reading.share(held.get("score"), "info.seektrack.tracks.score"),
        )
        for held in (reading.entry(t, "info.seektrack.tracks") for t in ours.get("tracks", []))
    ]
    order = [obj_id for obj_id, _, _ in known]
    tracks = gathered.tracks(
        info,
        query=reading.text(ours.get("query", ""), "info.seektrack.query"),
        scores={obj_id: score for obj_id, _, score in known},
        labels={obj_id: label for obj_id, label, _ in known},
        order=order + sorted(gathered.ids - set(order)),
        times={i.frame: float(i.frame / info.fps) if i.time_s is None else i.time_s for i in images.values()},
    )
    return Remarks.read(ours, "info.seektrack").onto(tracks)


def _ours(content: dict[str, Any]) -> dict[str, Any]:
    info = content.get("info")
    held = info.get("seektrack") if isinstance(info, dict) else None
    return held if isinstance(held, dict) else {}


def images_of(content: dict[str, Any]) -> dict[int, _Image]:
    """The frame of each image of a document, by id."""
    held = [reading.entry(v, f"images[{n}]") for n, v in enumerate(reading.entries(content, "images"))]
    if not held:
        raise InputError("no images")
    videos = {str(image["video_id"]) for image in held if "video_id" in image}
    if len(videos) > 1:
        raise InputError(f"{len(videos)} videos in one file", hint="split it: one file a video")
    ids = [_any_id(v.get("id"), f"images[{n}].id") for n, v in enumerate(held)]
    named = _numbers_in_names(held)
    images: dict[int, _Image] = {}
    taken: dict[int, int] = {}
    for position, number in enumerate(sorted(range(len(held)), key=lambda n: ids[n])):
        where, image = f"images[{number}]", held[number]
        index = image.get("frame_index", image.get("frame_id", named[number] if named else position))
        index = reading.frame_number(index, where)
        if ids[number] in images or index in taken:
            raise InputError(f"{where}: image id {ids[number]} or frame {index} comes twice")
        taken[index] = number
        size = (
            reading.side(image.get("height"), f"{where}.height"),
            reading.side(image.get("width"), f"{where}.width"),
        )
        time_s = image.get("time_s")
        images[ids[number]] = _Image(index, None if time_s is None else reading.time_of(time_s, where), size)
    return images


def _numbers_in_names(images: list[dict[str, Any]]) -> list[int]:
    """The number in the name of every picture, or nothing where one has none or two have the same."""
    stems = [PurePosixPath(str(image.get("file_name", ""))).stem for image in images]
    found = [_IN_NAME.fullmatch(stem) for stem in stems]
    numbers = [int(match[1]) for match in found if match and len(match[1]) <= 10]
    return numbers if len(set(numbers)) == len(images) else []


def names_of(content: dict[str, Any]) -> dict[int, str]:
    """The names of the categories of a document, by id."""
    names: dict[int, str] = {}
    for n, value in enumerate(reading.entries(content, "categories")):
        where = f"categories[{n}]"
        held = reading.entry(value, where)
        number = _any_id(held.get("id"), f"{where}.id")
        if number in names:
            raise InputError(f"{where}: id {number} comes twice")
        names[number] = reading.text(held.get("name"), f"{where}.name")
    return names


def _any_id(value: object, where: str) -> int:
    return reading.integer(value, where, low=-Limits.current().max_id)


def _identity(annotation: dict[str, Any], where: str) -> int:
    attributes = annotation.get("attributes")
    within = attributes.get("track_id") if isinstance(attributes, dict) else None
    for value in (annotation.get("track_id"), annotation.get("instance_id"), within):
        if value is not None:
            return reading.integer(value, f"{where}: identity")
    raise InputError(
        f"{where} (id {reading.shown(annotation.get('id'))}) has no track_id",
        hint="plain COCO has no identities; they are track_id, instance_id or attributes.track_id",
    )


def _video(content: dict[str, Any], ours: dict[str, Any]) -> VideoInfo | None:
    if "video" in ours:
        return reading.video_from_json(ours["video"], "info.seektrack.video")
    videos = content.get("videos")
    if not isinstance(videos, list) or len(videos) != 1:
        return None
    held = reading.entry(videos[0], "videos[0]")
    if "width" not in held or "height" not in held:
        return None
    return VideoInfo(
        str(held.get("name", held.get("file_name", "video"))),
        reading.side(held["width"], "videos[0].width"),
        reading.side(held["height"], "videos[0].height"),
        reading.frame_rate(held.get("fps", reading.ASSUMED_FPS), "videos[0].fps"),
    )
