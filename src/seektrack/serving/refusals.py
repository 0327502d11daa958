"""How the service says no: one shape, ``{"error": {"code", "message", "hint"}}``, whatever went wrong."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from seektrack.errors import (
    InputError,
    LibraryError,
    ModelError,
    NothingFoundError,
    OutputError,
    SeekTrackError,
    VideoError,
    foreseen,
)

_LOG = logging.getLogger("seektrack.serving")
_LONGEST = 400
"""Characters of a refused value that are said back."""


class RefusedError(SeekTrackError):
    """What the service refuses by itself, with the HTTP status of it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.code, self.headers = status, code, headers or {}


def not_found(what: str, *, hint: str = "", code: str = "not_found") -> RefusedError:
    """There is nothing of that name."""
    return RefusedError(404, code, f"there is no {what}", hint=hint)


def too_many(what: str, *, after_s: int) -> RefusedError:
    """Come again later."""
    return RefusedError(
        429,
        "too_many",
        what,
        hint=f"ask again in {after_s} seconds",
        headers={"Retry-After": str(after_s)},
    )


def too_large(what: str, *, hint: str = "") -> RefusedError:
    """More than is taken."""
    return RefusedError(413, "too_large", what, hint=hint)


_STATUS: tuple[tuple[type[SeekTrackError], int], ...] = (
    (VideoError, 422),
    (InputError, 422),
    (ModelError, 422),
    (NothingFoundError, 404),
    (LibraryError, 409),
    (OutputError, 507),
)
_OF_HTTP = {401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "not_allowed", 413: "too_large"}


def status_of(error: SeekTrackError) -> int:
    """The HTTP status an error is answered with."""
    if isinstance(error, RefusedError):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def shape(error: SeekTrackError) -> dict[str, Any]:
    """An error as JSON tells it."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


def answer(error: SeekTrackError) -> JSONResponse:
    """The response to an error."""
    headers = error.headers if isinstance(error, RefusedError) else None
    return JSONResponse(_sendable(shape(error)), status_code=status_of(error), headers=headers)


def install(app: FastAPI) -> None:
    """Have every error answered in the one shape."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        return answer(foreseen(error))

    async def of_http(request: Request, error: Exception) -> JSONResponse:
        http = error if isinstance(error, HTTPException) else HTTPException(500)
        code = _OF_HTTP.get(http.status_code, "bad_request")
        message, hint = str(http.detail), ""
        if http.status_code == 404:
            message, hint = f"there is nothing at {request.url.path}", "GET /openapi.json lists what there is"
        if http.status_code == 405:
            message = f"{request.method} is not allowed at {request.url.path}"
        headers = dict(http.headers or {})
        return answer(RefusedError(http.status_code, code, message, hint=hint, headers=headers))

    async def of_values(request: Request, error: Exception) -> JSONResponse:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        return answer(InputError(_told(found), hint="GET /openapi.json says what is taken"))

    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        _LOG.exception("%s %s", request.method, request.url.path, exc_info=error)
        return answer(foreseen(error))

    app.add_exception_handler(SeekTrackError, ours)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_values)
    app.add_exception_handler(Exception, unforeseen)


def _told(found: Any) -> str:
    """What is wrong with a request, in one line."""
    told = []
    for one in list(found)[:3]:
        where = ".".join(str(part) for part in one.get("loc", ()))
        got = one.get("input")
        value = "" if one.get("type") == "missing" else f", got {repr(got)[:_LONGEST]}"
        told.append(f"{where}: {one.get('msg', 'is wrong')}{value}")
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return ("; ".join(told) or "the request cannot be read") + more


def _sendable(value: Any) -> Any:
    """Without what is no text, as a lone surrogate is, which JSON in UTF-8 cannot hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return {k: _sendable(v) for k, v in value.items()}
