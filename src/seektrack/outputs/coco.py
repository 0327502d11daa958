"""COCO instance annotations, one image a frame, with the track's identity on each.

The ``seektrack`` entry under ``info`` keeps what COCO has no place for, so that our files read back whole;
other programs ignore it. Only visible observations are written.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from seektrack import files, geometry
from seektrack.errors import InputError
from seektrack.outputs.native import video_from_json, video_to_json
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo

VERSION = 1


def write_coco(tracks: Tracks, path: Path) -> None:
    """Images, categories and annotations with compressed run-length codes, ``bbox`` and ``track_id``.

    Ids of images and annotations count from 1 (pycocotools' evaluation takes 0 for "unmatched"). An
    observation without a mask has a ``bbox`` only.
    """
    indices = sorted(set(tracks.frame_times) | {o.frame_index for t in tracks for o in t.observations})
    categories = category_ids(tracks)
    annotations: list[dict[str, object]] = []
    for index in indices:
        for track, o in tracks.at(index):
            if not o.visible:
                continue
            x, y, w, h = geometry.xyxy_to_xywh(o.box)
            annotation: dict[str, object] = {
                "id": len(annotations) + 1,
                "image_id": index + 1,
                "category_id": categories[track.label],
                "bbox": [float(x), float(y), float(w), float(h)],
                "area": float(w * h) if o.mask is None else o.mask.area,
                "iscrowd": 0,
                "track_id": track.obj_id,
                "score": float(o.score),
            }
            if o.mask is not None:
                annotation["segmentation"] = o.mask.to_coco()
            annotations.append(annotation)
    path.write_text(files.json_text(_document(tracks, indices, categories, annotations)), encoding="utf-8")


def category_ids(tracks: Tracks) -> dict[str, int]:
    """Number from 1 of each label, in alphabetical order."""
    return {label: n for n, label in enumerate(sorted({t.label for t in tracks}), start=1)}


def _document(
    tracks: Tracks, indices: list[int], categories: dict[str, int], annotations: list[dict[str, object]]
) -> dict[str, object]:
    video = tracks.video
    return {
        "info": {
            "description": f"seektrack: {tracks.query or 'prompted objects'} in {video.name}",
            "seektrack": {
                "version": VERSION,
                "video": video_to_json(video),
                "query": tracks.query,
                "track_scores": {str(t.obj_id): float(t.score) for t in tracks},
            },
        },
        "licenses": [],
        "images": [
            {
                "id": index + 1,
                "file_name": f"{video.name}/{index:06d}.jpg",
                "width": video.width,
                "height": video.height,
                "frame_index": index,
                "time_s": _time_of(tracks, index),
            }
            for index in indices
        ],
        "categories": [{"id": n, "name": label or "object"} for label, n in categories.items()],
        "annotations": annotations,
    }


def _time_of(tracks: Tracks, index: int) -> float:
    known = tracks.frame_times.get(index)
    if known is not None:
        return float(known)
    return next(float(o.time_s) for _, o in tracks.at(index))


def read_coco(path: Path, video: VideoInfo | None) -> Tracks:
    """Read COCO annotations that carry a ``track_id``.

    Files of other programs: ``frame_index`` is the image's position by id unless the image says, time is
    its ``time_s`` or the index over the frame rate, which is ``video``'s or else 25. Polygons and
    uncompressed codes are converted.

    Raises:
        InputError: An annotation has no ``track_id``, or the file has no images.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    ours = content.get("info", {}).get("seektrack", {}) if isinstance(content.get("info"), dict) else {}
    images = sorted(content["images"], key=lambda image: image["id"])
    if not images:
        raise InputError(f"{path} has no images")
    info = video or (video_from_json(ours["video"]) if ours else _guessed_info(path, images[0]))
    frames = {}
    for position, image in enumerate(images):
        index = int(image.get("frame_index", position))
        frames[image["id"]] = (index, float(image.get("time_s", index / info.fps)), image)
    names = {c["id"]: c["name"] for c in content["categories"]}

    by_id: dict[int, tuple[str, list[Observation]]] = {}
    for annotation in content["annotations"]:
        if "track_id" not in annotation:
            raise InputError(
                f"{path}: annotation {annotation['id']} has no track_id",
                hint="plain COCO has no identities; only files with track_id hold tracks",
            )
        index, time_s, image = frames[annotation["image_id"]]
        x, y, w, h = (float(v) for v in annotation["bbox"])
        observation = Observation(
            frame_index=index,
            time_s=time_s,
            box=geometry.xywh_to_xyxy((x, y, w, h)),
            mask=_mask_of(annotation, image),
            score=float(annotation.get("score", 1.0)),
        )
        label = names[annotation["category_id"]]
        by_id.setdefault(int(annotation["track_id"]), (label, []))[1].append(observation)
    tracks = []
    scores = ours.get("track_scores", {})
    for obj_id, (label, observations) in sorted(by_id.items()):
        observations.sort(key=lambda o: o.frame_index)
        mean = sum(o.score for o in observations) / len(observations)
        tracks.append(Track(obj_id, label, float(scores.get(str(obj_id), mean)), tuple(observations)))
    times = {index: time_s for index, time_s, _ in frames.values()}
    return Tracks(info, ours.get("query", ""), tuple(tracks), times)


def _mask_of(annotation: dict[str, Any], image: dict[str, Any]) -> Mask | None:
    from pycocotools import mask as coco_mask

    segmentation = annotation.get("segmentation")
    if not segmentation:
        return None
    if isinstance(segmentation, dict) and isinstance(segmentation["counts"], str):
        return Mask.from_coco(segmentation)
    rle = coco_mask.frPyObjects(segmentation, image["height"], image["width"])
    merged = coco_mask.merge(rle) if isinstance(rle, list) else rle
    return Mask.from_coco({"size": merged["size"], "counts": merged["counts"]})


def _guessed_info(path: Path, image: dict[str, Any]) -> VideoInfo:
    return VideoInfo(str(path), int(image["width"]), int(image["height"]), Fraction(25))
