"""What goes wrong while following: one line each, or a valid result that says why; by the public door."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from seektrack import InputError, QueryError, VideoError, track_objects
from seektrack.cli import main
from seektrack.evaluation.footage import write_footage
from seektrack.grounding import GroundSettings
from seektrack.outputs import load_tracks
from seektrack.pipeline import Models
from seektrack.tracking import Detection, FollowSettings
from seektrack.video import open_video
from seektrack.video.source import Picture, VideoSource
from seektrack.video.wrapped import WrappedSource
from seektrack.world import SceneSettings, Split, seeds

QUICK = FollowSettings(both_ways=False, ground=GroundSettings(min_confidence=0.3, points_per_side=10))


@pytest.fixture(scope="module")
def models() -> Models:
    return Models("pocket", device="cpu")


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pink robot, alone, for half a second."""
    settings = SceneSettings(
        n_frames=4, cast=(("robot", "pink"),), actors=(0, 0), street_only=True, occluders=0,
        look_alikes=0.0, object_size=(40.0, 50.0), texture=0.0, rough=0.0,
    )  # fmt: skip
    return write_footage(tmp_path_factory.mktemp("robot"), seeds(Split.TEST, 1, start=7100), settings)[0].path


@pytest.fixture(scope="module")
def frames(robot: Path) -> np.ndarray:
    with open_video(robot) as source:
        return np.stack([frame.image for frame in source])


def test_nothing_matches_is_a_valid_result_that_says_why(robot: Path, models: Models, tmp_path: Path):
    tracks = track_objects(
        robot, "a green boat", model=models, settings=QUICK, out=tmp_path / "out", overlay=False
    )
    assert len(tracks) == 0 and len(tracks.frame_times) == 4
    (why,) = tracks.missed
    assert why.label == "a green boat" and why.reason and why.hint
    read = load_tracks(tmp_path / "out" / "tracks.json")
    assert len(read) == 0 and read.missed[0].stage == why.stage
    assert read.frame_times == tracks.frame_times


@pytest.mark.parametrize("text", ["", "  ", []])
def test_an_empty_text_is_refused_before_anything_is_computed(text, robot: Path):
    with pytest.raises(QueryError):
        track_objects(robot, text, model="pocket")


def test_one_frame_is_a_video(frames: np.ndarray, models: Models):
    (track,) = track_objects(frames[:1], "a pink robot", model=models, settings=QUICK)
    assert [o.frame_index for o in track.observations] == [0]
    given = {0: [Detection((20.0, 30.0, 60.0, 90.0), None, 0.9)]}
    (track,) = track_objects(frames[:1], detections=given, model=models)
    assert track.observations[0].box == (20.0, 30.0, 60.0, 90.0)


def test_a_picture_size_that_changes_on_the_way_is_followed_on(frames, models: Models, tmp_path: Path):
    """As a stream does that adapts to the line: half the size from the third frame on."""
    path = tmp_path / "changes.ts"
    with path.open("wb") as file:
        for images, scale in ((frames[:2], 1), (frames[2:], 2)):
            part = tmp_path / f"part{scale}.ts"
            with av.open(str(part), "w", format="mpegts") as container:
                stream = container.add_stream("libx264", rate=8, options={"bf": "0", "crf": "12"})
                height, width = images.shape[1] // scale, images.shape[2] // scale
                stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
                for n, image in enumerate(images):
                    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[::scale, ::scale]))
                    picture.pts, picture.time_base = n + 2 * (scale - 1), Fraction(1, 8)
                    container.mux(stream.encode(picture))
                container.mux(stream.encode(None))
            file.write(part.read_bytes())
    tracks = track_objects(path, "a pink robot", model=models, settings=QUICK)
    assert len(tracks) == 1
    sizes = {o.mask.size for o in tracks[0].observations if o.mask is not None}
    assert sizes == {frames.shape[1:3]} == {tracks.video.hw}
    assert {o.frame_index for o in tracks[0].observations if o.visible} >= {0, 1, 2}
    boxes = np.array([o.box for o in tracks[0].observations if o.visible])
    assert np.abs(boxes - boxes[0]).max() < 30


class Lying(WrappedSource):
    """Says it has more frames than it gives."""

    def __init__(self, source: VideoSource, says: int) -> None:
        super().__init__(source, info=source.info)
        self.says = says

    def len_frames(self) -> int:
        return self.says

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        return super()._pictures_from(first)


@pytest.mark.parametrize("says", [2, 400])
def test_a_source_that_lies_about_its_length_is_followed_to_its_end(says: int, frames, models: Models):
    calls: list[tuple[int, int, str]] = []
    source = Lying(open_video(frames, fps=8), says)
    tracks = track_objects(
        source, "a pink robot", model=models, settings=QUICK, progress=lambda *c: calls.append(c)
    )
    assert len(tracks) == 1 and sorted(tracks.frame_times) == [0, 1, 2, 3]
    assert [c[0] for c in calls if c[2] == "forward"] == [1, 2, 3, 4]


def test_a_stream_that_stalls_is_given_up_with_one_line(
    robot: Path, models: Models, monkeypatch, capsys, tmp_path: Path
):
    """It sends half of a film and then nothing more, for ever."""
    monkeypatch.setattr("seektrack.video.how.STREAM_TIMEOUT_S", 0.4)
    data = robot.read_bytes()
    server = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            held.append(client)
            client.recv(4096)
            head = f"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {len(data)}\r\n\r\n"
            client.sendall(head.encode() + data[: len(data) // 2])

    threading.Thread(target=serve, daemon=True).start()
    address = f"http://127.0.0.1:{server.getsockname()[1]}/film.mp4"
    try:
        with pytest.raises(VideoError):
            track_objects(address, "a pink robot", model=models)
        with pytest.raises(SystemExit) as ended:
            main(["track", address, "--text", "a pink robot", "--out", str(tmp_path / "o"), "--json"])
    finally:
        server.close()
        for client in held:
            client.close()
    assert ended.value.code == 3
    err = capsys.readouterr().err
    told = json.loads(err[err.index("{") :])
    assert address in told["error"]["message"] and "\n" not in told["error"]["message"]
    assert not (tmp_path / "o").exists()


def test_detections_that_are_none_are_refused(frames, models: Models):
    with pytest.raises(InputError, match="no detection lies on a frame that is shown"):
        track_objects(frames, detections={}, model=models)
    with pytest.raises(InputError, match="give one of"):
        track_objects(frames, "a car", detections={0: []}, model=models)
