"""Our own forms: JSON that loses nothing, and JSON frame by frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from seektrack.errors import InputError
from seektrack.known import Known, fields, read_known
from seektrack.outputs import documents, reading
from seektrack.outputs.motion import velocities
from seektrack.outputs.reading import Gathered
from seektrack.outputs.remarks import Remarks
from seektrack.types import AWAY, Absence, Mask, Observation, Track, Tracks, VideoInfo

FORMAT, VERSION = "seektrack.tracks", 1
FRAMES_FORMAT = "seektrack.frames"
TRAJECTORY = 30
"""Positions of the trajectory that stands with each object of a frame."""


def write_json(tracks: Tracks, path: Path) -> None:
    """Everything `Tracks` holds, and the velocity of each observation for convenience."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "video": reading.video_to_json(tracks.video),
        "query": tracks.query,
        **Remarks.of(tracks).to_dict(),
        "frames": [[index, float(tracks.frame_times[index])] for index in tracks.frame_indices],
        "tracks": [_track_to_json(track) for track in tracks],
    }
    documents.write_json(path, content)


def read_json(path: Path, video: VideoInfo | None) -> Tracks:
    """Read what `write_json` wrote; ``video`` replaces the recorded one, for a file that moved.

    Raises:
        InputError: It is another file, of another version, or a value is not what it should be.
    """
    content = reading.read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"not a {FORMAT} file", hint="for COCO files use format 'coco'")
    if content.get("version") != VERSION:
        raise InputError(
            f"version {content.get('version')}, this release reads {VERSION}",
            hint="read it with the release that wrote it, or update seektrack",
        )
    gathered = Gathered()
    labels: dict[int, str] = {}
    scores: dict[int, float] = {}
    domains: dict[int, Known] = {}
    away: dict[int, tuple[Absence, ...]] = {}
    for n, value in enumerate(reading.entries(content, "tracks")):
        where = f"tracks[{n}]"
        held = reading.entry(value, where)
        obj_id = reading.integer(held.get("obj_id"), f"{where}.obj_id")
        if obj_id in labels:
            raise InputError(f"{where}: object {obj_id} comes twice", hint="ids are unique")
        labels[obj_id] = reading.text(held.get("label"), f"{where}.label")
        scores[obj_id] = reading.share(held.get("score"), f"{where}.score")
        domains[obj_id] = read_known(held.get("domain"), f"{where}.domain")
        away[obj_id] = _absences(held, where)
        for k, seen in enumerate(reading.entries(held, "observations", where)):
            _observation(gathered, obj_id, seen, f"{where}.observations[{k}]")
    tracks = gathered.tracks(
        video or reading.video_from_json(content.get("video")),
        query=reading.text(content.get("query"), "query"),
        labels=labels,
        scores=scores,
        order=list(labels),
        times=reading.frame_times(content.get("frames")),
    )
    known = (replace(t, domain=domains[t.obj_id], absences=away[t.obj_id]) for t in tracks)
    told = replace(tracks, tracks=tuple(known))
    return Remarks.read(content).onto(told)


def write_frames(tracks: Tracks, path: Path) -> None:
    """A JSON document with one entry a frame: ``frame_id`` and ``objects``, a line each.

    An object has ``id``, ``label``, ``confidence``, ``box``, ``mask``, ``visible``, ``position``,
    ``velocity`` and ``trajectory``, its last `TRAJECTORY` positions, the newest last.
    """
    paths: dict[int, deque[list[float]]] = {t.obj_id: deque(maxlen=TRAJECTORY) for t in tracks}
    speeds = {
        (t.obj_id, o.frame_index): velocity
        for t in tracks
        for o, velocity in zip(t.observations, velocities(t).tolist(), strict=True)
    }
    frames = []
    for index in documents.processed(tracks):
        objects = []
        for track, o in tracks.at(index):
            paths[track.obj_id].append([float(v) for v in o.centre])
            velocity = speeds[track.obj_id, index]
            objects.append(_object_to_json(track, o, velocity, list(paths[track.obj_id])))
        frames.append({"frame_id": index, "time_s": documents.time_of(tracks, index), "objects": objects})
    documents.write_json(
        path,
        {
            "format": FRAMES_FORMAT,
            "version": VERSION,
            "video": reading.video_to_json(tracks.video),
            "query": tracks.query,
            **Remarks.of(tracks).to_dict(),
            "tracks": [{"id": t.obj_id, "label": t.label, "score": float(t.score)} for t in tracks],
            "frames": frames,
        },
    )


def read_frames(path: Path, video: VideoInfo | None) -> Tracks:
    """Read JSON frame by frame: our document, a list of frames, or a frame a line.

    Of an object ``id`` and either ``box`` (``[x0, y0, x1, y1]``) or ``mask`` (COCO run lengths) are needed.

    Raises:
        InputError: A value is not what it should be, or an object comes twice on a frame.
    """
    content = _frames_document(path)
    gathered = Gathered()
    times: dict[int, float] = {}
    indices: set[int] = set()
    for n, value in enumerate(reading.entries(content, "frames")):
        where = f"frames[{n}]"
        frame = reading.entry(value, where)
        index = reading.frame_number(frame.get("frame_id"), f"{where}.frame_id")
        if index in indices:
            raise InputError(f"{where}: frame {index} comes twice")
        indices.add(index)
        if frame.get("time_s") is not None:
            times[index] = reading.time_of(frame["time_s"], where)
        for k, held in enumerate(reading.entries(frame, "objects", where)):
            _object(gathered, index, held, f"{where}.objects[{k}]")
    tracks = [reading.entry(t, "tracks") for t in content.get("tracks", [])]
    ids = [reading.integer(t.get("id"), "tracks.id") for t in tracks]
    described = content.get("video")
    info = video or (
        reading.video_from_json(described)
        if described is not None
        else reading.guessed_video(path, gathered.size())
    )
    found = gathered.tracks(
        info,
        query=reading.text(content.get("query", ""), "query"),
        labels={i: reading.text(t.get("label"), "tracks.label") for i, t in zip(ids, tracks, strict=True)},
        scores={i: reading.share(t.get("score"), "tracks.score") for i, t in zip(ids, tracks, strict=True)},
        order=ids + sorted(gathered.ids - set(ids)),
        times={index: times.get(index, float(index / info.fps)) for index in indices},
    )
    return Remarks.read(content).onto(found)


def _frames_document(path: Path) -> dict[str, Any]:
    text = reading.read_text(path)
    try:
        content = reading.parse_json(text)
    except InputError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not lines[0].rstrip().endswith("}"):
            raise
        try:
            content = [reading.parse_json(line) for line in lines]
        except InputError:
            raise error from None
    if isinstance(content, dict) and "frame_id" in content:
        content = [content]
    return {"frames": content} if isinstance(content, list) else reading.entry(content, "the document")


def frame_entry(index: int, time_s: float, objects: Sequence[tuple[Track, Observation]]) -> dict[str, object]:
    """One frame as `write_frames` writes it, of tracks that end on it, as on a stream."""
    held = []
    for track, o in objects:
        path = [[float(v) for v in seen.centre] for seen in track.observations[-TRAJECTORY:]]
        velocity = velocities(track)[-1].tolist()
        held.append(_object_to_json(track, o, velocity, path))
    return {"frame_id": index, "time_s": time_s, "objects": held}


def _object_to_json(
    track: Track, o: Observation, velocity: list[float], path: list[list[float]]
) -> dict[str, object]:
    return {
        "id": track.obj_id,
        "label": track.label,
        "confidence": float(o.score),
        "box": [float(v) for v in o.box],
        "mask": None if o.mask is None else o.mask.to_coco(),
        "visible": bool(o.visible),
        "state": o.state,
        "position": path[-1],
        "velocity": [round(v, 3) for v in velocity],
        "trajectory": path,
    }


def _object(gathered: Gathered, index: int, value: object, where: str) -> None:
    held = reading.entry(value, where)
    box, mask = held.get("box"), held.get("mask")
    gathered.add(
        where,
        reading.integer(held.get("id"), f"{where}.id"),
        index,
        box=None if box is None else reading.xyxy(box, f"{where}.box"),
        mask=None if mask is None else reading.mask(mask, f"{where}.mask"),
        score=reading.share(held.get("confidence", 1.0), f"{where}.confidence"),
        label=reading.text(held.get("label", ""), f"{where}.label"),
        visible=_flag(held.get("visible", True), f"{where}.visible"),
    )


def _track_to_json(track: Track) -> dict[str, object]:
    return {
        "obj_id": track.obj_id,
        "label": track.label,
        "score": float(track.score),
        **fields(track.domain),
        **({"absences": [asdict(a) for a in track.absences]} if track.absences else {}),
        "observations": [
            {
                "frame_index": o.frame_index,
                "time_s": float(o.time_s),
                "box": [float(v) for v in o.box],
                "velocity": [round(float(v), 3) for v in velocity],
                "mask": None if o.mask is None else o.mask.to_coco(),
                "score": float(o.score),
                "visible": bool(o.visible),
                "point": [round(v, 2) for v in o.point],
                **({} if o.amodal is None else {"amodal": o.amodal.to_coco()}),
            }
            for o, velocity in zip(track.observations, velocities(track), strict=True)
        ],
    }


def _absences(held: dict[str, Any], where: str) -> tuple[Absence, ...]:
    """Stretches without an observation, where the file tells of them."""
    if held.get("absences") is None:
        return ()
    out = []
    for n, value in enumerate(reading.entries(held, "absences", where)):
        here = f"{where}.absences[{n}]"
        entry = reading.entry(value, here)
        first, last = (reading.frame_number(entry.get(k), here) for k in ("first_frame", "last_frame"))
        state = next((known for known in AWAY if known == entry.get("state")), None)
        if state is None:
            shown = reading.shown(entry.get("state"))
            raise InputError(f"{here}.state must be {' or '.join(AWAY)}, got {shown}")
        out.append(Absence(first, last, state))
    return tuple(out)


def _observation(gathered: Gathered, obj_id: int, value: object, where: str) -> None:
    held = reading.entry(value, where)
    mask: Mask | None = None if held.get("mask") is None else reading.mask(held["mask"], f"{where}.mask")
    gathered.add(
        where,
        obj_id,
        reading.frame_number(held.get("frame_index"), where),
        time_s=reading.time_of(held.get("time_s"), where),
        box=reading.xyxy(held.get("box"), f"{where}.box"),
        mask=mask,
        score=reading.share(held.get("score"), f"{where}.score"),
        visible=_flag(held.get("visible"), f"{where}.visible"),
        amodal=None if held.get("amodal") is None else reading.mask(held["amodal"], f"{where}.amodal"),
    )


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{where} must be true or false, got {reading.shown(value)}")
    return value
