"""The application: everything of the service behind one guard, and the page where it is there."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from seektrack import __version__
from seektrack.errors import SeekTrackError
from seektrack.serving import refusals
from seektrack.serving.guard import Guard
from seektrack.serving.routes_about import about_routes
from seektrack.serving.routes_jobs import job_routes
from seektrack.serving.routes_libraries import library_routes
from seektrack.serving.routes_sessions import session_routes
from seektrack.serving.routes_streams import stream_routes
from seektrack.serving.routes_tracks import track_routes
from seektrack.serving.routes_videos import video_routes
from seektrack.serving.service import Service
from seektrack.serving.settings import ServerSettings

WEB = Path(__file__).parent / "web"
_ABOUT = """Type what you are looking for; get the moments in your videos, the pixels, every object's path.

Long work is a job: taken with status 202, told as it goes at `/jobs/{id}/events`, it outlives the server.
Every error has one shape, `{"error": {"code", "message", "hint"}}`.
"""


def create_app(settings: ServerSettings, *, warm: bool = False) -> FastAPI:
    """The application of a server.

    Args:
        settings: What is served.
        warm: Load the networks in the background at once, not with the first request that needs them.

    Returns:
        An ASGI application; its service begins with its lifespan and ends with it. What keeps it from
        beginning is ``app.state.refused``.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            service = Service(settings)
            app.state.service = service
            service.start()
        except SeekTrackError as error:
            app.state.refused = error
            raise
        if warm:
            threading.Thread(target=service.warm, name="seektrack-warm", daemon=True).start()
        try:
            yield
        finally:
            service.stop()

    app = FastAPI(
        title="seektrack",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # their scripts come from another machine
        redoc_url=None,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    for routes in (
        about_routes,
        library_routes,
        video_routes,
        job_routes,
        track_routes,
        session_routes,
        stream_routes,
    ):
        app.include_router(routes)
    refusals.install(app)
    if WEB.is_dir():
        app.mount("/", StaticFiles(directory=WEB, html=True), name="web")
    app.add_middleware(Guard, settings=settings)
    return app
