"""Tracks as a Protobuf message; the schema is ``schema/tracks.proto``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from seektrack.errors import InputError
from seektrack.known import Known, read_known
from seektrack.missed import Missed
from seektrack.outputs import reading
from seektrack.outputs.optional import needed
from seektrack.outputs.reading import Gathered
from seektrack.outputs.remarks import Remarks
from seektrack.types import Mask, Tracks, VideoInfo


def write_protobuf(tracks: Tracks, path: Path) -> None:
    """One ``seektrack.Tracks`` message; nothing is lost.

    Raises:
        InputError: protobuf is not installed.
    """
    message = _schema().Tracks(query=tracks.query, damage=tracks.damage, notices=tracks.notices)
    for missed in tracks.missed:
        _write_missed(message.missed.add(), missed)
    video = tracks.video
    message.video.MergeFrom(
        _schema().Video(path=video.path, width=video.width, height=video.height, fps=str(video.fps))
    )
    if video.duration_s is not None:
        message.video.duration_s = video.duration_s
    if video.n_frames is not None:
        message.video.n_frames = video.n_frames
    for index in tracks.frame_indices:
        message.frames.add(frame_index=index, time_s=tracks.frame_times[index])
    for track in tracks:
        held = message.tracks.add(
            obj_id=track.obj_id, label=track.label, score=track.score, domain=track.domain
        )
        for o in track.observations:
            seen = held.observations.add(
                frame_index=o.frame_index, time_s=o.time_s, score=o.score, visible=o.visible
            )
            seen.box.x0, seen.box.y0, seen.box.x1, seen.box.y1 = o.box
            if o.mask is not None:
                seen.mask.height, seen.mask.width = o.mask.size
                seen.mask.counts = o.mask.counts
    path.write_bytes(message.SerializeToString(deterministic=True))


def read_protobuf(path: Path, video: VideoInfo | None) -> Tracks:
    """Read what `write_protobuf` wrote.

    Raises:
        InputError: protobuf is not installed, it is no such message, or a value is not what it should be.
    """
    errors = needed("google.protobuf.message", "protobuf")
    reading.check_bytes(path)
    message = _schema().Tracks()
    try:
        message.ParseFromString(path.read_bytes())
    except errors.DecodeError as error:
        raise InputError(f"not a message of tracks: {error}") from error
    gathered = Gathered()
    labels: dict[int, str] = {}
    scores: dict[int, float] = {}
    domains: dict[int, Known] = {}
    for n, track in enumerate(message.tracks):
        where = f"tracks[{n}]"
        obj_id = reading.integer(track.obj_id, f"{where}.obj_id")
        if obj_id in labels:
            raise InputError(f"{where}: object {obj_id} comes twice", hint="ids are unique")
        labels[obj_id], scores[obj_id] = track.label, reading.share(track.score, f"{where}.score")
        domains[obj_id] = read_known(track.domain or None, f"{where}.domain")
        for k, seen in enumerate(track.observations):
            _add(gathered, obj_id, seen, f"{where}.observations[{k}]")
    times = reading.frame_times([[f.frame_index, f.time_s] for f in message.frames])
    tracks = gathered.tracks(
        video or _video(message.video),
        query=message.query,
        labels=labels,
        scores=scores,
        order=list(labels),
        times=times,
    )
    told = replace(tracks, tracks=tuple(replace(t, domain=domains[t.obj_id]) for t in tracks))
    said = {
        "damage": message.damage,
        "notices": list(message.notices),
        "missed": [_missed(one) for one in message.missed],
    }
    return Remarks.read(said).onto(told)


def _write_missed(held: Any, missed: Missed) -> None:
    held.stage, held.label, held.domain = missed.stage, missed.label, missed.domain
    for name in ("frame_index", "time_s", "confidence"):
        if getattr(missed, name) is not None:
            setattr(held, name, getattr(missed, name))
    if missed.box is not None:
        held.box.x0, held.box.y0, held.box.x1, held.box.y1 = missed.box


def _missed(held: Any) -> dict[str, Any]:
    """Why one thing was not found, as `Remarks.read` takes it."""
    said = {
        name: getattr(held, name) if held.HasField(name) else None
        for name in ("frame_index", "time_s", "confidence")
    }
    box = [held.box.x0, held.box.y0, held.box.x1, held.box.y1] if held.HasField("box") else None
    return {**said, "box": box, "stage": held.stage, "label": held.label, "domain": held.domain or None}


def _add(gathered: Gathered, obj_id: int, seen: Any, where: str) -> None:
    mask: Mask | None = None
    if seen.HasField("mask"):
        mask = reading.mask({"size": [seen.mask.height, seen.mask.width], "counts": seen.mask.counts}, where)
    gathered.add(
        where,
        obj_id,
        reading.frame_number(seen.frame_index, where),
        time_s=reading.time_of(seen.time_s, where),
        box=reading.xyxy([seen.box.x0, seen.box.y0, seen.box.x1, seen.box.y1], where),
        mask=mask,
        score=reading.share(seen.score, f"{where}.score"),
        visible=seen.visible,
    )


def _video(held: Any) -> VideoInfo:
    return reading.video_from_json(
        {
            "path": held.path,
            "width": held.width,
            "height": held.height,
            "fps": held.fps,
            "duration_s": held.duration_s if held.HasField("duration_s") else None,
            "n_frames": held.n_frames if held.HasField("n_frames") else None,
        }
    )


def _schema() -> Any:
    needed("google.protobuf", "protobuf")
    from seektrack.outputs.schema import tracks_pb2

    return tracks_pb2
