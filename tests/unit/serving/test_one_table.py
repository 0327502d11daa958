"""What may be said of following is said at every door by the same words, of one table."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from tests.unit.serving.conftest import Serve, ended

import seektrack
from seektrack import Client, InputError, Prompt
from seektrack.cli import app
from seektrack.cli.own_defaults import keys_of
from seektrack.pipeline.follow_words import (
    ANOMALIES,
    FLOW,
    PRECISION,
    PROPAGATION,
    REFINE,
    REMEMBER,
    FollowWords,
)
from seektrack.segmentation import PropagationSettings, RefineSettings
from seektrack.serving.schemas import NOT_TAKEN, SearchAndTrackAsked, SessionAsked, TrackAsked
from seektrack.tracking import Detection, EngineSettings, FollowSettings, IdentitySettings
from seektrack.tracking.depth import parse_depth

BOX = (30.0, 30.0, 90.0, 80.0)
OTHER_NAMES = {
    "start": "start_s",
    "end": "end_s",
    "filter": "filters",
    "template": "templates",
    "format": "formats",
    "render": "overlay",
    "no_overlay": "overlay",
    "point": "prompts",
    "box": "prompts",
}
"""Options of ``track`` whose key in a request is another."""
OF_THE_COMMAND = {
    *{"out", "quiet", "json", "explain", "fresh", "library", "top", "tracks", "correct", "edit", "undo"},
    *{"live", "patience", "send"},  # streams have a door of their own
}
"""Options that say what the command does, not how a video is followed."""


def test_every_option_of_track_is_taken_or_refused_with_a_reason():
    command: Any = typer.main.get_command(app)
    context = typer.Context(command)
    options = {key.replace("-", "_") for key in keys_of(command.get_command(context, "track"))}
    asked = {OTHER_NAMES.get(name, name) for name in options - OF_THE_COMMAND}
    assert asked - set(TrackAsked.model_fields) == set(NOT_TAKEN)
    assert set(FollowWords.names()) <= options


@pytest.mark.parametrize("schema", [TrackAsked, SearchAndTrackAsked, SessionAsked])
def test_requests_have_the_words_of_the_table_with_its_defaults(schema: Any):
    usual = asdict(FollowWords())
    assert {name: schema.model_fields[name].default for name in usual} == usual
    for name, allowed in (
        ("propagation", PROPAGATION),
        ("flow", FLOW),
        ("remember", REMEMBER),
        ("refine", REFINE),
        ("precision", PRECISION),
        ("anomalies", ANOMALIES),
    ):
        assert set(allowed) <= set(str(schema.model_fields[name].annotation).replace("'", " ").split(" "))


@pytest.mark.parametrize(
    "words",
    [
        FollowWords(),
        FollowWords(amodal=True, fuse=2, anomalies="tell", post="none"),
        FollowWords(propagation="hybrid", every=3, refine="roi", exclusive=True, predictor="lstm"),
        FollowWords(mask_threshold=0.5, min_object_score=0.2, remember="all", anomalies="off"),
    ],
)
def test_settings_are_said_in_words_and_mean_the_same_again(words: FollowWords):
    settings = words.settings() or FollowSettings()
    assert (FollowWords.of(settings).settings() or FollowSettings()) == settings


def test_depth_is_said_by_its_folder_or_network(there: Client, films: Path):
    maps = films / "maps"
    maps.mkdir(exist_ok=True)
    for n in range(6):
        np.save(maps / f"{n:03}.npy", np.full((8, 8), 2.0, np.float32))
    asked = FollowSettings(depth=parse_depth(str(maps)))
    said = FollowWords.of(asked).settings()
    assert said is not None and said.depth == asked.depth
    here = seektrack.track_objects(films / "road.mp4", prompts=[Prompt(1, 0, box=BOX)], settings=asked)
    assert there.track_objects(films / "road.mp4", prompts=[Prompt(1, 0, box=BOX)], settings=asked) == here
    network = FollowSettings(depth=parse_depth("hf:somebody/depth"))
    assert FollowWords.of(network).depth == "hf:somebody/depth"
    with pytest.raises(InputError, match="'hf:somebody/depth' is not served"):
        there.track_objects(films / "road.mp4", prompts=[Prompt(1, 0, box=BOX)], settings=network)
    with pytest.raises(InputError, match=r"settings\.depth cannot be said"):
        FollowWords.of(FollowSettings(depth=lambda frame: None))


def test_what_has_no_words_is_named():
    odd = replace(FollowSettings(), identity=IdentitySettings(share=not IdentitySettings().share))
    with pytest.raises(InputError, match=r"settings\.identity\.share cannot be said to a server"):
        FollowWords.of(odd)
    usual = FollowSettings(
        engine=EngineSettings(
            propagation=PropagationSettings(mode="flow"), refine=RefineSettings(method="tiles")
        )
    )
    assert FollowWords.of(usual).propagation == "flow"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"device": "cuda"}, "device is not taken by a server: it has its own"),
        ({"depth": "hf:somebody/depth"}, "depth network 'hf:somebody/depth' is not served"),
        ({"grounder": "hf:somebody/detector"}, "grounder 'hf:somebody/detector' is not served"),
        ({"translate": "somebody/translator"}, "translator 'somebody/translator' is not served"),
        ({"depth": "/etc"}, "below the roots"),
        ({"predictor": "/etc"}, "below the roots"),
        ({"detections": "/etc/passwd", "text": None}, "below the roots"),
        ({"post": "melt"}, "a step of post cannot be 'melt'"),
        ({"refine": "hard"}, "refine"),
        ({"fuse": 99}, "fuse"),
    ],
)
def test_what_is_not_taken_says_so_in_one_line(serve: Serve, given: dict[str, Any], reason: str):
    answer = serve().post("/api/v1/track_objects", json={"video": "road.mp4", "text": "a red car", **given})
    assert 400 <= answer.status_code < 500
    error = answer.json()["error"]
    assert reason in error["message"]
    assert "\n" not in error["message"]


def test_a_job_follows_as_it_was_told(serve: Serve, films: Path):
    client = serve()
    prompts = [{"obj_id": 1, "frame_index": 0, "box": list(BOX)}]
    plain = FollowWords(post="none", mask_threshold=1.5)
    asked = {"video": "road.mp4", "prompts": prompts, **asdict(plain)}
    job = client.post("/api/v1/track_objects", json=asked).json()
    while job["state"] in ("queued", "running"):
        job = ended(client, job)
    assert job["state"] == "done", job["error"]
    told = client.get(f"/api/v1/tracks/{job['result']['tracks'][0]['id']}/masks").json()
    here = seektrack.track_objects(
        films / "road.mp4", prompts=[Prompt(1, 0, box=BOX)], settings=plain.settings()
    )
    for frame in told["frames"]:
        for one in frame["objects"]:
            seen = here[0].at(frame["frame_index"])
            assert seen is not None and one["mask"] == (seen.mask and seen.mask.to_coco())


@pytest.fixture(scope="module")
def there(live: str) -> Any:
    with Client(live) as client:
        yield client


def test_the_client_takes_settings_and_detections_as_the_package_does(
    there: Client, films: Path, tmp_path: Path
):
    settings = FollowSettings(amodal=True, engine=EngineSettings(post=""), repair=False)
    prompts = [Prompt(1, 0, box=BOX)]
    film = films / "road.mp4"
    here = seektrack.track_objects(film, prompts=prompts, settings=settings)
    assert there.track_objects(film, prompts=prompts, settings=settings) == here
    boxes = {n: [Detection((30.0 + n, 30, 90 + n, 80), score=0.9, label="car")] for n in range(6)}
    here = seektrack.track_objects(film, detections=boxes, tracker="sort")
    assert there.track_objects(film, detections=boxes, tracker="sort") == here
    file = tmp_path / "det.txt"
    file.write_text("".join(f"{n + 1},-1,{31 + n},31,60,50,0.9,-1,-1,-1\n" for n in range(6)))
    here = seektrack.track_objects(film, detections=file, tracker="sort")
    assert len(here) == 1
    assert there.track_objects(film, detections=file, tracker="sort") == here
    with pytest.raises(InputError, match=r"settings\.size_ratio cannot be said"):
        there.track_objects(film, prompts=prompts, settings=FollowSettings(size_ratio=3))


def test_a_session_is_written_here(there: Client, films: Path, tmp_path: Path):
    session = there.start_session(films / "road.mp4", prompts=[Prompt(1, 0, box=BOX)])
    session.follow()
    tracks = session.write(tmp_path / "out", formats=["json", "mot"])
    assert tracks == session.tracks
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "tracks.json",
        "tracks.mot.txt",
        "overlay.mp4",
    }
    seen = tracks[0].at(0)
    assert seen is not None and seen.mask is not None
    assert np.asarray(seen.mask.to_array()).any()
