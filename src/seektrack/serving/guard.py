"""Who may ask, from where, and how much: looked at before anything of a request is read."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seektrack.serving.refusals import RefusedError, answer, too_large
from seektrack.serving.settings import ServerSettings, key_digest

COOKIE = "seektrack-key"
"""Where a page keeps its API key: pictures, films and event streams cannot send headers."""
_OPEN = ("/api/v1/health", "/api/v1/login")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self' "
        "'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
}
_SAFE = ("GET", "HEAD", "OPTIONS")


class Guard:
    """Refuses what may not be asked, and bounds what may.

    A page of another site cannot use a server on this machine: its requests carry its own ``Origin``, and a
    name of its own that was made to lead here (DNS rebinding) is no name of this server.

    Args:
        app: What is guarded.
        settings: Of the server.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self.app, self.settings = app, settings
        own = {"localhost", socket.gethostname().lower(), *(name.lower() for name in settings.hosts)}
        self.hosts = own | {f"{name}.localhost" for name in own if name == "localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            self._check_origin(scope, headers)
            scope.setdefault("state", {})["owner"] = self._owner(scope, headers)
            most = self._most(scope)
            self._check_length(headers, most)
        except RefusedError as error:
            await answer(error)(scope, receive, _with_headers(send, scope))
            return
        bounded = _bounded(receive, most, self.settings.bounds.silent_s)
        await self.app(scope, bounded, _with_headers(send, scope))

    def _check_host(self, headers: Headers) -> None:
        host = headers.get("host", "")
        name = (urlsplit(f"//{host}").hostname or "").lower() if host.isascii() else ""
        if name in self.hosts or _is_address(name):
            return
        raise RefusedError(
            403,
            "forbidden",
            f"this server is not called {host[:100]!r}",
            hint="start it with --allow-host NAME",
        )

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None or scope["method"] in _SAFE:
            return
        if urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
            raise RefusedError(
                403,
                "forbidden",
                f"pages of {origin[:100]!r} may not use this server",
                hint="open its own page",
            )

    def _owner(self, scope: Scope, headers: Headers) -> str:
        keys = self.settings.api_keys
        if not keys or not scope["path"].startswith("/api/") or scope["path"] in _OPEN:
            return ""
        name = owner_of(given_key(headers), self.settings)
        if name is None:
            raise RefusedError(
                401,
                "unauthorized",
                "an API key is needed" if not given_key(headers) else "the API key is not known here",
                hint="send it as: Authorization: Bearer KEY",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return name

    def _most(self, scope: Scope) -> int:
        bounds = self.settings.bounds
        return bounds.upload_bytes if scope["path"] == "/api/v1/uploads" else bounds.body_bytes

    @staticmethod
    def _check_length(headers: Headers, most: int) -> None:
        told = headers.get("content-length", "")
        if told.isdecimal() and int(told) > most:
            raise too_large(f"{told} bytes are more than is taken, {most}")


def given_key(headers: Headers) -> str:
    """The API key of a request: ``Authorization: Bearer``, ``X-API-Key``, or the page's cookie."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    if headers.get("x-api-key"):
        return headers["x-api-key"]
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def owner_of(key: str, settings: ServerSettings) -> str | None:
    """Whose an API key is; None of one that is not known. Takes as long whichever it is."""
    digest = key_digest(key)
    found = [name for name, known in settings.api_keys.items() if hmac.compare_digest(known, digest)]
    return found[0] if found else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _bounded(receive: Receive, most: int, silent_s: float) -> Receive:
    """Reads a request's body, at most so many bytes, none of them awaited for long."""
    seen, whole = 0, False

    async def bounded() -> Message:
        nonlocal seen, whole
        if whole:
            return await receive()  # for the client to go, which may take as long as it likes
        try:
            message = await asyncio.wait_for(receive(), silent_s)
        except TimeoutError:
            raise HTTPException(408, f"nothing came for {silent_s:g} s") from None
        seen += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if seen > most:
            raise HTTPException(413, f"more than {most} bytes are not taken")
        return message

    return bounded


def _with_headers(send: Send, scope: Scope) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if scope["path"].startswith("/api/"):
                headers.setdefault("cache-control", "no-store")
        await send(message)

    return sending
