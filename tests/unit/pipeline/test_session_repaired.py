"""What a repair does beside following: masks fused, hidden parts estimated, anomalies put right."""

from __future__ import annotations

from dataclasses import replace
from threading import RLock
from types import SimpleNamespace

import numpy as np
import pytest

from seektrack import Correction, Mask, Observation, Track, Tracks, open_session, start_session
from seektrack.anomaly import Anomaly
from seektrack.pipeline.models import Models
from seektrack.pipeline.session_edits import Held
from seektrack.pipeline.session_repair import _finished
from seektrack.pipeline.session_rows import Named, Seen, pack_seen, unpack_seen
from seektrack.tracking import FollowSettings, FuseSettings, add_hidden_parts, fuse_masks
from seektrack.tracking.mended import Mended
from seektrack.video import open_video

FRAMES = 12
HW = (48, 64)


def square(t: int, *, width: int = 16) -> Mask:
    pixels = np.zeros(HW, dtype=bool)
    pixels[16:32, 8 + 2 * t : 8 + 2 * t + width] = True
    return Mask.from_array(pixels)


def seen(t: int, mask: Mask) -> Observation:
    assert mask.box is not None
    return Observation(t, t / 30, mask.box, mask, 0.9)


@pytest.fixture
def video() -> list[np.ndarray]:
    ground = np.random.default_rng(0).integers(90, 130, (*HW, 3), dtype=np.uint8)
    pictures = [ground.copy() for _ in range(FRAMES)]
    for t, picture in enumerate(pictures):
        picture[square(t).to_array()] = (200, 40, 40)
    return pictures


@pytest.mark.parametrize("settings", [FollowSettings(fuse=1), FollowSettings(amodal=True), FollowSettings()])
def test_repaired_frames_are_finished_as_followed_ones_are(video, settings):
    earlier = {t: seen(t, square(t)) for t in range(FRAMES)}
    ragged = {t: seen(t, square(t, width=9 if t == 6 else 16)) for t in (5, 6, 7)}
    session = SimpleNamespace(
        asked=SimpleNamespace(settings=settings),
        _lock=RLock(),
        _objects={1: Held(Named("", 1.0, 0), {t: Seen(o) for t, o in earlier.items()})},
    )
    with open_video(video) as source:
        whole = _finished(session, 1, [Mended([5, 6, 7], ragged)], source)
        track = Track(1, "", 1.0, tuple((earlier | ragged)[t] for t in range(FRAMES)))
        expected = Tracks(source.info, "", (track,))
        if settings.fuse:
            expected = fuse_masks(expected, source, FuseSettings(around=1))
        if settings.amodal:
            expected = add_hidden_parts(expected)
    assert whole.frames == [5, 6, 7]
    assert whole.observations == {t: expected.tracks[0].at(t) for t in (5, 6, 7)}
    changed = whole.observations[6] != ragged[6]
    assert changed == bool(settings.fuse or settings.amodal)


def test_the_whole_of_a_hidden_object_is_kept_in_a_session():
    o = replace(seen(3, square(3, width=8)), amodal=square(3))
    assert unpack_seen(3, pack_seen(Seen(o))).observation == o


def test_what_was_put_right_is_told_no_more_until_it_is_undone(video):
    track = Track(1, "a square", 1.0, tuple(seen(t, square(t)) for t in range(FRAMES)))
    wrong = (Anomaly("drift", 1, 4, 8, 4 / 30, "high"), Anomaly("appearance", 1, 10, 11, 10 / 30, "low"))
    with open_video(video) as source:
        times = {t: t / 30 for t in range(FRAMES)}
        tracks = Tracks(source.info, "", (track,), times, anomalies=wrong)
    with start_session(video, tracks=tracks) as session:
        assert session.tracks.anomalies == wrong
        session.correct(Correction(6, 1, mask=square(6, width=14)))
        assert session.tracks.anomalies == wrong[1:]
        session.undo()
        assert session.tracks.anomalies == wrong


def test_a_session_is_gone_on_with_by_the_runtime_it_was_begun_with(video, tmp_path):
    with open_video(video) as source:
        tracks = Tracks(source.info, "", (), {t: t / 30 for t in range(FRAMES)})
    models = Models("pocket", runtime="torch")
    start_session(video, tracks=tracks, path=tmp_path / "a.session", model=models).close()
    with open_session(tmp_path / "a.session", video=video) as session:
        assert session.models.runtime == "torch"
