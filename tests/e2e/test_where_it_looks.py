"""Where a text is looked for: with the pocket networks, on clips put together from pictures of the world."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack import Library, Tracks, search_and_track, track_objects
from seektrack.evaluation.footage import write_footage
from seektrack.grounding import GroundSettings, TextScorer
from seektrack.pipeline import Models
from seektrack.tracking import FollowSettings, LookSettings
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.where_to_look import Looks, ending
from seektrack.video import VideoSource, open_video
from seektrack.video.writer import VideoWriter
from seektrack.world import SceneSettings, Split, seeds

FPS, N = 10, 27
BLIND = LookSettings(cuts=False, newcomers=False, scan=False)
QUICK = FollowSettings(both_ways=False, ground=GroundSettings(min_confidence=0.3, points_per_side=10))


@pytest.fixture(scope="module")
def models() -> Models:
    return Models("pocket", device="cpu")


def picture(folder: Path, start: int, **cast: object) -> tuple[np.ndarray, np.ndarray | None]:
    """A picture of the world, and the mask of the one thing in it."""
    settings = SceneSettings(
        n_frames=2, actors=(0, 0), occluders=0, look_alikes=0.0, street_only=True, rough=0.0, texture=0.0,
        object_size=(44.0, 50.0), **cast,
    )  # fmt: skip
    film = write_footage(folder, seeds(Split.TEST, 1, start=start), settings)[0]
    with open_video(film.path) as source:
        image = next(iter(source)).image
    seen = film.truth[0].at(0) if len(film.truth) else None
    return image, None if seen is None or seen.mask is None else seen.mask.to_array()


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of a pink robot, and which of them are its own."""
    image, mask = picture(tmp_path_factory.mktemp("robot"), 7100, cast=(("robot", "pink"),))
    assert mask is not None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return image[box], mask[box]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """A street with nobody on it."""
    return picture(tmp_path_factory.mktemp("street"), 7200)[0]


def clip(street, robot, frames, *, n=N, pan=0.0, step=6.0, y=150):
    """The street, over which the robot walks on the given frames; the camera may pan."""
    pixels, mask = robot
    height, width = pixels.shape[:2]
    wide = np.concatenate([street, street[:, ::-1]], axis=1)
    rng = np.random.default_rng(0)
    out = []
    for t in range(n):
        left = round(pan * t)
        image = wide[:, left : left + street.shape[1]].copy()
        if t in frames:
            x = round(40 + step * (t - min(frames)))
            image[y : y + height, x : x + width][mask] = pixels[mask]
        noise = rng.normal(0, 1.5, image.shape)  # as any camera's
        out.append(np.clip(image + noise, 0, 255).astype(np.uint8))
    return np.stack(out)


def seen_on(tracks: Tracks) -> set[int]:
    return {o.frame_index for t in tracks for o in t.observations if o.visible}


@pytest.mark.parametrize(
    ("frames", "pan"),
    [(range(12, 20), 0.0), (range(21, 27), 0.0), (range(12, 20), 3.0)],
    ids=["a short visit", "a late newcomer", "a short visit under a moving camera"],
)
def test_who_comes_between_the_intervals_is_found(frames, pan, street, robot, models: Models):
    film = clip(street, robot, frames, pan=pan)
    with open_video(film, fps=FPS) as source:
        tracks = track_objects(source, "a pink robot", model=models, settings=QUICK)
    assert len(tracks) == 1
    seen = seen_on(tracks)
    assert seen <= set(frames) and len(seen) >= 0.6 * len(frames), seen


def test_looks_at_intervals_alone_miss_a_short_visit(street, robot, models: Models):
    """What the test above is worth: the same clip, looked at once a second."""
    film = clip(street, robot, range(12, 20))
    with open_video(film, fps=FPS) as source:
        blind = replace(QUICK, looks=BLIND)
        assert len(track_objects(source, "a pink robot", model=models, settings=blind)) == 0


def looks_over(source: VideoSource, models: Models, settings: LookSettings | None = None, **given) -> Looks:
    """Which frames would be looked at, if nothing were ever found."""
    eyes = Eyes((TextScorer(models.encoder, "a pink robot"),), GroundSettings())
    looks = Looks(eyes, frozenset(), 1.0, settings, **given)
    for frame, last in ending(source):
        if looks.wanted(frame, last=last):
            looks.looked(frame, [])
    return looks


def test_nothing_that_shows_for_a_third_of_a_second_goes_unlooked_at(models: Models, tmp_path: Path):
    """Every object of the drawn world, 24 pixels high and more."""
    stretches = 0
    for film in write_footage(tmp_path, seeds(Split.TEST, 3, start=7400), SceneSettings(n_frames=32)):
        with open_video(film.path) as source:
            looked = looks_over(source, models).reasons
        for track in film.truth:
            run: list[int] = []
            for o in [*track.observations, None]:
                tall = o is not None and o.visible and o.box[3] - o.box[1] >= 24
                if tall and (not run or o.frame_index == run[-1] + 1):
                    run.append(o.frame_index)
                    continue
                if len(run) / float(film.truth.video.fps) >= 0.3:
                    stretches += 1
                    assert any(run[0] <= f <= run[-1] for f in looked), (track.label, run, sorted(looked))
                run = [o.frame_index] if tall else []
    assert stretches >= 3


def test_every_cut_the_first_and_the_last_frame_are_looked_at(street, robot, models: Models):
    night = np.repeat((street // 4)[None], 15, axis=0)
    film = np.concatenate([np.repeat(street[None], 14, axis=0), night])
    with open_video(film, fps=FPS) as source:
        reasons = looks_over(source, models).reasons
    assert reasons[0] == "first" and reasons[14] == "cut" and reasons[28] == "last"


def test_where_nothing_changes_looks_lie_farther_apart(street, models: Models):
    film = np.repeat(street[None], 70, axis=0)
    with open_video(film, fps=FPS) as source:
        still = looks_over(source, models)
        blind = looks_over(source, models, BLIND)
    assert sorted(blind.reasons) == [*range(0, 70, 10), 69]
    assert sorted(still.reasons) == [0, 30, 60, 69]
    assert still.scans < 12  # ever farther apart, too


def test_looks_at_newcomers_do_not_put_off_those_at_intervals(street, robot, models: Models):
    film = clip(street, robot, range(3, N))
    with open_video(film, fps=FPS) as source:
        reasons = looks_over(source, models).reasons
    assert "newcomer" in [reasons[t] for t in reasons if t < 10]
    assert [t for t, why in reasons.items() if why == "interval"] == [10, 20]


def test_frames_a_library_has_embedded_are_not_embedded_again(street, robot, models: Models):
    film = clip(street, robot, range(12, 20))
    shown = {t: models.encoder.embed_images([film[t]])[0] for t in range(0, N, 5)}
    with open_video(film, fps=FPS) as source:
        looks = looks_over(source, models, LookSettings(newcomers=False), scanned=shown)
    assert looks.scans <= 1  # behind the last one it knows
    assert looks_over(open_video(film, fps=FPS), models, LookSettings(newcomers=False)).scans > 3


def test_a_search_hands_on_what_it_knows(street, robot, models: Models, tmp_path: Path):
    path = tmp_path / "film.mp4"
    height, width = street.shape[:2]
    with VideoWriter(path, width=width, height=height, fps=Fraction(FPS)) as writer:
        for image in clip(street, robot, range(8, 20), n=24):
            writer.write(image)
    with Library(tmp_path / "library", device="cpu") as library:
        library.index(path, regions="tiles")
        (one,) = search_and_track(library, "a pink robot", min_confidence=0.4, settings=QUICK)
    assert one.tracks.min_confidence == 0.4
    assert one.tracks.retrieval_score == pytest.approx(max(m.confidence for m in one.moments))
    assert seen_on(one.tracks) <= set(range(8, 20)) and len(one.tracks) == 1
