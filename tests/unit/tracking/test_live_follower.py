"""Following a stream frame by frame: what is shown, what is told, and that nothing kept grows with time."""

from __future__ import annotations

import json
from fractions import Fraction

import cv2
import numpy as np
import pytest

from seektrack.cli import main
from seektrack.outputs import load_tracks
from seektrack.pipeline import track_live
from seektrack.pipeline.models import Models
from seektrack.query import read
from seektrack.tracking import FollowSettings
from seektrack.tracking.engine import Sam2Engine
from seektrack.tracking.follow import open_eyes
from seektrack.tracking.live import KEPT_S, LiveFollower
from seektrack.types import Frame, Prompt, VideoInfo
from seektrack.video import VideoWriter, open_video

FPS, HW = 10, (96, 160)
INFO = VideoInfo("stream", HW[1], HW[0], Fraction(FPS))


def by_text(world, encoder, text="red boxes"):
    settings = FollowSettings()
    concepts = tuple(read(text).concepts)
    finds, eyes = open_eyes(world, encoder, concepts, settings)
    return LiveFollower(world, INFO, settings=settings, finds=finds, eyes=eyes, concepts=concepts)


def test_what_a_text_names_is_shown_and_a_newcomer_too(make_world, make_thing, encoder):
    n = 40
    late = make_thing("red", 150, 70, -3, n, absent=range(15))
    world = make_world([make_thing("red", 20, 30, 3, n), late, make_thing("blue", 30, 50, 1, n)])
    follower = by_text(world, encoder)
    counts = [len(follower.step(frame).objects) for frame in world.source]
    assert counts[2] == 1 and counts[-1] == 2 and max(counts) == 2


def test_what_is_pointed_at_on_the_first_picture_is_followed(make_world, make_thing):
    world = make_world([make_thing("red", 20, 30, 2, 20), make_thing("blue", 60, 60, 1, 20)])
    follower = LiveFollower(
        world,
        INFO,
        settings=FollowSettings(),
        prompts=[Prompt(7, 3, box=(9.0, 22.0, 31.0, 38.0), label="it")],
    )
    seen = [follower.step(frame) for frame in world.source]
    assert all([t.obj_id for t, _ in one.objects] == [7] for one in seen)
    assert seen[-1].objects[0][1].box[0] > 40


def test_nothing_that_is_kept_grows_with_time(make_world, make_thing, encoder):
    n = 200
    xs = 80 + 50 * np.sin(np.arange(n) / 9)
    mover = make_thing("red", 0, 30, 0, n)
    mover.xs = xs
    world = make_world([mover, make_thing("blue", 60, 70, 0, n)])
    follower = by_text(world, encoder)
    sizes = []
    for frame in world.source:
        follower.step(frame)
        record, looks = follower.record, follower._onlooker.looks
        sizes.append(
            sum(map(len, record.observations.values()))
            + sum(map(len, record.looks.values()))
            + len(record.frame_times)
            + len(follower._camera.to_first)
            + len(follower._looks.reasons)
            + sum(map(len, looks.sights.values()))
            + len(looks.steps)
        )
    most = KEPT_S * FPS
    assert max(sizes[100:]) <= max(sizes[60:100]) + 3
    assert len(follower.record.frame_times) <= most + 1


def test_a_loss_is_told_once_and_soon(make_world, make_thing):
    n = 60
    world = make_world([make_thing("red", 40, 30, 1, n)], forget_after=0)
    world.blind = {(t, 0) for t in range(30, n)}
    follower = LiveFollower(
        world, INFO, settings=FollowSettings(), prompts=[Prompt(1, 0, box=(29.0, 22.0, 51.0, 38.0))]
    )
    told = [(frame.index, a) for frame in world.source for a in follower.step(frame).anomalies]
    assert [(a.kind, a.obj_id) for _, a in told] == [("lost", 1)]
    assert 30 <= told[0][1].first_frame <= 31 and told[0][0] <= 46


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A red disc on grey, going right: 12 pictures at 6 a second."""
    path = tmp_path_factory.mktemp("live") / "disc.mp4"
    ys, xs = np.mgrid[:64, :64]
    with VideoWriter(path, width=64, height=64, fps=6) as writer:
        for t in range(12):
            image = np.full((64, 64, 3), 120, np.uint8)
            image[(xs - 20 - 2 * t) ** 2 + (ys - 32) ** 2 < 100] = (220, 30, 30)
            writer.write(image)
    return path


def test_a_file_at_its_own_pace_through_the_pocket_network(film):
    prompt = Prompt(1, 0, box=(10.0, 22.0, 30.0, 42.0), label="disc")
    with track_live(film, prompts=[prompt], model=Models("pocket", resolution=128)) as tracking:
        results = list(tracking)
    assert tracking.seen == len(results) and tracking.seen + tracking.dropped == 12
    assert [r.frame.index for r in results] == sorted({r.frame.index for r in results})
    assert all(r.latency_s > 0 for r in results) and tracking.latency_s(0.5) <= tracking.latency_s(0.95)
    last = results[-1]
    (track, seen), index = last.objects[0], last.frame.index
    assert track.label == "disc" and abs(seen.centre[0] - (20 + 2 * index)) < 6


def test_the_command_tells_a_line_a_frame_that_is_read_back(film, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "track",
                str(film),
                "--live",
                "--box",
                "10,22,30,42@0",
                "--resolution",
                "128",
                "--filter",
                "gaussian",
                "--render",
                "matte",
                "--out",
                str(tmp_path),
            ]
        )
    assert not ended.value.code
    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert lines and all(
        {"frame_id", "time_s", "objects", "latency_s", "dropped"} <= set(one) for one in lines
    )
    assert "latency p50" in said.err
    (tmp_path / "frames.json").write_text(said.out)
    assert len(load_tracks(tmp_path / "frames.json")) == 1
    with open_video(tmp_path / "overlay.mp4") as overlay:
        drawn = list(overlay)
    assert len(drawn) == len(lines)
    assert all(np.minimum(f.image, 255 - f.image).mean() < 8 for f in drawn)  # white on black


@pytest.mark.parametrize(
    "arguments",
    [
        ["--live", "--detections", "x.txt"],
        ["--live", "--start", "1"],
        ["--live", "--format", "mot"],
        ["--live", "--report", "page.html"],
        ["--live", "--fuse", "1"],
        ["--live", "--amodal"],
        ["--live", "--box", "10,22,30,42@3"],
        ["--live", "--prompts", "later.txt"],
    ],
)
def test_what_does_not_go_with_a_stream_is_refused(film, arguments, capsys, tmp_path):
    (tmp_path / "x.txt").write_text("1,1,1,1,5,5,1,-1,-1,-1\n")
    (tmp_path / "later.txt").write_text("4,1,11,23,20,20,1,-1,-1,-1\n")
    given = [str(tmp_path / a) if a in ("x.txt", "later.txt", "page.html") else a for a in arguments]
    shown = {"--detections", "--box", "--prompts"} & set(arguments)
    text = [] if shown else ["--text", "a disc"]
    with pytest.raises(SystemExit) as ended:
        main(["track", str(film), *given, *text])
    assert ended.value.code
    assert "stream" in capsys.readouterr().err


def test_frames_of_a_stream_keep_their_numbers(make_world, make_thing):
    world = make_world([make_thing("red", 20, 30, 2, 20)])
    follower = LiveFollower(
        world, INFO, settings=FollowSettings(), prompts=[Prompt(1, 0, box=(9.0, 22.0, 31.0, 38.0))]
    )
    frames = list(world.source)
    seen = [follower.step(Frame(f.index, f.timestamp, f.image)) for f in (frames[0], frames[3], frames[9])]
    assert [o.frame_index for one in seen for _, o in one.objects] == [0, 3, 9]


@pytest.fixture(scope="module")
def pocket():
    return Sam2Engine(Models("pocket", resolution=128).sam2)


@pytest.mark.parametrize(("away_s", "light", "back"), [(1.0, 1.0, 3), (14.0, 0.85, 3), (1.0, 0.2, 0)])
def test_everyone_is_there_again_when_a_stream_was_away(pocket, away_s, light, back):
    """Through the pocket network: three discs that moved on, in other light; in the dark, nobody."""
    colours = [(220, 30, 30), (30, 60, 220), (240, 220, 40)]

    def places(t):
        return [(28 + 52 * k + 9 * np.sin(t + k), 48 + 20 * np.cos(t * 0.7 + k)) for k in range(3)]

    def frame(i):
        t = i / FPS + away_s * (i >= 12)
        image = np.full((*HW, 3), 120, np.uint8)
        for (x, y), colour in zip(places(t), colours, strict=True):
            cv2.circle(image, (round(x), round(y)), 11, colour, -1)
        image = (image * (light if i >= 12 else 1.0)).astype(np.uint8)
        return Frame(i, Fraction(t).limit_denominator(1000), image)

    boxes = [(x - 12, y - 12, x + 12, y + 12) for x, y in places(0)]
    prompts = [Prompt(k + 1, 0, box=box) for k, box in enumerate(boxes)]
    follower = LiveFollower(pocket, INFO, settings=FollowSettings(), prompts=prompts)
    for i in range(12):
        assert len(follower.step(frame(i)).objects) == 3
    follower.restart()
    seen = [follower.step(frame(i)) for i in range(12, 18)]
    assert not seen[0].objects
    assert len(seen[-1].objects) == back
    where = places(17 / FPS + away_s)
    for track, observed in seen[-1].objects:
        x, y = where[track.obj_id - 1]
        assert np.hypot(observed.centre[0] - x, observed.centre[1] - y) < 4
