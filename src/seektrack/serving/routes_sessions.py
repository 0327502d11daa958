"""Sessions: objects of one video put right by hand, the frames around a correction told as they follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Header, Path, Query
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from seektrack import Correction, TrackingSession
from seektrack.serving.answers import FramesAnswer, JobAnswer
from seektrack.serving.events import KEEP_ALIVE_S, as_event
from seektrack.serving.ranged import Ranged
from seektrack.serving.routes import Once, Owner, Served, router
from seektrack.serving.routes_jobs import told
from seektrack.serving.routes_libraries import check_formats
from seektrack.serving.routes_tracks import FILE, MOST_FRAMES, described, window
from seektrack.serving.schemas import (
    CorrectionAsked,
    MergeAsked,
    ObjectAsked,
    RenameAsked,
    SessionAsked,
    SplitAsked,
    WriteAsked,
)
from seektrack.serving.service import Service
from seektrack.serving.sessions import changed

session_routes = router("sessions")

SessionId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


@session_routes.post("/sessions", status_code=201)
async def start_session(asked: SessionAsked, service: Served, owner: Owner) -> dict[str, Any]:
    """Begin a session over one video: of a text or prompts to be followed, of a result, or of nothing yet."""

    def start() -> dict[str, Any]:
        service.check_following(asked.model_dump())
        session_id = service.sessions.start(asked.model_dump(), owner=owner)
        with service.sessions.opened(session_id) as session:
            return _told(service, session_id, session)

    return await service.clicks.run(start)


@session_routes.get("/sessions")
def list_sessions(service: Served) -> dict[str, Any]:
    """Every session, the latest changed first."""
    return {"sessions": service.sessions.listed()}


@session_routes.get("/sessions/{session_id}")
async def get_session(session_id: SessionId, service: Served) -> dict[str, Any]:
    """The objects as they are now, every edit, and what is still to be repaired."""

    def look() -> dict[str, Any]:
        with service.sessions.opened(session_id) as session:
            return _told(service, session_id, session)

    return await service.clicks.run(look)


@session_routes.delete("/sessions/{session_id}", status_code=204, response_model=None)
def remove_session(session_id: SessionId, service: Served) -> None:
    """Forget a session."""
    service.sessions.remove(session_id)


@session_routes.post("/sessions/{session_id}/follow", status_code=202, response_model=JobAnswer)
async def follow(session_id: SessionId, service: Served, owner: Owner, once: Once = None) -> dict[str, Any]:
    """Follow what the session asks for, to the end of the video: a job. Corrections made meanwhile stand."""
    return await _job(service, "follow", session_id, owner, once)


@session_routes.post("/sessions/{session_id}/propagate", status_code=202, response_model=JobAnswer)
async def propagate(
    session_id: SessionId, service: Served, owner: Owner, once: Once = None
) -> dict[str, Any]:
    """Repair the frames around every correction: a job, which goes before others.

    Its masks are told as events ``mask`` at ``/sessions/{id}/events``.
    """
    return await _job(service, "propagate", session_id, owner, once)


@session_routes.post("/sessions/{session_id}/write", status_code=202, response_model=JobAnswer)
async def write(
    session_id: SessionId, asked: WriteAsked, service: Served, owner: Owner, once: Once = None
) -> dict[str, Any]:
    """Write the session as it is now, with its overlay video if asked for: a job that gives tracks."""

    def take() -> dict[str, Any]:
        check_formats(asked.formats)
        with service.sessions.opened(session_id):
            request = {"session": session_id, **asked.model_dump()}
        job = service.jobs.add("write", request, owner=owner, once=once)
        service.pool.wake()
        return told(service, job)

    return await service.clicks.run(take)


@session_routes.post("/sessions/{session_id}/corrections")
async def correct(session_id: SessionId, asked: CorrectionAsked, service: Served) -> dict[str, Any]:
    """Put an object right on one frame, or add one: its mask there, at once."""
    correction = Correction.from_dict(asked.model_dump())

    def put_right() -> dict[str, Any]:
        with service.sessions.opened(session_id, changes=True) as session:
            made = session.correct(correction)
            state = changed(session)
        return {
            "obj_id": made.obj_id,
            "frame_index": made.frame_index,
            "mask": made.mask.to_coco(),
            "box": None if made.mask.box is None else list(made.mask.box),
            "pending": state["pending"],
        }

    return await service.clicks.run(put_right)


@session_routes.post("/sessions/{session_id}/rename")
async def rename(session_id: SessionId, asked: RenameAsked, service: Served) -> dict[str, Any]:
    """Call an object something else."""
    return await _edit(service, session_id, lambda session: session.rename(asked.obj_id, asked.label))


@session_routes.post("/sessions/{session_id}/merge")
async def merge(session_id: SessionId, asked: MergeAsked, service: Served) -> dict[str, Any]:
    """Make one object part of another."""
    return await _edit(service, session_id, lambda session: session.merge(asked.obj_id, asked.into))


@session_routes.post("/sessions/{session_id}/split")
async def split(session_id: SessionId, asked: SplitAsked, service: Served) -> dict[str, Any]:
    """Make an object of its own of what an object is from a frame on; ``result`` is its id."""
    return await _edit(service, session_id, lambda session: session.split(asked.obj_id, asked.frame_index))


@session_routes.post("/sessions/{session_id}/delete")
async def delete(session_id: SessionId, asked: ObjectAsked, service: Served) -> dict[str, Any]:
    """Take an object out."""
    return await _edit(service, session_id, lambda session: session.delete(asked.obj_id))


@session_routes.post("/sessions/{session_id}/undo")
async def undo(session_id: SessionId, service: Served) -> dict[str, Any]:
    """Take back the latest edit and all that was repaired since; ``result`` is the edit."""
    return await _edit(service, session_id, lambda session: asdict(session.undo()))


@session_routes.post("/sessions/{session_id}/redo")
async def redo(session_id: SessionId, service: Served) -> dict[str, Any]:
    """Do again what was undone last; ``result`` is the edit."""
    return await _edit(service, session_id, lambda session: asdict(session.redo()))


@session_routes.get("/sessions/{session_id}/masks", response_model=FramesAnswer)
async def session_masks(
    session_id: SessionId,
    service: Served,
    start: Annotated[int, Query(ge=0, lt=2**31, description="First frame.")] = 0,
    count: Annotated[int, Query(ge=1, le=MOST_FRAMES, description="At most so many.")] = 100,
    obj_id: Annotated[
        list[Annotated[int, Query(ge=0, lt=2**53)]] | None, Query(max_length=100, description="Only these.")
    ] = None,
) -> dict[str, Any]:
    """Masks and boxes as they are now, frame by frame."""

    def look() -> dict[str, Any]:
        with service.sessions.opened(session_id) as session:
            return window(session.tracks, start, count, obj_id)

    return await service.clicks.run(look)


@session_routes.get("/sessions/{session_id}/export", response_class=Ranged, responses=FILE)
async def export_session(
    session_id: SessionId,
    service: Served,
    format: Annotated[str, Query(max_length=40, description="As `/about` lists them.")],
) -> Ranged:
    """The tracks as they are now in one format; a zip of a format that is a folder or several files."""
    path, folder = await service.clicks.run(service.sessions.export, session_id, format)
    return Ranged(path, filename=path.name, background=BackgroundTask(folder.cleanup))


@session_routes.get("/sessions/{session_id}/file", response_class=Ranged, responses=FILE)
async def session_file(session_id: SessionId, service: Served) -> Ranged:
    """The session's file, which ``open_session`` goes on with."""
    path, folder = await service.clicks.run(service.sessions.copy, session_id)
    return Ranged(path, filename=path.name, background=BackgroundTask(folder.cleanup))


@session_routes.get(
    "/sessions/{session_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def session_events(
    session_id: SessionId,
    service: Served,
    after: Annotated[
        int | None, Query(ge=0, lt=2**53, description="Number of the last event that is known.")
    ] = None,
    last: Annotated[str | None, Header(alias="Last-Event-ID", max_length=20)] = None,
) -> StreamingResponse:
    """A session as it changes, for as long as one listens.

    ``mask``: one object on one frame as it is followed (``frame_index``, ``obj_id``, ``mask`` or null).
    ``session``: what may have changed with an edit or the end of a propagation. ``missed``: the listener was
    too slow, or is new to what went before, and asks for masks anew.
    """
    await asyncio.to_thread(_check, service, session_id)
    known = int(last) if last is not None and last.isdecimal() else after
    return StreamingResponse(
        _events(service, session_id, known),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )


async def _events(service: Service, session_id: str, known: int | None) -> AsyncIterator[bytes]:
    sessions = service.sessions
    number = sessions.news.latest(session_id) if known is None else known
    with service.board.listening(f"session {session_id}") as told_of:
        yield as_event("listening", {"after": number})
        while not service.ending:
            told_of.clear()
            found, missed = sessions.news.after(session_id, number)
            if missed:
                yield as_event("missed", {"after": number})
            for number, name, content in found:
                yield as_event(name, content, number=number)
            if found:
                continue
            try:
                await asyncio.wait_for(told_of.wait(), KEEP_ALIVE_S)
            except TimeoutError:
                yield b": still here\n\n"
            if not await asyncio.to_thread(sessions.is_there, session_id):
                return


def _check(service: Service, session_id: str) -> None:
    with service.sessions.opened(session_id):
        pass


async def _job(service: Service, kind: str, session_id: str, owner: str, once: str | None) -> dict[str, Any]:
    def take() -> dict[str, Any]:
        _check(service, session_id)
        job = service.jobs.add(kind, {"session": session_id}, owner=owner, priority="high", once=once)
        service.pool.wake()
        return told(service, job)

    return await service.clicks.run(take)


async def _edit(service: Service, session_id: str, do: Any) -> dict[str, Any]:
    def edit() -> dict[str, Any]:
        with service.sessions.opened(session_id, changes=True) as session:
            result = do(session)
            return {"result": result, **_told(service, session_id, session)}

    return await service.clicks.run(edit)


def _told(service: Service, session_id: str, session: TrackingSession) -> dict[str, Any]:
    path = session.info.path
    return {
        "id": session_id,
        "video": path,
        "video_id": service.videos.tell([path])[path],
        "query": session.query,
        **described(session.tracks),
        **changed(session),
    }
