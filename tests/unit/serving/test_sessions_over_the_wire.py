"""Sessions over the wire, against the same session in Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.unit.serving.conftest import Serve, ended

from seektrack import Correction, Prompt, open_session, start_session
from seektrack.outputs import load_tracks
from seektrack.serving.wire import frames_to_json

API = "/api/v1"
PROMPT = {"obj_id": 1, "frame_index": 0, "box": [30.0, 30.0, 90.0, 80.0]}
FIX = {"frame_index": 3, "obj_id": 1, "box": [40.0, 40.0, 80.0, 75.0]}


@pytest.fixture
def client(serve: Serve) -> TestClient:
    return serve()


def started(client: TestClient, **asked: Any) -> str:
    made = client.post(f"{API}/sessions", json={"video": "road.mp4", **asked})
    assert made.status_code == 201, made.text
    return f"{API}/sessions/{made.json()['id']}"


def test_a_session_is_followed_put_right_and_undone_as_in_python(
    client: TestClient, films: Path, tmp_path: Path
):
    at = started(client, prompts=[PROMPT])
    assert not client.get(at).json()["followed"]
    assert ended(client, client.post(f"{at}/follow").json())["state"] == "done"
    before = client.get(f"{at}/masks").json()
    fixed = client.post(f"{at}/corrections", json=FIX).json()
    assert client.get(at).json()["pending"] == [1]
    job = ended(client, client.post(f"{at}/propagate").json())
    assert job["state"] == "done", job
    after = client.get(f"{at}/masks").json()

    with start_session(
        films / "road.mp4", prompts=[Prompt(1, 0, box=(30, 30, 90, 80))], path=tmp_path / "own"
    ) as session:
        session.follow()
        frames = session.tracks.frame_indices
        assert before == json.loads(json.dumps(frames_to_json(session.tracks, frames)))
        made = session.correct(Correction(3, 1, box=(40, 40, 80, 75)))
        assert made.mask.to_coco() == fixed["mask"] and fixed["obj_id"] == 1
        for _ in session.propagate():
            pass
        assert after == json.loads(json.dumps(frames_to_json(session.tracks, frames)))
    assert after != before
    client.post(f"{at}/undo")
    assert client.get(f"{at}/masks").json() == before
    assert client.post(f"{at}/redo").json()["result"]["kind"] == "correct"
    exported = tmp_path / "exported.json"
    exported.write_bytes(client.get(f"{at}/export", params={"format": "json"}).content)
    assert frames_to_json(load_tracks(exported), frames) == after
    copy = tmp_path / "copy.session"
    copy.write_bytes(client.get(f"{at}/file").content)
    with open_session(copy) as session:
        assert frames_to_json(session.tracks, frames) == after


def test_the_masks_of_a_propagation_are_told_as_they_follow(client: TestClient):
    at = started(client, prompts=[PROMPT])
    ended(client, client.post(f"{at}/follow").json())
    client.post(f"{at}/corrections", json=FIX)
    number = 0
    job = ended(client, client.post(f"{at}/propagate").json())
    told: list[tuple[str, dict[str, Any]]] = []
    session_id = at.rpartition("/")[2]
    sessions = client.app.state.service.sessions  # type: ignore[attr-defined]
    found, missed = sessions.news.after(session_id, number)
    told = [(name, content) for _, name, content in found]
    assert job["state"] == "done" and not missed
    masks = [content for name, content in told if name == "mask"]
    assert masks and {one["obj_id"] for one in masks} == {1}
    now = {f["frame_index"]: f["objects"] for f in client.get(f"{at}/masks").json()["frames"]}
    for one in masks:
        assert [o["mask"] for o in now[one["frame_index"]]] == [one["mask"]]
    assert [content["pending"] for name, content in told if name == "session"][-1] == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux lists them")
def test_sessions_nobody_works_on_keep_no_decoder_and_answer_all_the_same(client: TestClient, films: Path):
    def opened() -> int:
        links = [one for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
        return sum(str(films) in str(one.readlink()) for one in links if one.is_symlink())

    before = opened()
    sessions = [started(client) for _ in range(7)]
    new = {name: FIX[name] for name in ("frame_index", "box")}
    first = [client.post(f"{at}/corrections", json=new).json()["mask"] for at in sessions]
    assert opened() - before <= 3 and first[0]["counts"]
    again = [client.post(f"{at}/corrections", json=new | {"frame_index": 4}).json() for at in sessions[:2]]
    assert again[0]["mask"] == again[1]["mask"]
    assert all(client.get(at).json()["can_undo"] for at in sessions)


def test_objects_are_added_renamed_merged_split_and_deleted(client: TestClient):
    at = started(client)
    new = client.post(
        f"{at}/corrections", json={"frame_index": 1, "positive": [[60.0, 60.0]], "label": "car"}
    ).json()
    other = client.post(f"{at}/corrections", json={"frame_index": 2, "box": [5.0, 5.0, 30.0, 25.0]}).json()
    assert new["obj_id"] != other["obj_id"]
    client.post(f"{at}/rename", json={"obj_id": other["obj_id"], "label": "tree"})
    labels = {o["obj_id"]: o["label"] for o in client.get(at).json()["objects"]}
    assert labels == {new["obj_id"]: "car", other["obj_id"]: "tree"}
    merged = client.post(f"{at}/merge", json={"obj_id": other["obj_id"], "into": new["obj_id"]}).json()
    assert [o["obj_id"] for o in merged["objects"]] == [new["obj_id"]]
    split = client.post(f"{at}/split", json={"obj_id": new["obj_id"], "frame_index": 2}).json()
    assert {o["obj_id"] for o in split["objects"]} == {new["obj_id"], split["result"]}
    gone = client.post(f"{at}/delete", json={"obj_id": split["result"]}).json()
    assert [o["obj_id"] for o in gone["objects"]] == [new["obj_id"]]
    assert [edit["kind"] for edit in gone["edits"]][-3:] == ["merge", "split", "delete"]


def test_a_session_of_a_result_and_one_that_is_removed(client: TestClient):
    job = ended(
        client, client.post(f"{API}/track_objects", json={"video": "road.mp4", "prompts": [PROMPT]}).json()
    )
    at = started(client, tracks=job["result"]["tracks"][0]["id"])
    assert client.get(at).json()["followed"] and client.get(at).json()["objects"]
    assert client.delete(at).status_code == 204
    assert client.get(at).status_code == 404
    assert client.get(f"{API}/sessions").json()["sessions"] == []


def test_what_cannot_be_done_to_a_session_is_said(client: TestClient):
    at = started(client)
    wrong = client.post(f"{at}/corrections", json={"frame_index": 99, "positive": [[1.0, 1.0]]})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "bad_prompt")
    assert client.post(f"{at}/undo").status_code == 422
    assert client.post(f"{at}/delete", json={"obj_id": 5}).json()["error"]["code"] == "bad_input"
    assert client.get(f"{API}/sessions/{'0' * 16}").status_code == 404
