"""How the client talks: safe requests repeated, errors as those of the Python API, jobs awaited."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack import errors, files
from seektrack.errors import InputError, SeekTrackError
from seektrack.outputs.optional import needed
from seektrack.types import Progress

if TYPE_CHECKING:
    import httpx

PREFIX = "/api/v1"
_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Waits before a request is sent again to a server that does not answer."""
_ENDED = ("done", "failed", "cancelled")
_KINDS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, SeekTrackError) and kind is not SeekTrackError
}


class ServerError(SeekTrackError):
    """What a server refused that has no other kind here, or a server that does not answer."""

    code = "server"


class Http:
    """A connection to a server.

    Args:
        url: Of the server.
        api_key: Sent with every request.
        timeout_s: Longest wait for an answer.
        patience_s: Longest wait for a server that went away while a job was awaited, as one that is started
            anew.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        patience_s: float = 60.0,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"{url!r} is no address of a server", hint="for example http://127.0.0.1:8642")
        self._httpx = needed("httpx", "serve")
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self.url, self.patience_s = url.rstrip("/"), patience_s
        self._client: httpx.Client = self._httpx.Client(
            base_url=self.url + PREFIX, headers=headers, timeout=timeout_s
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def get(self, path: str, **params: Any) -> Any:
        """JSON of a question that changes nothing; asked again of a server that does not answer."""
        return self._asked("GET", path, params=_said(params)).json()

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, once: bool = False, **params: Any
    ) -> Any:
        """JSON of a request; one with ``once`` can be sent again, as the server knows it by its key."""
        headers = {"Idempotency-Key": uuid.uuid4().hex} if once else {}
        return self._asked("POST", path, json=body, headers=headers, params=_said(params), again=once).json()

    def post_bytes(self, path: str, content: bytes, **params: Any) -> Any:
        """JSON of a request whose body is a file."""
        headers = {"content-type": "application/octet-stream"}
        return self._asked("POST", path, content=content, headers=headers, params=_said(params)).json()

    def delete(self, path: str) -> None:
        """Forget something."""
        self._asked("DELETE", path, again=False)

    def bytes(self, path: str, **params: Any) -> bytes:
        """A small file."""
        content: bytes = self._asked("GET", path, params=_said(params)).content
        return content

    def save(self, path: str, target: Path, **params: Any) -> Path:
        """A file of any size, written as it comes, whole or not at all.

        Raises:
            OutputError: It cannot be written.
        """
        with (
            files.new_file(target) as temporary,
            self._told(),
            temporary.open("wb") as out,
            self._client.stream("GET", path, params=_said(params)) as response,
        ):
            self._check(response)
            for chunk in response.iter_bytes():
                out.write(chunk)
        return target

    def upload(self, path: Path) -> Any:
        """What the server knows of a file once it has it.

        Raises:
            InputError: The file cannot be read.
        """
        try:
            with path.open("rb") as file, self._told():
                response = self._client.post("/uploads", files={"file": (path.name, file)}, timeout=None)
        except OSError as error:
            raise InputError(f"cannot read {str(path)!r}: {error.strerror}") from error
        self._check(response)
        return response.json()

    @contextmanager
    def events(self, path: str, **params: Any) -> Iterator[Iterator[tuple[str, Any]]]:
        """Server-sent events, name and content, for as long as the block lasts."""
        with self._told(), self._client.stream("GET", path, params=_said(params)) as response:
            self._check(response)
            yield _events(response.iter_lines())

    def wait(self, job: Mapping[str, Any], progress: Progress | None = None) -> dict[str, Any]:
        """The result of a job, when it is done; whatever stops the waiting cancels it.

        Args:
            job: As the server told it.
            progress: Called with ``(done, total, stage)``.

        Raises:
            SeekTrackError: The job failed, or was cancelled; or the server does not come back.
        """
        try:
            return self._awaited(str(job["id"]), progress)
        except SeekTrackError:
            raise
        except BaseException:
            with suppress(SeekTrackError):
                self.post(f"/jobs/{job['id']}/cancel")
            raise

    def _awaited(self, job_id: str, progress: Progress | None) -> dict[str, Any]:
        seen: Any = None
        last = time.monotonic()
        while True:
            try:
                with self.events(f"/jobs/{job_id}/events") as events:
                    for name, job in events:
                        last = time.monotonic()
                        step = job["progress"] if name == "job" else None
                        if progress is not None and step is not None and step != seen:
                            seen = step
                            progress(step["done"], step["total"], step["stage"])
                        if name == "job" and job["state"] in _ENDED:
                            return _result(job)
            except ServerError as error:
                # Started anew, it goes on with the job; refused by it, there is nothing to wait for.
                if error.code != "server" or time.monotonic() - last > self.patience_s:
                    raise
            time.sleep(0.5)

    def _asked(self, method: str, path: str, *, again: bool | None = None, **given: Any) -> Any:
        safe = method == "GET" if again is None else again
        waits = list(_AGAIN_S) if safe else []
        while True:
            try:
                with self._told():
                    response = self._client.request(method, path, **given)
            except ServerError:
                if not waits:
                    raise
                time.sleep(waits.pop(0))
                continue
            if response.status_code == 429 and waits:
                time.sleep(max(waits.pop(0), min(30.0, float(response.headers.get("retry-after", "1")))))
                continue
            self._check(response)
            return response

    def _check(self, response: httpx.Response) -> None:
        if response.status_code < 400:
            return
        try:
            error: SeekTrackError = error_of(json.loads(response.read())["error"])
        except (ValueError, KeyError, TypeError):
            error = _other(response.status_code, self.url)
        raise error

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the connection says as an error of ours."""
        try:
            yield
        except self._httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise ServerError(
                f"the server at {self.url} does not answer: {said}", hint="is it running? seektrack serve"
            ) from error


def error_of(held: Mapping[str, Any]) -> SeekTrackError:
    """An error of a server as the Python API raises it."""
    kind = _KINDS.get(str(held["code"]))
    if kind is not None:
        return kind(str(held["message"]), hint=str(held["hint"]))
    error = ServerError(str(held["message"]), hint=str(held["hint"]))
    error.code = str(held["code"])
    return error


def _other(status: int, url: str) -> ServerError:
    error = ServerError(f"{url} answered with status {status}", hint="is it a seektrack server?")
    error.code = "other"
    return error


def _result(job: Mapping[str, Any]) -> dict[str, Any]:
    if job["state"] == "failed":
        raise error_of(job["error"])
    if job["state"] == "cancelled":
        error = ServerError(f"job {job['id']} was cancelled")
        error.code = "cancelled"
        raise error
    result: dict[str, Any] = job["result"]
    return result


def _events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Name and content of each server-sent event."""
    name, data = "message", ""
    for line in lines:
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].strip()
        elif not line and data:
            yield name, json.loads(data)
            name, data = "message", ""


def _said(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if value is not None}
