"""The nouns as JSON over the wire, and back; what the client reads is equal to what the server had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import numpy as np

from seektrack.known import fields, read_known, told
from seektrack.query import Query, explain, in_short
from seektrack.retrieval import Chain
from seektrack.types import Hit, Mask, Moment, Observation, Prompt, Tracks, VideoInfo


def prompt_of(asked: Mapping[str, Any], *, frame_index: int | None = None) -> Prompt:
    """A prompt from what `PromptAsked` let through.

    Raises:
        InputError: Its mask is none.
    """
    points, labels = asked.get("points"), asked.get("point_labels")
    box, mask = asked.get("box"), asked.get("mask")
    if points is not None and labels is None:
        labels = [1] * len(points)
    return Prompt(
        obj_id=int(asked["obj_id"]),
        frame_index=int(asked["frame_index"] if frame_index is None else frame_index),
        points=None if points is None else np.array(points, dtype=np.float64).reshape(-1, 2),
        point_labels=None if labels is None else np.array(labels, dtype=np.int64),
        box=None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        mask=None if mask is None else Mask.from_coco(mask),
        score=float(asked.get("score", 1.0)),
        label=str(asked.get("label", "")),
    )


def prompt_to_json(prompt: Prompt) -> dict[str, Any]:
    """What `prompt_of` reads."""
    return {
        "obj_id": int(prompt.obj_id),
        "frame_index": int(prompt.frame_index),
        "points": None if prompt.points is None else np.asarray(prompt.points, dtype=float).tolist(),
        "point_labels": None if prompt.point_labels is None else [int(v) for v in prompt.point_labels],
        "box": None if prompt.box is None else [float(v) for v in prompt.box],
        "mask": None if prompt.mask is None else prompt.mask.to_coco(),
        "score": float(prompt.score),
        "label": prompt.label,
    }


def info_of(held: Mapping[str, Any]) -> VideoInfo:
    """What a server tells of a video."""
    return VideoInfo(
        path=held["video"],
        width=held["width"],
        height=held["height"],
        fps=Fraction(held["fps_exact"]),
        duration_s=held["duration_s"],
        n_frames=held["n_frames"],
    )


def seed_of(asked: Mapping[str, Any]) -> Hit:
    """A hit from what `SeedAsked` let through."""
    box = asked["box"]
    return Hit(
        asked["video"],
        asked["frame_index"],
        asked["time_s"],
        asked["score"],
        asked["confidence"],
        None if box is None else (box[0], box[1], box[2], box[3]),
    )


def seed_to_json(hit: Hit) -> dict[str, Any]:
    """What `seed_of` reads."""
    return {
        "video": hit.video,
        "frame_index": int(hit.frame_index),
        "time_s": float(hit.time_s),
        "score": float(hit.score),
        "confidence": float(hit.confidence),
        "box": None if hit.box is None else [float(v) for v in hit.box],
    }


def hit_to_json(hit: Hit, video_id: str) -> dict[str, Any]:
    """A hit."""
    return {
        "video": hit.video,
        "video_id": video_id,
        "frame_index": int(hit.frame_index),
        "time_s": float(hit.time_s),
        "score": float(hit.score),
        "confidence": told(float(hit.confidence), hit.domain),
        "computed": float(hit.confidence),
        "box": None if hit.box is None else [float(v) for v in hit.box],
        "query": hit.query,
        "domain": hit.domain,
        "warning": fields(hit.domain).get("warning"),
    }


def hit_of(held: Mapping[str, Any]) -> Hit:
    """What `hit_to_json` wrote."""
    box = held["box"]
    return Hit(
        video=held["video"],
        frame_index=held["frame_index"],
        time_s=held["time_s"],
        score=held["score"],
        confidence=held["computed"],
        box=None if box is None else (box[0], box[1], box[2], box[3]),
        query=held["query"],
        domain=read_known(held["domain"]),
    )


def moment_to_json(moment: Moment, video_id: str) -> dict[str, Any]:
    """A moment, or a chain of them."""
    steps = moment.moments if isinstance(moment, Chain) else ()
    return {
        "video": moment.video,
        "video_id": video_id,
        "start_s": float(moment.start_s),
        "end_s": float(moment.end_s),
        "confidence": told(float(moment.confidence), moment.domain),
        "computed": float(moment.confidence),
        "key": hit_to_json(moment.key, video_id),
        "query": moment.query,
        "domain": moment.domain,
        "warning": fields(moment.domain).get("warning"),
        "moments": [moment_to_json(step, video_id) for step in steps],
    }


def moment_of(held: Mapping[str, Any]) -> Moment:
    """What `moment_to_json` wrote."""
    given = (
        held["video"],
        held["start_s"],
        held["end_s"],
        hit_of(held["key"]),
        held["computed"],
        held["query"],
        read_known(held["domain"]),
    )
    if held["moments"]:
        return Chain(*given, moments=tuple(moment_of(step) for step in held["moments"]))
    return Moment(*given)


def reading_to_json(
    query: Query | None,
    notices: Sequence[str],
    *,
    typed: str | Sequence[str] = "",
    asked: str | Sequence[str] | None = None,
) -> dict[str, Any]:
    """How a question was read, which was typed, and asked when mistyped words were put right."""
    return {
        "typed": typed if isinstance(typed, str) else "; ".join(typed),
        "asked": typed if asked is None else asked,
        "query": None if query is None else asdict(query),
        "reading": None if query is None else in_short(query),
        "explained": [] if query is None else list(explain(query)),
        "notices": list(notices),
    }


def observation_to_json(obj_id: int, seen: Observation) -> dict[str, Any]:
    """One object on one frame."""
    return {
        "obj_id": int(obj_id),
        "box": [float(v) for v in seen.box],
        "mask": None if seen.mask is None else seen.mask.to_coco(),
        "score": float(seen.score),
        "visible": bool(seen.visible),
        "state": seen.state,
        "amodal": None if seen.amodal is None else seen.amodal.to_coco(),
    }


def observation_of(held: Mapping[str, Any], frame_index: int, time_s: float) -> Observation:
    """What `observation_to_json` wrote."""
    box = held["box"]
    return Observation(
        frame_index,
        time_s,
        (box[0], box[1], box[2], box[3]),
        None if held["mask"] is None else Mask.from_coco(held["mask"]),
        held["score"],
        held["visible"],
        None if held["amodal"] is None else Mask.from_coco(held["amodal"]),
    )


def frames_to_json(
    tracks: Tracks, indices: Sequence[int], *, obj_ids: frozenset[int] | None = None
) -> dict[str, Any]:
    """What is seen on some frames, every object or some."""
    frames = []
    for index in indices:
        objects = [
            observation_to_json(track.obj_id, seen)
            for track, seen in tracks.at(index)
            if obj_ids is None or track.obj_id in obj_ids
        ]
        time_s = float(tracks.frame_times[index])
        frames.append({"frame_index": int(index), "time_s": time_s, "objects": objects})
    return {"width": tracks.video.width, "height": tracks.video.height, "frames": frames}
