"""Following objects, and what came of it: masks frame by frame, every format, the overlay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query

from seektrack.outputs.anomaly_entries import anomaly_to_dict
from seektrack.outputs.render import Render
from seektrack.outputs.told import summary
from seektrack.serving.answers import FramesAnswer, JobAnswer
from seektrack.serving.ranged import Ranged
from seektrack.serving.refusals import not_found
from seektrack.serving.routes import JobId, Once, Owner, Served, TracksId, router
from seektrack.serving.routes_jobs import told
from seektrack.serving.routes_libraries import check_formats
from seektrack.serving.schemas import OverlayAsked, TrackAsked
from seektrack.serving.service import Service
from seektrack.serving.wire import frames_to_json, prompt_of
from seektrack.serving.work import overlay_of
from seektrack.types import Track, Tracks

track_routes = router("tracks")

MOST_FRAMES = 500
"""Frames of masks in one answer."""
FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": {}}, "description": "The file."},
    206: {"content": {"*/*": {}}, "description": "The bytes asked for."},
}


@track_routes.post("/track_objects", status_code=202, response_model=JobAnswer)
async def track_objects(
    asked: TrackAsked, service: Served, owner: Owner, once: Once = None
) -> dict[str, Any]:
    """Segment and follow objects through a video: those a text names, or those pointed at. A job.

    The words are those of ``seektrack.track_objects(video, text, output_format)``; its result can be had in
    that format at ``/jobs/{id}/result``, and in every other at ``/tracks/{id}/export``.
    """

    def take() -> dict[str, Any]:
        check_formats(asked.all_formats)
        for prompt in asked.prompts or ():
            prompt_of(prompt.model_dump())
        service.check_model(asked.model)
        service.check_following(asked.model_dump())
        named = service.videos.find(asked.video)
        service.videos.check_length(named, start_s=asked.start_s, end_s=asked.end_s)
        job = service.jobs.add("track_objects", asked.model_dump(), owner=owner, once=once)
        service.pool.wake()
        return told(service, job)

    return await service.clicks.run(take)


@track_routes.get("/jobs/{job_id}/result", response_class=Ranged, responses=FILE)
async def job_result(job_id: JobId, service: Served, n: Annotated[int, Query(ge=0, le=9999)] = 0) -> Ranged:
    """What a job that followed objects made, in the format it was asked for, of its n-th video."""

    def find() -> Ranged:
        job = service.jobs.get(job_id)
        tracks = (job.result or {}).get("tracks", [])
        if not n < len(tracks):
            raise not_found(f"result {n} of job {job_id}", hint=f"the job is {job.state}")
        return _export(service, tracks[n]["id"], job.request.get("output_format") or "json")

    return await service.clicks.run(find)


@track_routes.get("/tracks/{tracks_id}")
async def get_tracks(tracks_id: TracksId, service: Served) -> dict[str, Any]:
    """What was followed: every track with where it was seen, hidden, out of view or lost."""

    def look() -> dict[str, Any]:
        _, entry = service.results.entry(tracks_id)
        return entry | described(service.results.tracks(tracks_id))

    return await service.clicks.run(look)


@track_routes.get("/tracks/{tracks_id}/masks", response_model=FramesAnswer)
async def masks(
    tracks_id: TracksId,
    service: Served,
    start: Annotated[int, Query(ge=0, lt=2**31, description="First frame.")] = 0,
    count: Annotated[
        int, Query(ge=1, le=MOST_FRAMES, description="At most so many frames from there.")
    ] = 100,
    obj_id: Annotated[
        list[Annotated[int, Query(ge=0, lt=2**53)]] | None, Query(max_length=100, description="Only these.")
    ] = None,
) -> dict[str, Any]:
    """Masks and boxes frame by frame, as COCO run lengths, of the frames that were followed."""

    def look() -> dict[str, Any]:
        return window(service.results.tracks(tracks_id), start, count, obj_id)

    return await service.clicks.run(look)


@track_routes.get("/tracks/{tracks_id}/export", response_class=Ranged, responses=FILE)
async def export(
    tracks_id: TracksId,
    service: Served,
    format: Annotated[str, Query(max_length=40, description="As `/about` lists them.")],
) -> Ranged:
    """Tracks in one format; a zip of a format that is a folder or several files."""
    return await service.clicks.run(_export, service, tracks_id, format)


@track_routes.post("/tracks/{tracks_id}/overlay", status_code=202, response_model=JobAnswer)
def draw_overlay(
    tracks_id: TracksId, asked: OverlayAsked, service: Served, owner: Owner, once: Once = None
) -> dict[str, Any]:
    """Draw the overlay video of a result in one mode: a job."""
    service.results.entry(tracks_id)
    request = {"tracks": tracks_id, **asked.model_dump()}
    job = service.jobs.add("overlay", request, owner=owner, once=once)
    service.pool.wake()
    return told(service, job)


@track_routes.get("/tracks/{tracks_id}/overlay", response_class=Ranged, responses=FILE)
def get_overlay(tracks_id: TracksId, service: Served, render: Annotated[Render, Query()] = "auto") -> Ranged:
    """The overlay video that was drawn in a mode; ranges of bytes are given."""
    folder, entry = service.results.entry(tracks_id)
    path = overlay_of(folder, entry, render)
    if path is None:
        raise not_found("overlay of this result", hint="POST to /tracks/{id}/overlay draws it")
    kind = "video/mp4" if path.suffix == ".mp4" else "video/quicktime"
    return Ranged(path, media_type=kind, filename=path.name)


def window(tracks: Tracks, start: int, count: int, obj_ids: list[int] | None) -> dict[str, Any]:
    """Some frames of tracks as JSON."""
    indices = [index for index in tracks.frame_indices if index >= start][:count]
    return frames_to_json(tracks, indices, obj_ids=None if obj_ids is None else frozenset(obj_ids))


def described(tracks: Tracks) -> dict[str, Any]:
    """Tracks without their masks, for a list and a timeline."""
    indices = tracks.frame_indices
    video = tracks.video
    return {
        "width": video.width,
        "height": video.height,
        "fps": float(video.fps),
        "first_frame": indices[0] if indices else None,
        "last_frame": indices[-1] if indices else None,
        "objects": [
            {**one, "spans": spans(track, tracks)}
            for track in tracks
            for one in summary(replace(tracks, tracks=(track,)))
        ],
        "anomalies": [anomaly_to_dict(one) for one in tracks.anomalies],
    }


def spans(track: Track, tracks: Tracks) -> list[dict[str, Any]]:
    """Where an object is in which state: runs of frames, both ends included."""
    told: list[dict[str, Any]] = []
    indices = tracks.frame_indices
    before: int | None = None
    for index in indices:
        state = track.state(index)
        if state is not None:
            if told and told[-1]["state"] == state and told[-1]["last_frame"] == before:
                told[-1]["last_frame"], told[-1]["end_s"] = index, float(tracks.frame_times[index])
            else:
                time_s = float(tracks.frame_times[index])
                told.append(
                    {
                        "state": state,
                        "first_frame": index,
                        "last_frame": index,
                        "start_s": time_s,
                        "end_s": time_s,
                    }
                )
        before = index
    return told


def _export(service: Service, tracks_id: str, format: str) -> Ranged:
    path: Path = service.results.export(tracks_id, format)
    return Ranged(path, filename=path.name)
