"""What can be asked of a server, against the Python API on the same library."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.unit.serving.conftest import ended

from seektrack import Prompt, read, segment_frame, track_objects
from seektrack.outputs import load_tracks
from seektrack.pipeline import Library
from seektrack.serving.wire import hit_of, moment_of, observation_of
from seektrack.video import open_video

BOX = [30.0, 30.0, 90.0, 80.0]
API = "/api/v1"


@pytest.fixture(scope="module")
def road(served: TestClient, films: Path) -> str:
    named = served.post(f"{API}/videos", json={"video": "road.mp4"})
    assert named.status_code == 200
    return str(named.json()["id"])


def test_a_search_gives_what_the_library_gives_and_how_it_read_the_question(
    served: TestClient, indexed: Path
):
    asked = {"text": "two red cars moving left -night", "min_confidence": 0.0, "k": 3}
    answer = served.post(f"{API}/libraries/films/search", json=asked).json()
    with Library(indexed) as library:
        found = library.search(asked["text"], min_confidence=0.0, k=3)
    assert [moment_of(one) for one in answer["results"]] == list(found) and found
    assert answer["notices"] == list(found.notices)
    assert "moves: left" in answer["explained"]
    assert answer["query"]["groups"][0][0]["category"] == read(asked["text"]).concepts[0].category


def test_hits_and_pictures_like_one_give_what_the_library_gives(
    served: TestClient, indexed: Path, films: Path
):
    answer = served.post(f"{API}/libraries/films/hits", json={"text": "a red car", "min_confidence": 0.0})
    image = open_video(films / "road.mp4").frame_at(0).image
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    alike = served.post(
        f"{API}/libraries/films/similar",
        params={"k": 2, "min_confidence": 0},
        content=out.getvalue(),
        headers={"content-type": "application/octet-stream"},
    )
    with Library(indexed) as library:
        assert [hit_of(one) for one in answer.json()["results"]] == list(
            library.hits("a red car", min_confidence=0.0)
        )
        assert [hit_of(one) for one in alike.json()["results"]] == list(
            library.similar(image, k=2, min_confidence=0)
        )


def test_mistyped_words_are_put_right_where_asked(served: TestClient):
    asked = {"text": "a red caar", "min_confidence": 0.0}
    as_typed = served.post(f"{API}/libraries/films/search", json=asked).json()
    right = served.post(f"{API}/libraries/films/search", json=asked | {"correct": True}).json()
    assert (as_typed["asked"], as_typed["query"]["typed"]) == ("a red caar", "a red caar")
    assert (right["typed"], right["asked"], right["query"]["typed"]) == (
        "a red caar",
        "a red car",
        "a red car",
    )


def test_the_videos_of_a_library_are_told_with_ids_that_lead_to_their_frames(served: TestClient, films: Path):
    listed = served.get(f"{API}/libraries/films/videos").json()
    assert listed["total"] == 2
    one = listed["videos"][0]
    assert served.get(f"{API}/videos/{one['id']}").json()["video"] == one["video"] == str(films / "road.mp4")
    png = served.get(f"{API}/videos/{one['id']}/frames/3.png")
    shown = np.asarray(Image.open(io.BytesIO(png.content)))
    with open_video(films / "road.mp4") as source:
        assert (shown == source.frame_at(3).image).all()
        times = served.get(f"{API}/videos/{one['id']}/times").json()["times"]
        assert times == [float(t) for t in source.times()]


def test_a_thumbnail_is_small_and_not_sent_twice(served: TestClient, road: str):
    first = served.get(f"{API}/videos/{road}/thumbnail", params={"time_s": 0.3, "width": 48})
    assert Image.open(io.BytesIO(first.content)).width == 48
    again = served.get(
        f"{API}/videos/{road}/thumbnail",
        params={"time_s": 0.3, "width": 48},
        headers={"if-none-match": first.headers["etag"]},
    )
    assert (again.status_code, again.content) == (304, b"")


def test_a_film_is_given_in_ranges_and_a_stretch_of_it_as_mp4(served: TestClient, road: str, films: Path):
    whole = (films / "road.mp4").read_bytes()
    part = served.get(f"{API}/videos/{road}/file", headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    for asked, status in (("bytes=99999999-", 416), ("bytes=all", 400)):
        refused = served.get(f"{API}/videos/{road}/file", headers={"range": asked})
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, "bad_range")
        assert refused.headers["content-range"] == f"bytes */{len(whole)}"
    cut = served.get(f"{API}/videos/{road}/stretch", params={"start_s": 0.2, "end_s": 0.6})
    path = films.parent / "cut.mp4"
    path.write_bytes(cut.content)
    with open_video(path) as source:
        assert len(source.times()) == 3  # of 8 frames a second, those at 0.25, 0.375 and 0.5


def test_pointing_at_an_object_gives_the_mask_that_following_begins_with(
    served: TestClient, road: str, films: Path
):
    prompts = [
        {"obj_id": 7, "frame_index": 2, "box": BOX},
        {"obj_id": 9, "frame_index": 2, "points": [[60, 60]]},
    ]
    answer = served.post(f"{API}/segment", json={"video": road, "prompts": prompts}).json()
    frame = answer["frames"][0]
    got = {o["obj_id"]: observation_of(o, frame["frame_index"], frame["time_s"]) for o in frame["objects"]}
    asked = [
        Prompt(7, 2, box=(BOX[0], BOX[1], BOX[2], BOX[3])),
        Prompt(9, 2, points=np.array([[60.0, 60.0]]), point_labels=np.array([1])),
    ]
    assert got == segment_frame(films / "road.mp4", asked)
    alone = track_objects(films / "road.mp4", prompts=asked[:1])
    begun = alone.tracks[0].at(2)
    assert begun is not None and begun.mask is not None and got[7].mask is not None
    assert begun.mask.iou(got[7].mask) > 0.95


def test_following_is_a_job_whose_tracks_are_those_of_track_objects(served: TestClient, films: Path):
    asked = {
        "video": "road.mp4",
        "prompts": [{"obj_id": 3, "box": BOX, "label": "car"}],
        "output_format": "coco",
    }
    taken = served.post(f"{API}/track_objects", json=asked)
    assert taken.status_code == 202 and taken.json()["state"] in ("queued", "running")
    job = ended(served, taken.json())
    assert job["state"] == "done", job
    one = job["result"]["tracks"][0]
    local = track_objects(films / "road.mp4", prompts=[Prompt(3, 0, box=(30, 30, 90, 80), label="car")])
    exported = served.get(f"{API}/tracks/{one['id']}/export", params={"format": "json"})
    path = films.parent / "exported.json"
    path.write_bytes(exported.content)
    assert load_tracks(path) == local
    coco = served.get(f"{API}/jobs/{job['id']}/result").json()
    assert coco["annotations"] and coco["categories"][0]["name"] == "car"
    masks = served.get(f"{API}/tracks/{one['id']}/masks", params={"start": 1, "count": 2, "obj_id": 3}).json()
    assert [frame["frame_index"] for frame in masks["frames"]] == [1, 2]
    seen = observation_of(masks["frames"][0]["objects"][0], 1, masks["frames"][0]["time_s"])
    assert seen == local.tracks[0].at(1)
    told = served.get(f"{API}/tracks/{one['id']}").json()
    assert told["objects"][0]["spans"][0]["first_frame"] == 0
    davis = served.get(f"{API}/tracks/{one['id']}/export", params={"format": "davis"})
    names = zipfile.ZipFile(io.BytesIO(davis.content)).namelist()
    assert len([name for name in names if name.endswith(".png")]) == 6


def test_a_job_is_told_as_it_goes(served: TestClient):
    asked = {"video": "street.mp4", "prompts": [{"obj_id": 1, "box": BOX}]}
    job = served.post(f"{API}/track_objects", json=asked).json()
    with served.stream("GET", f"{API}/jobs/{job['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert told[-1]["state"] == "done"
    stages = {one["progress"]["stage"] for one in told if one["progress"]}
    assert stages, told
