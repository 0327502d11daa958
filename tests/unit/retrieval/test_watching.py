"""Standing queries against a stream whose truth the test drew: colours that come, stay and go."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seektrack.cli import main
from seektrack.encoders import Vocabulary, register_encoder, registry
from seektrack.errors import InputError, QueryError
from seektrack.pipeline import watch
from seektrack.retrieval.live import Watch, WatchSettings
from seektrack.video import VideoWriter, open_video

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "grey": (90, 90, 90)}


class ColourEncoder:
    """Knows four colours, each a direction; a picture lies in that of its mean colour."""

    name, dim, fingerprint, logit_scale, image_size = "colours", 4, "colours-1", 60.0, 8
    vocabulary = Vocabulary(labels=("red", "green", "blue"), background=("grey",))

    def __init__(self, slow_s: float = 0.0) -> None:
        self.slow_s = slow_s

    def embed_images(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int = 32
    ) -> NDArray[np.float32]:
        time.sleep(self.slow_s)
        means = np.stack([image.reshape(-1, 3).mean(0) for image in images])
        apart = np.stack([np.linalg.norm(means - c, axis=1) for c in COLOURS.values()], axis=1)
        return np.eye(4, dtype=np.float32)[apart.argmin(1)]

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        rows = [[float(colour in text) for colour in COLOURS] for text in texts]
        return np.array([r if any(r) else [0.5] * 4 for r in rows], np.float32)


def footage(path: Path, *spans: tuple[str, float], fps: int = 10) -> Path:
    with VideoWriter(path, width=64, height=48, fps=fps, crf=8) as writer:
        for colour, seconds in spans:
            for _ in range(round(seconds * fps)):
                writer.write(np.full((48, 64, 3), COLOURS[colour], np.uint8))
    return path


def alerts(path: Path, queries: Sequence[str], **settings: float) -> list[tuple[str, float]]:
    watching = Watch(
        open_video(path).pictures(),
        queries,
        encoder=ColourEncoder(),
        settings=WatchSettings(**settings),  # type: ignore[arg-type]
    )
    return [(a.query, a.frame.time_s) for a in watching]


def test_one_alert_a_visit_at_its_first_frame(tmp_path: Path) -> None:
    path = footage(tmp_path / "a.mp4", ("grey", 1), ("red", 2), ("grey", 4), ("red", 1), ("blue", 1))
    found = alerts(path, ["red", "blue", "green"], leave_s=2)
    assert [q for q, _ in found] == ["red", "red", "blue"]
    assert [t for _, t in found] == pytest.approx([1.0, 7.0, 8.0], abs=0.35)
    assert all(t >= start for (_, t), start in zip(found, (1.0, 7.0, 8.0), strict=True)), "told too early"


def test_a_short_absence_is_one_visit_and_repeating_is_on_request(tmp_path: Path) -> None:
    path = footage(tmp_path / "a.mp4", ("red", 2), ("grey", 1), ("red", 3))
    assert len(alerts(path, ["red"], leave_s=2)) == 1
    assert len(alerts(path, ["red"], leave_s=0.5)) == 2
    repeated = [t for _, t in alerts(path, ["red"], repeat_s=1.0)]
    assert len(repeated) >= 4
    assert all(b - a >= 1.0 for a, b in itertools.pairwise(repeated))


def test_what_must_not_show_keeps_it_quiet(tmp_path: Path) -> None:
    path = footage(tmp_path / "a.mp4", ("red", 2))
    assert alerts(path, ["red -red"]) == []


def test_settings_and_queries_are_checked(tmp_path: Path) -> None:
    for wrong in ({"threshold": 0.0}, {"threshold": 1.2}, {"leave_s": -1.0}, {"repeat_s": -1.0}):
        with pytest.raises(InputError):
            WatchSettings(**wrong)  # type: ignore[arg-type]
    for queries in ([], "red"):
        with pytest.raises(InputError, match="several texts"):
            Watch([], queries, encoder=ColourEncoder())
    with pytest.raises(QueryError):
        Watch([], ["  "], encoder=ColourEncoder())


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    register_encoder("colours")(lambda *, device, dtype: ColourEncoder(slow_s=0.1))


def test_slow_looking_drops_pictures_and_latency_stays_bounded(colours: None, tmp_path: Path) -> None:
    path = footage(tmp_path / "a.mp4", ("grey", 0.5), ("red", 1.5), fps=40)
    with watch(path, ["red"], model="colours", regions="none", sampling="every=1", realtime=True) as watching:
        [alert] = list(watching)
    assert watching.dropped > 20
    assert watching.seen < 40
    assert alert.latency_s >= 0.1
    assert max(watching.latencies_s) < 5 * 0.1 + 1.0, "a queue grew"
    unhurried = watch(path, ["red"], model="colours", regions="none", sampling="every=8")
    assert len(list(unhurried)) == 1
    assert (unhurried.seen, unhurried.dropped) == (10, 0)


def test_pictures_are_filtered_before_they_are_looked_at(colours: None, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    stripes = np.zeros((48, 64, 3), np.uint8)
    stripes[:, ::2] = COLOURS["red"]
    with VideoWriter(path, width=64, height=48, fps=10, crf=8) as writer:
        for _ in range(4):
            writer.write(stripes)

    def stripe(filters: str | None) -> float:
        with watch(
            path, ["red", "grey"], model="colours", regions="none", sampling="every=1", filters=filters
        ) as watching:
            [first, *_] = watching
        return float(first.frame.image[..., 0].std())

    assert stripe("gaussian=4") < 0.5 * stripe(None)
    with pytest.raises(InputError, match="unknown filter 'sharpen'"):
        watch(path, ["red"], model="colours", filters="sharpen")


def test_the_command_prints_a_line_of_json_per_match_and_saves_frames(
    colours: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = footage(tmp_path / "a.mp4", ("grey", 1), ("red", 1), ("blue", 1))
    options = [
        "--model",
        "colours",
        "--regions",
        "none",
        "--sampling",
        "fps=5",
        "--save",
        str(tmp_path / "out"),
    ]
    with pytest.raises(SystemExit) as ended:
        main(["live", str(path), "--query", "blue", "--query", "red", *options])
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert int(ended.value.code or 0) == 0
    assert [line["query"] for line in lines] == ["red", "blue"]
    assert [line["time_s"] for line in lines] == pytest.approx([1.0, 2.0], abs=0.45)
    assert all(line["confidence"] >= 0.88 and line["latency_s"] > 0 for line in lines)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(
        Path(line["saved"]).name for line in lines
    )
    assert "15 pictures looked at" in printed.err and "latency" in printed.err
    with pytest.raises(SystemExit):
        main(["live", str(path), "--query", "red", "--for", "0.9", *options])
    assert capsys.readouterr().out == ""
