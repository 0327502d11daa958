"""What the routes share: the service, bounds of ids, and the errors every one of them may answer with."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request
from fastapi.routing import APIRouter

from seektrack.serving.answers import ErrorAnswer
from seektrack.serving.service import Service

PREFIX = "/api/v1"
_EXAMPLE = {"error": {"code": "bad_query", "message": "the text is empty", "hint": "say what to look for"}}
_ERRORS: dict[int | str, dict[str, Any]] = {
    code: {
        "model": ErrorAnswer,
        "description": description,
        "content": {"application/json": {"example": _EXAMPLE}},
    }
    for code, description in (
        ("4XX", "What was asked cannot be done; the error says why and what can."),
        ("5XX", "The server could not do it; a full disk is 507, what took too long 503."),
    )
}


def router(tag: str) -> APIRouter:
    """A router below the prefix, its errors told."""
    return APIRouter(prefix=PREFIX, tags=[tag], responses=_ERRORS)


def service_of(request: Request) -> Service:
    """The service behind a request."""
    service: Service = request.app.state.service
    return service


def owner_of_request(request: Request) -> str:
    """Name of the API key of a request; empty without keys."""
    return str(getattr(request.state, "owner", ""))


Served = Annotated[Service, Depends(service_of)]
Owner = Annotated[str, Depends(owner_of_request)]
VideoId = Annotated[
    str, Path(pattern="^[0-9a-f]{16}$", description="As results and lists of videos tell it.")
]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
TracksId = Annotated[
    str, Path(pattern=r"^[0-9a-f]{16}\.[0-9]{1,4}$", description="As a job's result tells it.")
]
LibraryName = Annotated[str, Path(min_length=1, max_length=255, description="Name of its folder.")]
Once = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        description="A name of this request: sent again under it, the job of then is given, and no new one.",
    ),
]
