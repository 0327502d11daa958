"""What a server is told: which libraries, which folders, who may ask, and how much of it."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seektrack.errors import InputError
from seektrack.library.address import place_of

_MIB = 2**20
_SHORTEST_KEY = 16
"""Characters of an API key; shorter ones are guessed."""


@dataclass(frozen=True)
class Bounds:
    """How much is taken from whoever asks.

    Attributes:
        body_mb: Of one request but an upload, in MiB; a mask of a large picture as JSON takes some.
        upload_mb: Of one upload, in MiB.
        video_s: Length of a video that is followed, in seconds.
        stretch_s: Length of a stretch that is cut out while its caller waits, in seconds.
        waiting: Requests that wait for the processor; the next is told to come again.
        queued: Jobs that wait; the next is refused.
        click_s: What one request may take of the processor's time once it is its turn, in seconds.
        job_s: What one job may take, in seconds.
        silent_s: How long a client may send nothing of a request it began, in seconds.
        attempts: How often a job is begun that takes the server down with it.
        results_mb: Tracks held in memory between requests, in MiB of their files.
    """

    body_mb: int = 16
    upload_mb: int = 4096
    video_s: float = 6 * 3600.0
    stretch_s: float = 120.0
    waiting: int = 64
    queued: int = 1000
    click_s: float = 60.0
    job_s: float = 24 * 3600.0
    silent_s: float = 30.0
    attempts: int = 3
    results_mb: int = 256

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise InputError(f"{name} must be more than 0, got {value}")

    @property
    def body_bytes(self) -> int:
        """Bytes of one request."""
        return self.body_mb * _MIB

    @property
    def upload_bytes(self) -> int:
        """Bytes of one upload."""
        return self.upload_mb * _MIB


@dataclass(frozen=True)
class ServerSettings:
    """What a server serves.

    Attributes:
        libraries: Folders or addresses of libraries, each under its last name; one need not exist yet.
        roots: Folders below which videos may be named; those of the libraries can be named always.
        state: Folder for jobs, sessions, results and uploads; beside the first library when None, in the
            working folder where that lies at an address.
        model: What videos are followed with that no library says a model for; a folder taught names also asks
            the libraries that hold its vectors.
        device: Where networks run; chosen when None.
        workers: Jobs at work at a time.
        ray: Address of the Ray cluster that does the jobs, ``HOST:PORT`` or ``auto``; this process when None.
        clicks: Requests of people at work at a time.
        api_keys: Name → digest (`key_digest`) of who may ask; everyone may when empty.
        hosts: Names this server is reached by, beside those of this machine and addresses of digits.
        networks: Detectors, translators and depth networks that may be asked for, as ``hf:ID``; others are
            not loaded, whoever asks.
        streams: Addresses of live streams that may be followed, by name.
        bounds: How much is taken.
    """

    libraries: tuple[Path | str, ...]
    roots: tuple[Path, ...] = ()
    state: Path | None = None
    model: str | None = None
    device: str | None = None
    workers: int = 1
    ray: str | None = None
    clicks: int = 2
    api_keys: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    streams: Mapping[str, str] = field(default_factory=dict)
    bounds: Bounds = Bounds()

    def __post_init__(self) -> None:
        for name in ("libraries", "roots"):
            object.__setattr__(self, name, tuple(Path(path) for path in getattr(self, name)))
        if self.state is not None:
            object.__setattr__(self, "state", Path(self.state))
        if not self.libraries:
            raise InputError("a server needs a library", hint="name the folder of one; it need not exist yet")
        for name in ("workers", "clicks"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        names = self.named_libraries
        if len(names) < len(self.libraries):
            raise InputError(
                "two libraries have one name: " + ", ".join(map(str, self.libraries)),
                hint="rename a folder: a library is asked for by the name of its folder",
            )
        for root in self.roots:
            if not root.is_dir():
                raise InputError(f"the root {str(root)!r} is no folder", hint="name a folder of videos")

    @property
    def named_libraries(self) -> dict[str, Path | str]:
        """Folders and addresses of libraries by name."""
        places = [place_of(path) for path in self.libraries]
        return {(p.rpartition("/")[2] if isinstance(p, str) else p.resolve().name): p for p in places}

    @property
    def state_folder(self) -> Path:
        """Where jobs, sessions, results and uploads lie."""
        if self.state is not None:
            return self.state.expanduser()
        name, first = next(iter(self.named_libraries.items()))
        beside = Path.cwd() if isinstance(first, str) else first.resolve().parent
        return beside / f"{name}.serving"

    @property
    def uploads(self) -> Path:
        """Where uploads lie; a root too."""
        return self.state_folder / "uploads"


def key_digest(key: str) -> str:
    """What is kept of an API key."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> dict[str, str]:
    """API keys of a file, one a line: ``KEY``, or ``NAME KEY``; lines that begin with ``#`` are left out.

    Returns:
        Name → digest.

    Raises:
        InputError: The file cannot be read, holds no key, a short one, or two of one name.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the API keys in {str(path)!r}: {error}") from error
    keys: dict[str, str] = {}
    for n, line in enumerate(lines, 1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        name, key = (f"key {n}", words[0]) if len(words) == 1 else (" ".join(words[:-1]), words[-1])
        if len(key) < _SHORTEST_KEY:
            raise InputError(
                f"{path}, line {n}: a key has at least {_SHORTEST_KEY} characters",
                hint="make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
        if name in keys:
            raise InputError(f"{path}, line {n}: two keys are called {name!r}")
        keys[name] = key_digest(key)
    if not keys:
        raise InputError(f"{path} holds no API key", hint="write one a line, as NAME KEY")
    return keys


def read_streams(given: Sequence[str]) -> dict[str, str]:
    """Addresses of streams by name, from ``NAME=ADDRESS``.

    Raises:
        InputError: There is no name, no address, or a name twice.
    """
    streams: dict[str, str] = {}
    for one in given:
        name, _, address = one.partition("=")
        name, address = name.strip(), address.strip()
        if not name or not address or "/" in name or len(name) > 80:
            raise InputError(
                f"no stream: {one!r}", hint="write NAME=ADDRESS, as door=rtsp://camera/1 or cam=0"
            )
        if name in streams:
            raise InputError(f"two streams are called {name!r}")
        streams[name] = address
    return streams


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to a name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
