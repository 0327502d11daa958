"""What this server is, whether it is well, and logging in from a page."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from fastapi import Request, Response
from pydantic import Field

from seektrack import __version__
from seektrack.outputs import FORMATS
from seektrack.query import read
from seektrack.serving.answers import Reading
from seektrack.serving.guard import COOKIE, owner_of
from seektrack.serving.refusals import RefusedError
from seektrack.serving.routes import Served, router
from seektrack.serving.schemas import Asked, TextAsked
from seektrack.serving.wire import reading_to_json

about_routes = router("about")


class KeyAsked(Asked):
    """An API key."""

    key: str = Field(min_length=1, max_length=1000)


@about_routes.get("/health")
def health(service: Served) -> dict[str, Any]:
    """Whether the server answers, and what waits."""
    return {"status": "ok", "version": __version__, "jobs": service.jobs.counts()}


@about_routes.get("/about")
def about(service: Served) -> dict[str, Any]:
    """What this server has: libraries, models, roots, formats and bounds."""
    return {
        "version": __version__,
        "fastapi": importlib.metadata.version("fastapi"),
        "libraries": list(service.libraries),
        "models": list(service.model_names),
        "usual_model": service.usual_model,
        "streams": list(service.settings.streams),
        "roots": [str(root) for root in service.videos.roots.folders],
        "formats": [
            {"name": f.name, "filename": f.filename, "about": f.about, "is_folder": f.is_folder}
            for f in FORMATS.values()
        ],
        "bounds": vars(service.settings.bounds),
        "keys": bool(service.settings.api_keys),
    }


@about_routes.post("/read", response_model=Reading)
def read_question(asked: TextAsked) -> dict[str, Any]:
    """How a question is read; nothing is searched."""
    query = read(asked.text)
    return reading_to_json(query, query.notices, typed=asked.text)


@about_routes.post("/login")
def login(asked: KeyAsked, service: Served, request: Request, response: Response) -> dict[str, str]:
    """Keep an API key in a cookie of this server's page, which no script can read and no other site sends."""
    if not service.settings.api_keys:
        return {"owner": ""}
    name = owner_of(asked.key, service.settings)
    if name is None or not asked.key.isascii():
        raise RefusedError(
            401,
            "unauthorized",
            "the API key is not known here",
            hint="ask whoever runs this server",
            headers={"WWW-Authenticate": "Bearer"},
        )
    response.set_cookie(
        COOKIE, asked.key, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/"
    )
    return {"owner": name}


@about_routes.post("/logout")
def logout(response: Response) -> dict[str, str]:
    """Forget the key of this page."""
    response.delete_cookie(COOKIE, path="/")
    return {"owner": ""}
