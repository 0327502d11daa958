"""Libraries: what they hold, what they are asked, what is brought into them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Body, Query, Response
from starlette.background import BackgroundTask

from seektrack.errors import InputError, LibraryError
from seektrack.library import VideoRecord
from seektrack.pipeline import Library
from seektrack.pipeline.answer import Answer
from seektrack.retrieval import Chain, chains_to_csv, hits_to_csv, moments_to_csv, save_otio, to_edl, to_vtt
from seektrack.serving.answers import HitsAnswer, JobAnswer, MomentsAnswer
from seektrack.serving.ranged import Ranged
from seektrack.serving.routes import LibraryName, Once, Owner, Served, router
from seektrack.serving.routes_jobs import told
from seektrack.serving.schemas import (
    AlignAsked,
    CompareAsked,
    HitsAsked,
    IndexAsked,
    MomentsAsked,
    RemoveAsked,
    SearchAndTrackAsked,
    SequencesAsked,
    TextAsked,
)
from seektrack.serving.service import Service
from seektrack.serving.wire import hit_to_json, moment_to_json, reading_to_json
from seektrack.types import Hit

library_routes = router("libraries")

_PICTURE_BYTES = 16 * 2**20
_EDITORS = {"csv": "text/csv", "edl": "text/plain", "vtt": "text/vtt", "otio": "application/json"}


@library_routes.get("/libraries")
def list_libraries(service: Served) -> dict[str, Any]:
    """Every library of this server, in numbers."""
    return {"libraries": [_in_numbers(name, library) for name, library in service.libraries.items()]}


@library_routes.get("/libraries/{library}")
def get_library(library: LibraryName, service: Served) -> dict[str, Any]:
    """One library in numbers."""
    return _in_numbers(library, service.library(library))


@library_routes.get("/libraries/{library}/videos")
async def list_videos(
    library: LibraryName,
    service: Served,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> dict[str, Any]:
    """Videos of a library, by path."""
    return await service.clicks.run(_videos, service, library, limit, offset)


@library_routes.post("/libraries/{library}/search", response_model=MomentsAnswer)
async def search(library: LibraryName, asked: MomentsAsked, service: Served) -> dict[str, Any]:
    """Moments that show what a question asks for, best first."""
    found, text = await service.clicks.run(service.find, library, asked.model_dump())
    return _moments(service, found, asked.text, text)


@library_routes.post("/libraries/{library}/hits", response_model=HitsAnswer)
async def hits(library: LibraryName, asked: HitsAsked, service: Served) -> dict[str, Any]:
    """Single frames and regions that show what a question asks for, best first."""
    found, text = await service.clicks.run(service.hits, library, asked.model_dump())
    return _hits(service, found, asked.text, text)


@library_routes.post("/libraries/{library}/sequences", response_model=MomentsAnswer)
async def sequences(library: LibraryName, asked: SequencesAsked, service: Served) -> dict[str, Any]:
    """Chains of moments in the order asked."""
    found = await service.clicks.run(service.sequences, library, asked.model_dump())
    return _moments(service, found, asked.text)


@library_routes.post("/libraries/{library}/compare")
async def compare(library: LibraryName, asked: CompareAsked, service: Served) -> dict[str, Any]:
    """How each of some wordings ranks the frames of a library."""
    found = await service.clicks.run(service.compare, library, asked.model_dump())
    ids = service.videos.tell({hit.video for wording in found.wordings for hit in wording.frames})
    return {
        "wordings": [
            {
                "text": wording.text,
                "best": wording.best,
                "found": wording.found,
                "mean_score": wording.mean_score,
                "frames": [hit_to_json(hit, ids[hit.video]) for hit in wording.frames],
            }
            for wording in found.wordings
        ],
        "overlap": _numbers(found.overlap),
        "correlation": _numbers(found.correlation),
        "notices": list(found.notices),
    }


@library_routes.post("/libraries/{library}/align", response_model=MomentsAnswer)
async def align(library: LibraryName, asked: AlignAsked, service: Served) -> dict[str, Any]:
    """Timed texts placed in a video, in order; one moment each."""
    found = await service.clicks.run(service.align, library, asked.model_dump())
    return _moments(service, found, [one.text for one in asked.texts])


@library_routes.post("/libraries/{library}/corrected")
async def corrected(library: LibraryName, asked: TextAsked, service: Served) -> dict[str, Any]:
    """A question with mistyped words put right; nothing is searched."""

    def put_right() -> dict[str, Any]:
        chosen = service.library(library)
        service.ready(chosen.models, sam2=False)
        right = chosen.corrected(asked.text)
        return {"typed": right.typed, "text": right.text, "changes": [list(one) for one in right.changes]}

    return await service.clicks.run(put_right)


@library_routes.post("/libraries/{library}/similar", response_model=HitsAnswer)
async def similar(
    library: LibraryName,
    service: Served,
    picture: Annotated[
        bytes,
        Body(media_type="application/octet-stream", max_length=_PICTURE_BYTES, description="A picture file."),
    ],
    k: Annotated[int, Query(ge=1, le=1000)] = 10,
    video: Annotated[str | None, Query(max_length=4096)] = None,
    start_s: Annotated[float | None, Query(ge=0, le=1e9, allow_inf_nan=False)] = None,
    end_s: Annotated[float | None, Query(ge=0, le=1e9, allow_inf_nan=False)] = None,
    only: Annotated[Literal["objects", "frames"] | None, Query()] = None,
    per_video: Annotated[int | None, Query(ge=1, le=1000)] = None,
    missing: Annotated[bool | None, Query()] = None,
    min_confidence: Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)] = None,
) -> dict[str, Any]:
    """Frames and regions that look like a picture, which is the body of the request."""

    def look() -> Answer[Hit]:
        chosen = service.library(library)
        image = _picture(picture)
        service.ready(chosen.models, sam2=False)
        return chosen.similar(
            image,
            k=k,
            video=video,
            start_s=start_s,
            end_s=end_s,
            only=only,
            per_video=per_video,
            missing=missing,
            min_confidence=min_confidence,
        )

    return _hits(service, await service.clicks.run(look), "")


@library_routes.post("/libraries/{library}/search/export", response_class=Response)
async def export_search(
    library: LibraryName,
    asked: MomentsAsked,
    service: Served,
    format: Annotated[Literal["csv", "edl", "vtt", "otio"], Query()],
) -> Response:
    """What a question finds as a file for tables and editors."""

    def write() -> Response:
        found, _ = service.find(library, asked.model_dump())
        title = asked.text if isinstance(asked.text, str) else "; ".join(asked.text)
        name = f"moments.{format}"
        if format == "otio":
            folder = tempfile.TemporaryDirectory(prefix="seektrack-")
            path = save_otio(found, Path(folder.name) / name, title=title)
            return Ranged(
                path, filename=name, media_type=_EDITORS[format], background=BackgroundTask(folder.cleanup)
            )
        if format == "csv":
            chains = [one for one in found if isinstance(one, Chain)]
            text = chains_to_csv(chains) if chains else moments_to_csv(found)
        else:
            text = to_edl(found, title=title) if format == "edl" else to_vtt(found, text=title)
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(text, media_type=_EDITORS[format], headers=headers)

    return await service.clicks.run(write)


@library_routes.post("/libraries/{library}/hits/export", response_class=Response)
async def export_hits(library: LibraryName, asked: HitsAsked, service: Served) -> Response:
    """Frames and regions a question finds, as CSV."""
    found, _ = await service.clicks.run(service.hits, library, asked.model_dump())
    headers = {"content-disposition": 'attachment; filename="hits.csv"'}
    return Response(hits_to_csv(found), media_type="text/csv", headers=headers)


@library_routes.post("/libraries/{library}/index", status_code=202, response_model=JobAnswer)
def index(
    library: LibraryName, asked: IndexAsked, service: Served, owner: Owner, once: Once = None
) -> dict[str, Any]:
    """Bring videos into a library: a job."""
    service.library(library)
    request = {"library": library, **asked.model_dump()}
    job = service.jobs.add("index", request, owner=owner, once=once)
    service.pool.wake()
    return told(service, job)


@library_routes.post("/libraries/{library}/search_and_track", status_code=202, response_model=JobAnswer)
def search_and_track(
    library: LibraryName, asked: SearchAndTrackAsked, service: Served, owner: Owner, once: Once = None
) -> dict[str, Any]:
    """Find a text in a library and follow it through the videos that show it best: a job."""
    service.library(library)
    check_formats(asked.all_formats)
    service.check_following(asked.model_dump())
    request = {"library": library, **asked.model_dump()}
    job = service.jobs.add("search_and_track", request, owner=owner, once=once)
    service.pool.wake()
    return told(service, job)


@library_routes.post("/libraries/{library}/remove")
def remove(library: LibraryName, asked: RemoveAsked, service: Served) -> dict[str, bool]:
    """Forget a video; its file stays."""
    return {"removed": service.library(library).remove(asked.video)}


@library_routes.post("/libraries/{library}/prune")
def prune(library: LibraryName, service: Served) -> dict[str, list[str]]:
    """Forget every video whose file is gone."""
    return {"removed": service.library(library).prune()}


def check_formats(names: Sequence[str]) -> None:
    """Refuse a format that is unknown before a job is taken.

    Raises:
        InputError: One is.
    """
    from seektrack.outputs.registry import format_named

    for name in names:
        format_named(name)


def _in_numbers(name: str, library: Library) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "model": library.models.name}
    try:
        stats = library.stats()
    except LibraryError as error:
        return told | {
            "videos": 0,
            "unfinished": 0,
            "frames": 0,
            "vectors": 0,
            "bytes": 0,
            "why": error.message,
        }
    return told | {
        "videos": stats.videos,
        "unfinished": stats.unfinished,
        "frames": stats.frames,
        "vectors": stats.vectors,
        "bytes": stats.bytes,
        "why": "",
        "encoder": stats.model,
        "fingerprint": stats.fingerprint,
        "dim": stats.dim,
    }


def _numbers(values: Any) -> list[list[float | None]]:
    """A table of numbers as JSON, null where there is none."""
    return [[float(v) if np.isfinite(v) else None for v in row] for row in values]


def _videos(service: Service, name: str, limit: int, offset: int) -> dict[str, Any]:
    records = service.library(name).videos()
    shown = records[offset : offset + limit]
    ids = service.videos.tell(record.path for record in shown)
    return {"total": len(records), "videos": [_video(record, ids[record.path]) for record in shown]}


def _video(record: VideoRecord, video_id: str) -> dict[str, Any]:
    return {
        "id": video_id,
        "video": record.path,
        "name": Path(record.path).stem,
        "done": record.done,
        "frames": record.frames,
        "vectors": record.vectors,
        "duration_s": record.duration_s,
        "width": record.width,
        "height": record.height,
        "fps": float(record.fps),
        "fps_exact": str(record.fps),
        "settings": record.settings,
        "available": record.available,
        "damage": record.damage,
        "renewing": record.renewing,
    }


def _moments(
    service: Service, found: Answer[Any], text: str | Sequence[str], asked: str | Sequence[str] | None = None
) -> dict[str, Any]:
    ids = service.videos.tell({one.video for one in found})
    reading = reading_to_json(found.query, found.notices, typed=text, asked=asked)
    return {**reading, "results": [moment_to_json(one, ids[one.video]) for one in found]}


def _hits(
    service: Service, found: Answer[Hit], text: str | Sequence[str], asked: str | Sequence[str] | None = None
) -> dict[str, Any]:
    ids = service.videos.tell({one.video for one in found})
    reading = reading_to_json(found.query, found.notices, typed=text, asked=asked)
    return {**reading, "results": [hit_to_json(one, ids[one.video]) for one in found]}


def _picture(content: bytes) -> Any:
    """A picture file's bytes as RGB uint8 (H, W, 3)."""
    from seektrack.video import read_image

    with tempfile.TemporaryDirectory(prefix="seektrack-") as folder:
        path = Path(folder) / "picture"
        path.write_bytes(content)
        try:
            return np.asarray(read_image(path))
        except InputError as error:
            raise InputError(
                "the body is no picture that can be read", hint="send a JPEG or PNG file"
            ) from error
