"""Live streams over the wire: only those named at the start, each frame with its masks, alerts not missed."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.unit.serving.conftest import Serve

from seektrack import InputError
from seektrack.serving.settings import read_streams
from seektrack.serving.streams import PICTURES
from seektrack.types import Mask

AT = "/api/v1/streams/door"


def until(client: Any, states: tuple[str, ...], *, seconds: float = 240) -> dict[str, Any]:
    """The stream once it is in one of some states."""
    ends = time.monotonic() + seconds
    while True:
        now: dict[str, Any] = client.get(AT).json()
        if now["state"] in states or time.monotonic() > ends:
            return now
        time.sleep(0.2)


def test_a_stream_is_followed_with_masks_and_alerts_to_its_end(serve: Serve, films: Path):
    client = serve(streams={"door": str(films / "road.mp4")})
    assert client.get("/api/v1/about").json()["streams"] == ["door"]
    assert client.get("/api/v1/streams").json()["streams"][0]["state"] == "stopped"
    begun = client.post(f"{AT}/start", json={"text": "a red car", "min_confidence": 0.0})
    assert begun.status_code == 202, begun.text
    again = client.post(f"{AT}/start", json={"text": "a dog"})
    assert again.status_code in (202, 409)
    now = until(client, ("ended", "failed"))
    assert now["state"] == "ended", now["error"]
    frame = now["frame"]
    assert frame["dropped"] >= 0 and frame["latency_s"] > 0
    shown = client.get(f"{AT}/frames/{frame['frame_index']}.jpg")
    assert Image.open(io.BytesIO(shown.content)).size == (frame["width"], frame["height"])
    for one in frame["objects"]:
        assert one["label"] == "a red car"
        if one["mask"] is not None:
            assert Mask.from_coco(one["mask"]).to_array().shape == (frame["height"], frame["width"])
    appeared = [alert for alert in now["alerts"] if alert["kind"] == "appeared"]
    assert len(appeared) == len({alert["text"] for alert in appeared})
    assert {f"a red car {one['obj_id']} appeared" for one in frame["objects"]} <= {
        alert["text"] for alert in appeared
    }
    assert client.get(f"{AT}/frames/{frame['frame_index'] + PICTURES}.jpg").status_code == 404


def test_a_stream_that_cannot_be_opened_says_why(serve: Serve, tmp_path: Path):
    client = serve(streams={"door": str(tmp_path / "no.mp4")})
    client.post(f"{AT}/start", json={"text": "a red car"}).raise_for_status()
    now = until(client, ("ended", "failed"))
    assert now["state"] == "failed"
    assert "no.mp4" in now["error"]["message"]
    assert client.post(f"{AT}/stop").json()["state"] == "failed"


def test_nothing_is_opened_that_was_not_named_at_the_start(serve: Serve):
    client = serve()
    assert client.get("/api/v1/streams").json() == {"streams": []}
    for name in ("door", "rtsp:somewhere", "0"):
        answer = client.post(f"/api/v1/streams/{name}/start", json={"text": "a red car"})
        assert answer.status_code == 404
    assert "serve --stream" in client.get(AT).json()["error"]["hint"]


def test_a_stream_takes_no_setting_that_needs_later_frames(serve: Serve, films: Path):
    client = serve(streams={"door": str(films / "road.mp4")})
    for word, value in (("fuse", 1), ("amodal", True)):
        answer = client.post(f"{AT}/start", json={"text": "a red car", word: value})
        assert answer.status_code == 422
        assert f"{word} looks at later frames" in answer.json()["error"]["message"]


def test_streams_are_named_once_and_with_an_address():
    assert read_streams(["door=rtsp://host/1?a=b", "cam=0"]) == {"door": "rtsp://host/1?a=b", "cam": "0"}
    for wrong in (["door"], ["=0"], ["door="], ["a/b=0"], ["a=0", "a=1"]):
        with pytest.raises(InputError):
            read_streams(wrong)
