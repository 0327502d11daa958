"""What each kind of job does: a call of the pipeline, its results in a folder, a note when they are whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack.errors import SeekTrackError, VideoError, foreseen
from seektrack.outputs import overlay_style
from seektrack.outputs.remarks import Remarks
from seektrack.outputs.told import summary
from seektrack.pipeline import Library, search_and_track
from seektrack.pipeline.detections import chosen_settings
from seektrack.pipeline.source_to_tracks import write_results
from seektrack.serving.following import detections_of, followed
from seektrack.serving.pool import Running
from seektrack.serving.refusals import RefusedError, shape
from seektrack.serving.roots import check_plain
from seektrack.serving.wire import moment_to_json, prompt_of, seed_of
from seektrack.types import Tracks
from seektrack.video import Opening, find_videos, open_video

if TYPE_CHECKING:
    from seektrack.serving.service import Service


def do(service: Service, running: Running) -> dict[str, Any]:
    """Do a job, or find that it was done and only not told.

    Raises:
        StoppedError: It was told to stop.
        SeekTrackError: It failed.
    """
    job = running.job
    result = service.results.finished(job.id)
    if result is not None:
        return result
    if job.attempts > service.settings.bounds.attempts:
        raise RefusedError(
            500,
            "crashed",
            f"the server ended {job.attempts - 1} times while this job ran; it is not begun again by itself",
            hint="look at the server's log, ask for less, then retry the job",
        )
    work = WORK[job.kind]
    running.progress(0, 0, "preparing")
    result = work(service, running)
    service.results.finish(job.id, result)
    return result


def track(service: Service, running: Running) -> dict[str, Any]:
    """Follow what a text or prompts name through one video."""
    asked = running.job.request
    named = service.videos.find(asked["video"])
    service.videos.check_length(named, start_s=asked["start_s"], end_s=asked["end_s"])
    models = service.models_named(asked["model"])
    folder = service.results.begin(running.job.id) / "0"
    prompts = [prompt_of(one) for one in asked["prompts"] or ()]
    how: dict[str, Any] = {
        "text": asked["text"],
        "prompts": prompts or None,
        "detections": detections_of(asked.get("detections"), service.videos.roots),
        "masks": asked.get("masks", False),
        "tracker": asked["tracker"],
        "ground_every": asked["ground_every"],
        "grounder": asked.get("grounder"),
        "translate": asked.get("translate"),
        "settings": service.follow_settings(asked, models),
        "min_confidence": asked["min_confidence"],
        "seeds": [seed if isinstance(seed, int) else seed_of(seed) for seed in asked["seeds"]],
        "filters": asked["filters"],
        "templates": asked["templates"],
        "retrieval_score": asked["retrieval_score"],
        "out": folder,
        "formats": _formats(asked),
        "overlay": asked["overlay"],
    }
    tracks = followed(named.path, how, opening_of(asked), models, service.sharing(running), running.progress)
    return {"tracks": [_entry(service, running, 0, tracks, folder, asked)]}


def search_and_follow(service: Service, running: Running) -> dict[str, Any]:
    """Find a text in a library, then follow it through the videos that show it best."""
    asked = running.job.request
    library = service.library(asked["library"])
    service.ready(library.models)
    out = service.results.begin(running.job.id)
    failed: list[dict[str, Any]] = []
    found = search_and_track(
        library,
        asked["text"],
        top=asked["top"],
        start_s=asked["start_s"],
        end_s=asked["end_s"],
        filters=asked["filters"],
        translate=asked.get("translate"),
        templates=asked["templates"],
        settings=chosen_settings(
            service.follow_settings(asked, library.models), grounder=asked.get("grounder")
        ),
        min_confidence=asked["min_confidence"],
        out=out,
        formats=_formats(asked),
        overlay=asked["overlay"],
        workers=service.sharing(running),
        on_error=lambda video, error: failed.append({"video": video, **shape(error)}),
        progress=running.progress,
    )
    entries = []
    for n, one in enumerate(found):
        entry = _entry(service, running, n, one.tracks, one.folder or out, asked)
        moments = [moment_to_json(moment, entry["video_id"]) for moment in one.moments]
        entries.append({**entry, "moments": moments})
    return {"tracks": entries, "failed": failed}


def index(service: Service, running: Running) -> dict[str, Any]:
    """Bring videos into a library."""
    asked = running.job.request
    name = asked["library"]
    paths, failed = _videos_below(service, asked["videos"])
    if not paths:
        raise VideoError(
            "no video can be indexed of what was named",
            hint="; ".join(str(one["error"]["message"]) for one in failed[:3]),
        )
    shared = service.library(name)
    service.ready(shared.models)
    folder = service.settings.named_libraries[name]
    with service.indexing[name], Library(folder, model=shared.models.name) as library:
        library.models = shared.models
        try:
            report = library.index(
                paths,
                sampling=asked["sampling"],
                regions=asked["regions"],
                filters=asked["filters"],
                temporal=asked["temporal"],
                reindex=asked["reindex"],
                exclude=asked["exclude"],
                workers=service.sharing(running),
                progress=running.progress,
            )
        finally:
            library.models.progress = None
    told = {
        "indexed": report.indexed,
        "skipped": report.skipped,
        "frames": report.frames,
        "seconds": report.seconds,
        "motion": report.motion,
        "waiting": list(report.waiting),
        "outside": list(report.outside),
        "measured": report.measured,
        "moved": [list(pair) for pair in report.moved],
        "passed_over": [list(pair) for pair in report.passed_over],
        "damaged": [{"video": video, "damage": damage} for video, damage in report.damaged],
    }
    failed += [{"video": video, **shape(error)} for video, error in report.failed]
    service.results.of(running.job.id).mkdir(parents=True, exist_ok=True)
    return {"tracks": [], "index": told, "failed": failed}


def write(service: Service, running: Running) -> dict[str, Any]:
    """Write a session as it is now: a result of its own, as following makes one."""
    asked = running.job.request
    folder = service.results.begin(running.job.id) / "0"
    with service.sessions.opened(asked["session"]) as session:
        tracks = session.write(
            folder, formats=_formats(asked), overlay=asked["overlay"], progress=running.progress
        )
    return {"tracks": [_entry(service, running, 0, tracks, folder, asked)], "session": asked["session"]}


def overlay(service: Service, running: Running) -> dict[str, Any]:
    """Draw the overlay video of a result that has none."""
    asked = running.job.request
    folder, entry = service.results.entry(asked["tracks"])
    tracks, render = service.results.tracks(asked["tracks"]), asked["render"]
    if overlay_of(folder, entry, render) is None:
        with open_video(service.videos.find(entry["video"]).path) as source:
            target = folder / _DRAWN / render
            write_results(tracks, source, target, (), overlay=render, progress=running.progress)
    service.results.of(running.job.id).mkdir(parents=True, exist_ok=True)
    return {"overlay": {"tracks": asked["tracks"], "render": render}}


_DRAWN = "overlays"


def overlay_of(folder: Path, entry: dict[str, Any], render: str) -> Path | None:
    """The overlay video of a result in a mode; None where it was not drawn."""
    style = overlay_style(render)
    drawn = {True: "auto", False: None}.get(entry["overlay"], entry["overlay"])
    places = [folder / _DRAWN / render, *([folder] if drawn == render else [])]
    found = [place / style.filename for place in places] if style is not None else []
    return next((path for path in found if path.is_file()), None)


def follow(service: Service, running: Running) -> dict[str, Any]:
    """Follow what a session asks for, to the end of its video."""
    session_id = running.job.request["session"]
    with service.sessions.opened(session_id, changes=True) as session:
        session.follow(progress=running.progress)
    return _of_session(service, running, session_id)


def propagate(service: Service, running: Running) -> dict[str, Any]:
    """Repair the frames around every correction of a session, told as they follow."""
    session_id = running.job.request["session"]
    with service.sessions.opened(session_id, changes=True) as session:
        for one in session.propagate(progress=running.progress):
            service.sessions.news.tell_mask(session_id, one)
    return _of_session(service, running, session_id)


def _of_session(service: Service, running: Running, session_id: str) -> dict[str, Any]:
    service.results.of(running.job.id).mkdir(parents=True, exist_ok=True)
    return {"session": session_id}


WORK: dict[str, Callable[[Service, Running], dict[str, Any]]] = {
    "track_objects": track,
    "search_and_track": search_and_follow,
    "index": index,
    "overlay": overlay,
    "follow": follow,
    "propagate": propagate,
    "write": write,
}
"""Kinds of jobs."""
WATCHED = ("propagate",)
"""Those somebody watches: they have a thread of their own, and other jobs wait for them."""


def opening_of(asked: dict[str, Any]) -> Opening:
    """How a request wants its video opened."""
    window = asked["window"]
    return Opening(
        fps=asked["fps"],
        start_s=asked["start_s"],
        end_s=asked["end_s"],
        frames=asked["frames"],
        window=None if window is None else (window[0], window[1]),
        interpolate=asked["interpolate"],
    )


def _formats(asked: dict[str, Any]) -> list[str]:
    """What is written; everything without loss always."""
    chosen = asked["formats"] if asked.get("output_format") is None else [asked["output_format"]]
    return list(dict.fromkeys(["json", *chosen]))


def _entry(
    service: Service, running: Running, n: int, tracks: Tracks, folder: Path, asked: dict[str, Any]
) -> dict[str, Any]:
    """What is told of one video that was followed."""
    path = tracks.video.path
    return {
        "id": f"{running.job.id}.{n}",
        "video": path,
        "video_id": service.videos.tell([path])[path],
        "query": tracks.query,
        "frames": len(tracks.frame_times),
        "tracks": summary(tracks),
        "formats": _formats(asked),
        "overlay": asked["overlay"],
        "remarks": _plain(Remarks.of(tracks).to_dict()),
        "folder": str(folder.relative_to(service.results.of(running.job.id))),
    }


def _plain(remarks: dict[str, Any]) -> dict[str, Any]:
    return {
        key: asdict(value) if hasattr(value, "__dataclass_fields__") else value
        for key, value in remarks.items()
    }


def _videos_below(service: Service, names: list[str]) -> tuple[list[str], list[dict[str, Any]]]:
    """Videos of the files and folders that were named, those that lie outside the roots told as failed."""
    paths: list[str] = []
    failed: list[dict[str, Any]] = []
    for name in names:
        try:
            found = Path(service.videos.find(name, links=True).path)
            inside = (
                [found] if not found.is_dir() else find_videos([found], on_error=lambda path, error: None)
            )
        except SeekTrackError as error:
            failed.append({"video": name, **shape(error)})
            continue
        for path in inside:
            try:
                resolved = path if path == found else service.videos.roots.inside(path)
                if resolved is None:
                    raise RefusedError(403, "forbidden", f"{path.name} leads outside the roots")
                check_plain(resolved, service.videos.roots)
                paths.append(str(resolved))
            except Exception as error:
                failed.append({"video": str(path), **shape(foreseen(error))})
    return paths, failed
