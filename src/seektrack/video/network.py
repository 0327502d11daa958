"""Videos at an address: what an address is, and a recording brought here whole."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import ssl
import tempfile
import weakref
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit

from seektrack.errors import VideoError
from seektrack.types import Progress

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_MANGLED = re.compile(r"([a-z][a-z0-9+.-]+):/(?=[^/])", re.IGNORECASE)  # what pathlib makes of an address
_PIECE = 1 << 20
_PLAYLISTS = ("mpegurl", "dash+xml", "multipart/x-mixed-replace")


def is_address(name: str) -> bool:
    """Whether a name is an address with a protocol, ``http://…``, and not a path."""
    return _ADDRESS.match(name) is not None


def as_name(source: str | os.PathLike[str]) -> str:
    """What the user named, as a string: a path, or an address also where a ``Path`` was made of it.

    ``file://`` becomes the path it means.
    """
    name = os.fspath(source)
    if not is_address(name) and _MANGLED.match(name) and not os.path.lexists(name):
        name = _MANGLED.sub(r"\1://", name, count=1)
    if name.lower().startswith("file://"):
        return request.url2pathname(urlsplit(name).path)
    return name


def without_password(address: str) -> str:
    """An address as it may be shown: ``rtsp://me:secret@host/1`` becomes ``rtsp://me:…@host/1``."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*(?:@[^/@]*)*@", r"\1:…@", address)


class Fetched:
    """A recording at an address, brought into a temporary file that goes with this object or the process.

    Attributes:
        path: The file, named as at the address.
    """

    def __init__(self, name: str) -> None:
        folder = tempfile.mkdtemp(prefix="seektrack-")
        self.path = Path(folder, name)
        self.close = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)


def fetch(address: str, *, timeout_s: float = 10.0, progress: Progress | None = None) -> Fetched | None:
    """Bring the file at an ``http://`` or ``https://`` address here.

    Redirections are followed to these two protocols only.

    Args:
        address: May hold a user and a password.
        timeout_s: Longest wait for the server to say something.
        progress: Called with ``(done, total, stage)`` in MiB.

    Returns:
        The file, or None where the server sends a stream: without a length, or a list of pieces.

    Raises:
        VideoError: The server cannot be reached, has no such file or breaks off, or there is no room.
    """
    shown = without_password(address)
    try:
        with _opener().open(_asked(address), timeout=timeout_s) as answer:
            length = answer.headers.get("Content-Length", "")
            kind = answer.headers.get("Content-Type", "").lower()
            if not length.isdigit() or any(name in kind for name in _PLAYLISTS):
                return None
            return _kept(answer, int(length), shown, progress)
    except HTTPError as error:
        raise VideoError(
            f"cannot fetch {shown}: {error.code} {error.reason}",
            hint="check the address, and your rights there",
        ) from error
    except VideoError:
        raise
    except (URLError, OSError, ValueError, http.client.HTTPException) as error:
        why = getattr(error, "reason", None) or error
        raise VideoError(
            f"cannot fetch {shown}: {getattr(why, 'strerror', None) or why}",
            hint="check the address, and that it is reachable from here",
        ) from error


def is_endless(address: str, *, timeout_s: float = 10.0) -> bool:
    """Whether the server at an ``http://`` or ``https://`` address sends a stream, not a recording.

    Where it cannot be reached, it is not; opening it says why.
    """
    try:
        with _opener().open(_asked(address), timeout=timeout_s) as answer:
            kind = answer.headers.get("Content-Type", "").lower()
            length = answer.headers.get("Content-Length", "")
            return not length.isdigit() or any(name in kind for name in _PLAYLISTS)
    except (URLError, OSError, ValueError, http.client.HTTPException):
        return False


def _kept(answer: Any, length: int, shown: str, progress: Progress | None) -> Fetched | None:
    name = re.sub(r"[^\w.-]", "_", Path(unquote(urlsplit(shown).path)).name)[-80:].lstrip(".") or "video"
    fetched = Fetched(name)
    done, total = 0, -(-length // _PIECE)
    try:
        if length > (free := shutil.disk_usage(fetched.path.parent).free):
            raise VideoError(
                f"{shown} has {length / 1e9:.1f} GB, and there are {free / 1e9:.1f} GB of room",
                hint="TMPDIR names a folder with more",
            )
        with fetched.path.open("wb") as file:
            while piece := answer.read(_PIECE):
                if not done and piece.lstrip().startswith(b"#EXTM3U"):
                    fetched.close()
                    return None
                file.write(piece)
                done += len(piece)
                if progress:
                    progress(done // _PIECE, total, f"fetching {name}")
        if done != length:
            raise VideoError(f"{shown} broke off after {done} of {length} bytes", hint="open it again")
    except BaseException:
        fetched.close()
        raise
    if progress:
        progress(total, total, f"fetching {name}")
    return fetched


def _opener() -> request.OpenerDirector:
    """What opens addresses of the web and no other: neither files of this machine nor FTP."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(context=ssl.create_default_context()),
        request.HTTPRedirectHandler(),
        request.HTTPErrorProcessor(),
        request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _asked(address: str) -> request.Request:
    parts = urlsplit(address)
    asked = request.Request(
        urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")),
        headers={"User-Agent": "seektrack"},
    )
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        asked.add_unredirected_header("Authorization", "Basic " + b64encode(user.encode()).decode())
    return asked
