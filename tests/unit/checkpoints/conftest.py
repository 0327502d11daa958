"""A hub on this machine: enough of its interface to look a model up and fetch its files by ranges."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Repositories by id and revision, each a folder; what was asked; and how it misbehaves."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Path] = {}
        self.pull_requests: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.drop_after: int | None = None
        self.damage = False

    def add(self, hub_id: str, folder: Path, revision: str = "main") -> None:
        self.repositories[hub_id, revision] = folder

    def information(self, hub_id: str, revision: str) -> dict[str, object]:
        siblings = []
        for path in sorted(self.repositories[hub_id, revision].iterdir()):
            data = path.read_bytes()
            entry: dict[str, object] = {"rfilename": path.name, "size": len(data)}
            entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            if path.suffix == ".safetensors":
                digest = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 134}
            siblings.append(entry)
        return {"id": hub_id, "modelId": hub_id, "sha": COMMIT, "siblings": siblings, "tags": []}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.asked.append((path, self.headers.get("Range") or ""))
        parts = path.strip("/").split("/")
        if path.startswith("/api/models/"):
            hub_id = "/".join(parts[2:4])
            if len(parts) > 4 and parts[4] == "discussions":
                number = hub.pull_requests.get(hub_id)
                offered = [] if number is None else [self._pull_request(hub_id, int(number))]
                return self._json({"discussions": offered, "count": len(offered), "start": 0})
            revision = "/".join(parts[5:]).replace("%2F", "/") if len(parts) > 5 else "main"
            if (hub_id, revision) not in hub.repositories:
                return self._json({"error": "Repository not found"}, 404)
            return self._json(hub.information(hub_id, revision))
        repositories = [f for (hub_id, _), f in hub.repositories.items() if hub_id == "/".join(parts[:2])]
        if not repositories:
            return self._json({"error": "not found"}, 404)
        return self._file(repositories[0] / parts[-1])

    def _pull_request(self, hub_id: str, number: int) -> dict[str, object]:
        return {
            "num": number, "title": "Adding `safetensors` variant of this model", "isPullRequest": True,
            "author": {"name": "SFconvertbot"}, "status": "open", "repo": {"name": hub_id, "type": "model"},
            "createdAt": "2024-01-01T00:00:00.000Z",
        }  # fmt: skip

    def _json(self, content: object, status: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _file(self, path: Path) -> None:
        data = path.read_bytes()
        if self.hub.damage:
            data = bytes([data[0] ^ 1]) + data[1:]
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        stop = len(data) if self.hub.drop_after is None else min(len(data), start + self.hub.drop_after)
        self.wfile.write(data[start:stop])
        if stop < len(data):
            self.close_connection = True


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """The hub this machine's clients talk to, and an empty cache."""
    made = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": made}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    for name, value in {
        "HF_HUB_OFFLINE": False,
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "ENDPOINT": address,
        "HUGGINGFACE_CO_URL_TEMPLATE": address + "/{repo_id}/resolve/{revision}/{filename}",
    }.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", address)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr("time.sleep", lambda s: None)
    yield made
    server.shutdown()
    server.server_close()
