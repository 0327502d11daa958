"""YouTube-VIS annotations: one video, a list of masks a track, null where the object is not seen."""

from __future__ import annotations

from pathlib import Path

from seektrack import files, geometry
from seektrack.outputs.coco import category_ids
from seektrack.types import Track, Tracks

VIDEO_ID = 1


def write_youtube_vis(tracks: Tracks, path: Path) -> None:
    """Ground-truth form: uncompressed run lengths, since that is what readers of the data set expect.

    The lists run over the processed frames; ``file_names`` carry the frame index.
    """
    video = tracks.video
    indices = sorted(set(tracks.frame_times) | {o.frame_index for t in tracks for o in t.observations})
    categories = category_ids(tracks)
    content = {
        "info": {"description": f"seektrack: {tracks.query or 'prompted objects'} in {video.name}"},
        "licenses": [],
        "videos": [
            {
                "id": VIDEO_ID,
                "width": video.width,
                "height": video.height,
                "length": len(indices),
                "file_names": [f"{video.name}/{index:05d}.jpg" for index in indices],
            }
        ],
        "categories": [{"id": n, "name": label or "object"} for label, n in categories.items()],
        "annotations": [
            {
                "id": number,
                "video_id": VIDEO_ID,
                "category_id": categories[track.label],
                "iscrowd": 0,
                "width": video.width,
                "height": video.height,
                "track_id": track.obj_id,
                "score": float(track.score),
                **_sequence(track, indices),
            }
            for number, track in enumerate(tracks, start=1)
        ],
    }
    path.write_text(files.json_text(content), encoding="utf-8")


def _sequence(track: Track, indices: list[int]) -> dict[str, list[object]]:
    segmentations: list[object] = []
    areas: list[object] = []
    boxes: list[object] = []
    for index in indices:
        o = track.at(index)
        if o is None or not o.visible or o.mask is None or o.mask.box is None:
            for column in (segmentations, areas, boxes):
                column.append(None)
            continue
        runs = geometry.rle_runs(o.mask.size, o.mask.counts)
        segmentations.append({"size": list(o.mask.size), "counts": runs})
        areas.append(o.mask.area)
        boxes.append(list(geometry.xyxy_to_xywh(o.mask.box)))
    return {"segmentations": segmentations, "areas": areas, "bboxes": boxes}
