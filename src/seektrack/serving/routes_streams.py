"""Live streams: which there are, following them, and what each frame shows."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Response
from fastapi.responses import StreamingResponse

from seektrack.serving.events import changes
from seektrack.serving.routes import Served, router
from seektrack.serving.schemas import StreamAsked

stream_routes = router("streams")

StreamName = Annotated[str, Path(min_length=1, max_length=80, description="As the server was started with.")]
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}, "description": "The picture."}
}


@stream_routes.get("/streams")
def list_streams(service: Served) -> dict[str, Any]:
    """Streams that can be followed, and which are."""
    return {"streams": service.streams.listed()}


@stream_routes.get("/streams/{name}")
def get_stream(name: StreamName, service: Served) -> dict[str, Any]:
    """One stream: its state, what the latest frame shows, the latest alerts."""
    return service.streams.named(name).look()


@stream_routes.post("/streams/{name}/start", status_code=202)
async def start_stream(name: StreamName, asked: StreamAsked, service: Served) -> dict[str, Any]:
    """Follow a text in a stream until it is stopped, or the server ends."""

    def start() -> dict[str, Any]:
        service.check_model(asked.model)
        service.check_following(asked.model_dump())
        return service.streams.start(name, asked.model_dump()).look()

    return await service.clicks.run(start)


@stream_routes.post("/streams/{name}/stop")
def stop_stream(name: StreamName, service: Served) -> dict[str, Any]:
    """Follow a stream no longer."""
    stream = service.streams.named(name)
    stream.stop()
    return stream.look()


@stream_routes.get("/streams/{name}/frames/{index}.jpg", response_class=Response, responses=_PICTURE)
def stream_picture(
    name: StreamName, index: Annotated[int, Path(ge=0, lt=2**53)], service: Served
) -> Response:
    """The picture of a frame that was just told of."""
    picture = service.streams.named(name).picture(index)
    return Response(picture, media_type="image/jpeg", headers={"cache-control": "no-store"})


@stream_routes.get(
    "/streams/{name}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_events(name: StreamName, service: Served) -> StreamingResponse:
    """What a stream shows, an event ``stream`` a frame; who is slow misses frames, and no alert."""
    stream = service.streams.named(name)

    def look() -> tuple[dict[str, Any], bool]:
        return stream.look(), service.ending

    return StreamingResponse(
        changes(service.board, stream.topic, look, name="stream"),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )
