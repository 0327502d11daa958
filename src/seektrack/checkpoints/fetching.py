"""Fetching published checkpoints: sizes known before, progress during, resumable, every file checksummed.

A file grows under a name of its own and goes on where it stopped, also after a kill; it takes its name when
its checksum is that of the hub. What is fetched goes into the hub's cache, where every program finds it, or
into a folder to be carried to a machine without a network.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seektrack import files
from seektrack.checkpoints import hub
from seektrack.errors import ModelError, OutputError, SeekTrackError
from seektrack.types import Progress

_MIB = 2**20
_BESIDE = (".json", ".txt", ".model")
_CONVERTER = "SFconvertbot"
"""Who offers safetensors of repositories that have none, as a pull request that transformers takes too."""
_UNFINISHED = ".seektrack-part"


@dataclass(frozen=True)
class RemoteFile:
    """One file of a checkpoint on the hub.

    Attributes:
        name: Of the file.
        size: In bytes.
        etag: SHA-256 of a large file; git's SHA-1 of a small one.
    """

    name: str
    size: int
    etag: str


@dataclass(frozen=True)
class Remote:
    """A checkpoint on the hub.

    Attributes:
        hub_id: ``owner/name``.
        revision: The branch it was found on.
        commit: What that stood at.
        files: What a loader needs of it.
    """

    hub_id: str
    revision: str
    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def look_up(hub_id: str, *, name: str = "", mib: int | None = None) -> Remote:
    """Ask the hub what a checkpoint consists of.

    Args:
        hub_id: ``owner/name``.
        name: What the user called it, for messages.
        mib: About how large it is, for messages.

    Raises:
        ModelError: The hub cannot be reached, has no such model, or none with safetensors.
    """
    from huggingface_hub import HfApi

    why = hub.unreachable()
    if why:
        raise hub.not_here(name or hub_id, hub_id, why, mib=mib)
    with _told(hub_id):
        api = HfApi()
        found = _remote(api, hub_id, "main")
        if not any(file.name.endswith(".safetensors") for file in found.files):
            for offered in api.get_repo_discussions(hub_id):
                if offered.is_pull_request and offered.author == _CONVERTER and offered.git_reference:
                    found = _remote(api, hub_id, offered.git_reference)
                    break
    if not any(file.name.endswith(".safetensors") for file in found.files):
        raise ModelError(
            f"{hub_id} has no *.safetensors weights", hint="other formats can run code when loaded"
        )
    if not any(file.name == "config.json" for file in found.files):
        raise ModelError(f"{hub_id} has no config.json", hint="it is no checkpoint of transformers")
    return found


def fetch(remote: Remote, *, to: Path | None = None, progress: Progress | None = None) -> Path:
    """Fetch a checkpoint; what is there already is not fetched again.

    Args:
        remote: From `look_up`.
        to: A folder of its own; the hub's cache when None.
        progress: Called with MiB.

    Returns:
        The folder that holds it.

    Raises:
        ModelError: The hub fails, or a file comes other than the hub says.
        OutputError: The folder cannot be written, or holds another model.
    """
    folder = hub.storage_of(remote.hub_id) / "blobs" if to is None else to
    done = 0
    if to is not None:
        _check_folder(to, remote)
    with _told(remote.hub_id), _in(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file in remote.files:
            target = folder / (file.etag if to is None else file.name)
            if not target.is_file():
                part = folder / f".{target.name}{_UNFINISHED}"
                shown = _counted(progress, done, remote)
                _fetch_file(remote, file, part, shown)
                os.replace(part, target)
            done += file.size
        return folder if to is not None else _linked(remote)


def copy(folder: Path, to: Path, *, progress: Progress | None = None) -> Path:
    """Copy a checkpoint that is on this machine into a folder of its own, whole.

    Raises:
        OutputError: The folder cannot be written, or holds another model.
    """
    wanted = [path for path in sorted(folder.iterdir()) if _is_needed(path.name) and path.is_file()]
    if hub.is_whole(to) and (to / "config.json").read_bytes() != (folder / "config.json").read_bytes():
        raise _other_model(to)
    total = sum(path.stat().st_size for path in wanted)
    done = 0
    with files.new_files(to) as temporary:
        for path in wanted:
            shutil.copyfile(path, temporary / path.name)
            done += path.stat().st_size
            if progress:
                progress(done // _MIB, total // _MIB, f"copying {path.name} (MiB)")
    return to


def _remote(api: Any, hub_id: str, revision: str) -> Remote:
    info = api.model_info(hub_id, revision=revision, files_metadata=True, timeout=30)
    found = [
        RemoteFile(s.rfilename, int(s.size or 0), str(s.lfs.sha256 if s.lfs else s.blob_id))
        for s in info.siblings or []
        if _is_needed(s.rfilename)
    ]
    return Remote(hub_id, revision, str(info.sha), tuple(sorted(found, key=lambda file: file.size)))


def _is_needed(name: str) -> bool:
    """Whether a loader looks at a file: at the top, no code, and of the weights only known ones."""
    if "/" in name or name.startswith("."):
        return False
    weights = name.endswith(".safetensors") and name.startswith(("model", "photographs"))
    return weights or name.endswith(_BESIDE)


def _fetch_file(remote: Remote, file: RemoteFile, part: Path, shown: type[Any]) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    url = hf_hub_url(remote.hub_id, file.name, revision=remote.commit)
    with part.open("ab") as stream:
        if stream.tell() > file.size:
            stream.truncate(0)
        stream.seek(0, os.SEEK_END)
        http_get(
            url, stream, resume_size=stream.tell(), headers=build_hf_headers(), expected_size=file.size,
            displayed_filename=file.name, tqdm_class=shown,
        )  # fmt: skip
        stream.flush()
        os.fsync(stream.fileno())
    if _etag(part, len(file.etag)) != file.etag:
        part.unlink()
        raise ModelError(
            f"{file.name} of {remote.hub_id} came damaged: its checksum is not that of the hub",
            hint="run the same again; that file is fetched anew",
        )


def _etag(path: Path, digits: int) -> str:
    """What the hub calls a file: SHA-256 of its bytes, or git's SHA-1."""
    digest = hashlib.sha256() if digits == 64 else hashlib.sha1(usedforsecurity=False)
    if digits != 64:
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _linked(remote: Remote) -> Path:
    """Name the fetched files in the hub's cache, as every program finds them there."""
    storage = hub.storage_of(remote.hub_id)
    snapshot = storage / "snapshots" / remote.commit
    snapshot.mkdir(parents=True, exist_ok=True)
    for file in remote.files:
        named = snapshot / file.name
        if named.exists():
            continue
        try:
            named.symlink_to(Path("..") / ".." / "blobs" / file.etag)
        except OSError:  # a file system, or a Windows account, without links
            with files.new_file(named) as temporary:
                shutil.copyfile(storage / "blobs" / file.etag, temporary)
    files.write_text(storage / "refs" / remote.revision, remote.commit)
    return snapshot


def _check_folder(to: Path, remote: Remote) -> None:
    for file in remote.files:
        path = to / file.name
        if path.exists() and not (path.is_file() and _etag(path, len(file.etag)) == file.etag):
            raise _other_model(to)


def _other_model(folder: Path) -> OutputError:
    return OutputError(
        f"cannot fetch into {folder}: it holds files of another model",
        hint="give a folder that is empty or does not exist yet",
    )


def _counted(progress: Progress | None, before: int, remote: Remote) -> type[Any]:
    """A bar as the hub's client wants one, which counts for a callback instead of drawing."""
    total = remote.size

    class Bar:
        def __init__(self, *args: Any, initial: int = 0, **options: Any) -> None:
            self.done = before + initial
            self.update(0)

        def update(self, n: float | None = 1) -> None:
            self.done += int(n or 0)
            if progress:
                progress(self.done // _MIB, max(1, total // _MIB), f"fetching {remote.hub_id} (MiB)")

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *args: object) -> None:
            """Nothing is drawn, so nothing is closed."""

        def close(self) -> None:
            """Nothing is drawn, so nothing is closed."""

    return Bar


@contextlib.contextmanager
def _told(hub_id: str) -> Iterator[None]:
    """Whatever the hub's client raises becomes one line; what it would log about its retries is not shown."""
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    except SeekTrackError:
        raise
    except Exception as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelError(
            f"{hub_id} cannot be fetched: {reason}",
            hint="run it again: it goes on where it stopped; a private or gated model needs HF_TOKEN",
        ) from error
    finally:
        log.setLevel(level)


@contextlib.contextmanager
def _in(folder: Path) -> Iterator[None]:
    """A disk that is full or may not be written is not the hub's fault."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except (HfHubHTTPError, SeekTrackError):
        raise
    except OSError as error:
        if error.errno is None:
            raise
        raise OutputError(
            f"cannot write into {folder}: {error.strerror or error}",
            hint="check the folder, its rights and the space left",
        ) from error
