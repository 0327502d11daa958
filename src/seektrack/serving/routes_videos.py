"""Videos: what is known of one, its file in pieces, its frames, a stretch of it, and pointing at objects."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from starlette.background import BackgroundTask

from seektrack.errors import InputError, PromptError
from seektrack.retrieval import write_clip
from seektrack.serving import uploads
from seektrack.serving.answers import FramesAnswer
from seektrack.serving.ranged import Ranged
from seektrack.serving.refusals import not_found, too_large
from seektrack.serving.routes import Served, VideoId, router
from seektrack.serving.schemas import Index, NamedVideoAsked, SegmentAsked
from seektrack.serving.service import Service
from seektrack.serving.videos import PLAYED, Named
from seektrack.serving.wire import observation_to_json

video_routes = router("videos")

_KINDS = {"jpg": "jpeg", "png": "png"}
Width = Annotated[int | None, Query(ge=8, le=8192, description="No wider than this, in pixels.")]
Time = Annotated[float, Query(ge=0, le=1e9, allow_inf_nan=False)]
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}, "image/png": {}}, "description": "A picture."},
    304: {"description": "The picture is as it was."},
}
_FILM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": {}}, "description": "The whole file."},
    206: {"content": {"*/*": {}}, "description": "The bytes asked for."},
}
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@video_routes.post("/videos")
async def name_video(asked: NamedVideoAsked, service: Served) -> dict[str, Any]:
    """What is known of a video named by its path, below a root or in a library; and its id."""

    def look() -> dict[str, Any]:
        return service.videos.describe(service.videos.find(asked.video))

    return await service.clicks.run(look)


@video_routes.post("/uploads", status_code=201, openapi_extra=_UPLOAD)
async def upload(request: Request, service: Served) -> dict[str, Any]:
    """Send a video as the field ``file`` of a form; what is known of it, and its id."""
    return await uploads.receive(service, request.headers.get("content-type", ""), request.stream())


@video_routes.get("/videos/{video_id}")
async def get_video(video_id: VideoId, service: Served) -> dict[str, Any]:
    """What is known of a video."""
    return await service.clicks.run(lambda: service.videos.describe(service.videos.by_id(video_id)))


@video_routes.get("/videos/{video_id}/times")
async def times(video_id: VideoId, service: Served) -> dict[str, Any]:
    """Time of each frame in seconds, by its number: what a player needs to know which frame it shows."""
    found = await service.clicks.run(lambda: service.videos.times(service.videos.by_id(video_id)))
    return {"times": found}


@video_routes.get("/videos/{video_id}/file", response_class=Ranged, responses=_FILM)
def video_file(video_id: VideoId, service: Served) -> Ranged:
    """The video's file as it is; ranges of bytes are given, so that a player can seek."""
    named = service.videos.by_id(video_id)
    path = Path(named.path)
    if not path.is_file():
        raise not_found("file of this video", hint="it is a folder of pictures, or gone; ask for its frames")
    kind = PLAYED.get(path.suffix.lower(), "application/octet-stream")
    return Ranged(path, media_type=kind, headers={"cache-control": "private, max-age=0, must-revalidate"})


@video_routes.get("/videos/{video_id}/frames/{index}.{kind}", response_class=Response, responses=_PICTURE)
async def frame(
    video_id: VideoId,
    index: Index,
    kind: Literal["jpg", "png"],
    service: Served,
    request: Request,
    width: Width = None,
) -> Response:
    """One frame by its number."""
    return await _picture(service, request, video_id, index=index, width=width, kind=kind)


@video_routes.get("/videos/{video_id}/frame", response_class=Response, responses=_PICTURE)
async def frame_near(
    video_id: VideoId,
    service: Served,
    request: Request,
    time_s: Time,
    kind: Annotated[Literal["jpg", "png"], Query()] = "jpg",
    width: Width = None,
) -> Response:
    """The frame nearest to a time."""
    return await _picture(service, request, video_id, time_s=time_s, width=width, kind=kind)


@video_routes.get("/videos/{video_id}/thumbnail", response_class=Response, responses=_PICTURE)
async def thumbnail(
    video_id: VideoId,
    service: Served,
    request: Request,
    time_s: Time = 0.0,
    frame_index: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
    width: Annotated[int, Query(ge=8, le=1024)] = 320,
) -> Response:
    """A small picture of a frame, by its number or the nearest to a time; made once."""
    at = {"index": frame_index} if frame_index is not None else {"time_s": time_s}
    return await _picture(service, request, video_id, width=width, kind="jpg", keep=True, **at)


@video_routes.get(
    "/videos/{video_id}/stretch",
    response_class=Ranged,
    responses={200: {"content": {"video/mp4": {}}, "description": "H.264, and AAC where there is sound."}},
)
async def stretch(video_id: VideoId, service: Served, start_s: Time, end_s: Time) -> Ranged:
    """A stretch of a video as MP4 that every browser plays, whatever the video is."""
    most = service.settings.bounds.stretch_s
    if not end_s > start_s:
        raise InputError(f"the stretch from {start_s:g} to {end_s:g} s is empty")
    if end_s - start_s > most:
        raise too_large(f"a stretch has at most {most:g} s, {end_s - start_s:g} s are asked for")

    def cut() -> Ranged:
        named = service.videos.by_id(video_id)
        folder = tempfile.TemporaryDirectory(prefix="seektrack-")
        try:
            path = write_clip(named.path, start_s, end_s, Path(folder.name) / "stretch.mp4")
        except BaseException:
            folder.cleanup()
            raise
        return Ranged(path, media_type="video/mp4", background=BackgroundTask(folder.cleanup))

    return await service.clicks.run(cut)


@video_routes.post("/segment", response_model=FramesAnswer)
async def segment(asked: SegmentAsked, service: Served) -> dict[str, Any]:
    """Masks of what is pointed at on one frame, as following would begin with them."""
    if len({prompt.frame_index for prompt in asked.prompts}) > 1:
        raise PromptError("the prompts are of several frames", hint="ask frame by frame, or follow them")
    prompts = [prompt.model_dump() for prompt in asked.prompts]

    def look() -> dict[str, Any]:
        named = service.videos.find(asked.video)
        index, time_s, found = service.segment(named, prompts, asked.model)
        objects = [observation_to_json(obj_id, seen) for obj_id, seen in found.items()]
        height, width = next(iter(found.values())).mask.size  # type: ignore[union-attr]  # masks all of them
        frames = [{"frame_index": index, "time_s": time_s, "objects": objects}]
        return {"width": width, "height": height, "frames": frames}

    return await service.clicks.run(look)


async def _picture(
    service: Service,
    request: Request,
    video_id: str,
    *,
    kind: str,
    width: int | None,
    index: int | None = None,
    time_s: float | None = None,
    keep: bool = False,
) -> Response:
    def find() -> tuple[Named, str]:
        named = service.videos.by_id(video_id)
        return named, f'"{named.version}-{index}-{_exact(time_s)}-{width}-{kind}"'

    named, tag = await service.clicks.run(find)
    headers = {"etag": tag, "cache-control": "private, max-age=0, must-revalidate"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    made = await service.clicks.run(
        service.videos.picture, named, index=index, time_s=time_s, width=width, kind=_KINDS[kind], keep=keep
    )
    return Response(made, media_type=f"image/{_KINDS[kind]}", headers=headers)


def _exact(time_s: float | None) -> str:
    return "" if time_s is None or not math.isfinite(time_s) else time_s.hex()
