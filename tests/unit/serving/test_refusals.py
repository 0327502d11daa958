"""What a server refuses, and how: always one shape, and nothing learnt of what lies outside."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.unit.serving.conftest import Serve

from seektrack.errors import InputError
from seektrack.serving import read_keys
from seektrack.serving.settings import key_digest
from seektrack.serving.uploads import fitting

API = "/api/v1"
BOX: dict[str, Any] = {"box": [1.0, 1.0, 9.0, 9.0]}
KEY = "a-key-that-is-long-enough"


def error(response: Any) -> dict[str, str]:
    held = response.json()
    assert set(held) == {"error"} and set(held["error"]) == {"code", "message", "hint"}, held
    assert held["error"]["message"]
    return dict(held["error"])


@pytest.fixture
def root(films: Path, tmp_path: Path) -> Path:
    """A root of its own, beside a film that nobody may see."""
    folder = tmp_path / "root"
    shutil.copytree(films, folder)
    (tmp_path / "secret").mkdir()
    shutil.copy(films / "road.mp4", tmp_path / "secret/road.mp4")
    return folder


@pytest.fixture
def client(serve: Serve, root: Path) -> TestClient:
    return serve(roots=(root,))


@pytest.mark.parametrize(
    "name",
    [
        "../secret/road.mp4",
        "sub/../../secret/road.mp4",
        "{secret}/road.mp4",
        "{root}/../secret/road.mp4",
        "//{secret}/road.mp4",
        "/etc/passwd",
        "../../../../../../../../etc/passwd",
        "~/road.mp4",
        "none.mp4",
    ],
)
def test_what_lies_outside_the_roots_is_told_as_what_is_not_there(client: TestClient, root: Path, name: str):
    named = name.format(root=root, secret=root.parent / "secret")
    for path, body in (
        ("videos", {"video": named}),
        ("segment", {"video": named, "prompts": [{"box": [1.0, 1.0, 9.0, 9.0]}]}),
        ("track_objects", {"video": named, "text": "a car"}),
        ("sessions", {"video": named}),
    ):
        answer = client.post(f"{API}/{path}", json=body)
        assert (answer.status_code, error(answer)["code"]) == (404, "bad_video")
    job = client.post(f"{API}/libraries/films/index", json={"videos": [named]}).json()
    ended = client.get(f"{API}/jobs/{job['id']}", params={"wait": 30}).json()
    assert ended["state"] == "failed" and ended["error"]["code"] == "bad_video"


@pytest.mark.parametrize(
    "name", ["http://127.0.0.1/a.mp4", "file:///etc/passwd", "rtsp://x/1", "concat:a.mp4|b.mp4", "0", "a\0b"]
)
def test_addresses_cameras_and_protocols_are_no_names(client: TestClient, name: str):
    assert client.post(f"{API}/videos", json={"video": name}).status_code in (404, 422)


def test_a_link_that_leads_outside_is_not_followed(client: TestClient, root: Path):
    (root / "link.mp4").symlink_to(root.parent / "secret/road.mp4")
    (root / "dir").symlink_to(root.parent / "secret")
    pictures = root / "pictures"
    pictures.mkdir()
    (pictures / "0.png").symlink_to(root.parent / "secret/road.mp4")
    for name in ("link.mp4", "dir/road.mp4"):
        assert client.post(f"{API}/videos", json={"video": name}).status_code == 404
    assert error(client.post(f"{API}/videos", json={"video": "pictures"}))["code"] == "forbidden"
    job = client.post(f"{API}/libraries/films/index", json={"videos": [str(root)], "regions": "none"}).json()
    ended = client.get(f"{API}/jobs/{job['id']}", params={"wait": 60}).json()
    named = {one["video"] for one in ended["result"]["failed"]}
    assert not any(
        "secret" in str(one) for one in client.get(f"{API}/libraries/films/videos").json()["videos"]
    )
    assert str(root / "link.mp4") in named
    inside = root / "inside.mp4"
    inside.symlink_to(root / "road.mp4")
    assert client.post(f"{API}/videos", json={"video": "inside.mp4"}).json()["video"] == str(
        root / "road.mp4"
    )


def test_a_film_that_becomes_a_link_is_not_served_any_more(client: TestClient, root: Path):
    one = client.post(f"{API}/videos", json={"video": "road.mp4"}).json()
    assert client.get(f"{API}/videos/{one['id']}/file").status_code == 200
    (root / "road.mp4").unlink()
    (root / "road.mp4").symlink_to(root.parent / "secret/road.mp4")
    for what in ("", "/file", "/times", "/thumbnail", "/frames/0.jpg"):
        assert client.get(f"{API}/videos/{one['id']}{what}").status_code in (403, 404)


@pytest.mark.parametrize(
    "head", ["#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "ffconcat version 1.0\nfile '/etc/passwd'\n"]
)
def test_a_list_that_leads_to_other_files_is_not_opened(client: TestClient, root: Path, head: str):
    (root / "list.mp4").write_text(head)
    assert error(client.post(f"{API}/videos", json={"video": "list.mp4"}))["code"] == "forbidden"
    sent = client.post(f"{API}/uploads", files={"file": ("a.mp4", head.encode())})
    assert error(sent)["code"] == "forbidden"


def left(client: TestClient) -> list[str]:
    service = client.app.state.service  # type: ignore[attr-defined]
    return [p.name for p in service.settings.uploads.rglob("*")]


@pytest.mark.parametrize("content", [b"", b"no film at all", b"\x00\x00\x00\x20ftypisom" + b"\0" * 500])
def test_a_bogus_upload_is_refused_and_nothing_of_it_stays(client: TestClient, content: bytes):
    sent = client.post(f"{API}/uploads", files={"file": ("a.mp4", content)})
    assert sent.status_code == 422 and error(sent)["code"] in ("bad_video", "bad_input")
    assert left(client) == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"not a form"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nno file\r\n--b--\r\n"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\nbroken off',
        ),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"x" * 20_000 + b": y\r\n\r\n\r\n--b--\r\n"),
    ],
)
def test_what_is_no_form_with_a_file_is_refused(client: TestClient, kind: str, body: bytes):
    sent = client.post(f"{API}/uploads", content=body, headers={"content-type": kind})
    assert sent.status_code == 422 and error(sent)["code"] == "bad_input"
    assert left(client) == []


def test_the_name_of_an_upload_leads_nowhere(client: TestClient, root: Path):
    content = (root / "road.mp4").read_bytes()
    for name in ("../../../evil.mp4", "/etc/evil.mp4", "..\\..\\evil.mp4", ".hidden.mp4", "ev\til<>|.mp4"):
        sent = client.post(f"{API}/uploads", files={"file": (name, content)})
        assert sent.status_code == 201
        path = Path(sent.json()["video"])
        assert path.parents[1] == client.app.state.service.settings.uploads  # type: ignore[attr-defined]
        assert path.read_bytes() == content
    assert fitting("." * 300) == "video" and len(fitting("x" * 900 + ".mp4")) < 150


def test_an_upload_larger_than_allowed_is_refused_however_it_is_sent(serve: Serve):
    client = serve(bounds={"upload_mb": 1})
    large = b"\0" * (2 * 2**20)
    told = client.post(f"{API}/uploads", files={"file": ("a.mp4", large)})
    assert (told.status_code, error(told)["code"]) == (413, "too_large")
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    untold = client.post(
        f"{API}/uploads",
        content=iter([head, *(large[i : i + 65536] for i in range(0, len(large), 65536))]),
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert (untold.status_code, error(untold)["code"]) == (413, "too_large")
    assert left(client) == []


def test_a_body_larger_than_allowed_is_refused(serve: Serve):
    client = serve(bounds={"body_mb": 1})
    body = {"text": "a car", "label": "x" * (2 * 2**20)}
    assert error(client.post(f"{API}/libraries/films/search", json=body))["code"] == "too_large"
    chunks = (b"x" * 2**18 for _ in range(8))
    sent = client.post(f"{API}/read", content=chunks, headers={"content-type": "application/json"})
    assert (sent.status_code, error(sent)["code"]) == (413, "too_large")


def test_a_film_longer_than_allowed_is_refused_but_a_part_of_it_is_not(serve: Serve):
    client = serve(bounds={"video_s": 0.5, "stretch_s": 0.2})
    asked = {"video": "road.mp4", "prompts": [{"box": [30.0, 30.0, 90.0, 80.0]}]}
    assert client.post(f"{API}/track_objects", json=asked).status_code == 413
    assert client.post(f"{API}/track_objects", json=asked | {"start_s": 0.5}).status_code == 202
    assert client.post(f"{API}/sessions", json={"video": "road.mp4"}).status_code == 413
    assert client.post(f"{API}/sessions", json={"video": "road.mp4", "end_s": 0.4}).status_code == 201
    one = client.post(f"{API}/videos", json={"video": "road.mp4"}).json()["id"]
    long = client.get(f"{API}/videos/{one}/stretch", params={"start_s": 0, "end_s": 0.5})
    assert (long.status_code, error(long)["code"]) == (413, "too_large")


def test_without_the_right_key_nothing_is_told(serve: Serve, tmp_path: Path):
    (tmp_path / "keys").write_text(f"# who\nann {KEY}\nbob another-long-enough-key\n")
    client = serve(api_keys=read_keys(tmp_path / "keys"))
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"x-api-key": KEY + "x"},
        {"cookie": "seektrack-key=x"},
    ):
        for method, path in (
            ("GET", "about"),
            ("GET", "jobs"),
            ("POST", "track_objects"),
            ("GET", "nothing"),
        ):
            answer = client.request(method, f"{API}/{path}", headers=headers)
            assert (answer.status_code, error(answer)["code"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get(f"{API}/health").status_code == 200
    for headers in ({"authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}):
        assert client.get(f"{API}/about", headers=headers).status_code == 200
    job = client.post(
        f"{API}/track_objects", json={"video": "road.mp4", "text": "a car"}, headers={"x-api-key": KEY}
    ).json()
    assert job["owner"] == "ann"
    assert client.post(f"{API}/login", json={"key": "wrong"}).status_code == 401
    logged = client.post(f"{API}/login", json={"key": KEY})
    assert "httponly" in logged.headers["set-cookie"].lower()
    assert "samesite=strict" in logged.headers["set-cookie"].lower()
    assert client.get(f"{API}/about").status_code == 200
    client.post(f"{API}/logout")
    assert client.get(f"{API}/about").status_code == 401


@pytest.mark.parametrize("content", ["", "# none\n", "short\n", f"a {KEY}\na {KEY}2\n"])
def test_a_file_of_keys_that_protects_nothing_is_refused(tmp_path: Path, content: str):
    (tmp_path / "keys").write_text(content)
    with pytest.raises(InputError):
        read_keys(tmp_path / "keys")
    (tmp_path / "good").write_text(KEY)
    assert read_keys(tmp_path / "good") == {"key 1": key_digest(KEY)}


def test_pages_of_other_sites_and_other_names_are_refused(client: TestClient):
    for host in ("evil.example", "evil.example:8642", "localhost.evil.example", ""):
        assert error(client.get(f"{API}/about", headers={"host": host}))["code"] == "forbidden"
    for host in ("localhost:8642", "127.0.0.1:8642", "[::1]:8642", "192.168.1.5"):
        assert client.get(f"{API}/about", headers={"host": host}).status_code == 200
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        assert error(client.post(f"{API}/logout", headers={"origin": origin}))["code"] == "forbidden"
    own = client.post(f"{API}/logout", headers={"origin": "http://localhost"})
    assert own.status_code == 200
    asked = client.options(
        f"{API}/about", headers={"origin": "http://e", "access-control-request-method": "GET"}
    )
    assert "access-control-allow-origin" not in {**asked.headers, **own.headers}
    assert own.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "nothing", None, 404, "not_found"),
        ("PUT", "about", None, 405, "not_allowed"),
        ("POST", "libraries/none/search", {"text": "a car"}, 404, "bad_library"),
        ("POST", "libraries/films/search", {"text": ""}, 422, "bad_input"),
        ("POST", "libraries/films/search", {"text": "a car", "nonsense": 1}, 422, "bad_input"),
        ("POST", "libraries/films/search", {"text": "a car", "k": "5"}, 422, "bad_input"),
        ("POST", "libraries/films/search", {"text": "-night"}, 422, "bad_query"),
        ("POST", "libraries/films/search", {"text": "a car", "start_s": 5, "end_s": 1}, 422, "bad_input"),
        ("POST", "track_objects", {"video": "road.mp4"}, 422, "bad_input"),
        ("POST", "track_objects", {"video": "road.mp4", "text": "a", "formats": ["x"]}, 422, "bad_input"),
        ("POST", "track_objects", {"video": "road.mp4", "text": "a", "model": "/etc"}, 422, "bad_model"),
        ("POST", "segment", {"video": "road.mp4", "prompts": [{"points": [[1, 1]]}]}, 200, ""),
        ("POST", "segment", {"video": "road.mp4", "prompts": [{"points": [[999, 1]]}]}, 422, "bad_prompt"),
        ("POST", "segment", {"video": "road.mp4", "prompts": [{}]}, 422, "bad_prompt"),
        ("POST", "segment", {"video": "road.mp4", "prompts": [BOX], "model": "x"}, 422, "bad_model"),
        ("POST", "segment", {"video": "road.mp4", "prompts": [BOX | {"frame_index": 99}]}, 422, "bad_input"),
        ("GET", f"jobs/{'0' * 16}", None, 404, "not_found"),
        ("GET", f"tracks/{'0' * 16}.0/export?format=json", None, 404, "not_found"),
        ("GET", f"videos/{'0' * 16}/file", None, 404, "bad_video"),
        ("GET", "videos/../../etc/file", None, 404, "not_found"),
    ],
)  # fmt: skip
def test_every_refusal_has_one_shape(
    served: TestClient, method: str, path: str, body: Any, status: int, code: str
):
    answer = served.request(method, f"{API}/{path}", json=body)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert error(answer)["code"] == code


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff\xfe", b"null", b'{"text": NaN}', b'{"text": "\\ud800"}', b"[" * 50_000]
)
def test_what_is_no_json_is_refused(served: TestClient, body: bytes):
    answer = served.post(f"{API}/read", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422) and error(answer)["code"] in ("bad_input", "bad_request")


def test_what_nobody_foresaw_is_told_in_the_same_shape(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    service = client.app.state.service  # type: ignore[attr-defined]
    monkeypatch.setattr(service, "find", lambda *args: 1 / 0)
    answer = client.post(f"{API}/libraries/films/search", json={"text": "a car"})
    assert (answer.status_code, error(answer)["code"]) == (500, "unforeseen")


def test_more_than_may_wait_is_told_to_come_again(serve: Serve):
    client = serve(bounds={"queued": 1, "waiting": 1}, clicks=1)
    service = client.app.state.service  # type: ignore[attr-defined]
    service.pool.stop()
    asked = {"video": "road.mp4", "text": "a car"}
    assert client.post(f"{API}/track_objects", json=asked).status_code == 202
    full = client.post(f"{API}/track_objects", json=asked)
    assert (full.status_code, error(full)["code"]) == (429, "too_many")
    assert full.headers["retry-after"]
    service.clicks._inside = 2
    busy = client.post(f"{API}/libraries/films/search", json={"text": "a car"})
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "2")


def test_a_request_takes_no_longer_than_it_may(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    import time

    client = serve(bounds={"click_s": 0.1})
    service = client.app.state.service  # type: ignore[attr-defined]
    monkeypatch.setattr(service, "find", lambda *args: time.sleep(1))
    slow = client.post(f"{API}/libraries/films/search", json={"text": "a car"})
    assert (slow.status_code, error(slow)["code"]) == (503, "too_slow")


def test_the_state_of_a_server_is_for_its_user_alone(client: TestClient):
    folder = client.app.state.service.settings.state_folder  # type: ignore[attr-defined]
    assert os.stat(folder).st_mode & 0o077 == 0
    assert os.stat(folder / "serving.sqlite").st_mode & 0o077 == 0
