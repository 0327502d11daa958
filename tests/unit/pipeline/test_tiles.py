"""One video followed in tiles, from the call to the files; each tile is followed by the colour it shows."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage

from seektrack import track_tiles
from seektrack.cli import main
from seektrack.errors import InputError
from seektrack.masks import Mask
from seektrack.pipeline import tiles as pipeline_tiles
from seektrack.tracking.tiles import TileSettings, join_tiles
from seektrack.types import Observation, Track, Tracks
from seektrack.video import VideoWriter, open_video
from seektrack.video.cropped import CroppedSource

N, FPS = 24, 8
HW = (96, 200)


def blocks(t: int) -> dict[str, tuple[int, int, int, int]]:
    """One goes through all tiles, one stays where two overlap, one in a corner of a tile."""
    return {"goes": (4 + 7 * t, 10, 24 + 7 * t, 26), "between": (84, 60, 100, 76), "corner": (4, 76, 16, 92)}


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    with VideoWriter(path, width=HW[1], height=HW[0], fps=FPS) as writer:
        for t in range(N):
            image = np.full((*HW, 3), 90, np.uint8)
            for x0, y0, x1, y1 in blocks(t).values():
                image[y0:y1, x0:x1] = (220, 40, 30)
            writer.write(image)
    return path


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Size of each tile, as its follower saw it: a new id for whatever lies on nothing seen before."""
    seen: list[tuple[int, int]] = []

    def follower(source, *, model, progress=None, **asked) -> Tracks:
        assert asked.get("out") is None, "a tile writes no files"
        found: dict[int, list[Observation]] = {}
        last: dict[int, np.ndarray] = {}
        times = {}
        for frame in source:
            times[frame.index] = frame.time_s
            labelled, count = ndimage.label(frame.image[..., 0] > 150)
            now: dict[int, np.ndarray] = {}
            for k in range(1, count + 1):
                mask = labelled == k
                if mask.sum() < 30:
                    continue
                near = [i for i, m in last.items() if (ndimage.binary_dilation(m, iterations=6) & mask).any()]
                obj_id = near[0] if near else len(found) + 1
                found.setdefault(obj_id, []).append(
                    Observation(
                        frame.index, frame.time_s, Mask.from_array(mask).box, Mask.from_array(mask), 1.0
                    )
                )
                now[obj_id] = mask
            last = now
        seen.append(source.info.hw)
        made = tuple(Track(10 * len(seen) + i, "red", 0.9, tuple(o)) for i, o in found.items())
        return Tracks(source.info, "red", made, times)

    monkeypatch.setattr(pipeline_tiles, "track_objects", follower)
    return seen


def test_objects_have_one_id_in_all_tiles_and_lie_where_they_are(
    film: Path, tmp_path: Path, followed
) -> None:
    bars: list[tuple[int, int, str]] = []
    tracks = track_tiles(
        film,
        "red",
        tile=96,
        overlap=0.4,
        out=tmp_path / "out",
        formats=["json"],
        overlay=False,
        progress=lambda *now: bars.append(now),
    )
    assert followed == [(96, 96)] * 3 and (3, 3, "tiles") in bars
    assert [t.obj_id for t in tracks] == [1, 2, 3] and tracks.video.hw == HW
    by_length = {len(t): t for t in tracks}
    assert sorted(len(t) for t in tracks) == [N, N, N], by_length
    before: dict[str, int] = {}
    for t in range(N):
        here = {name: np.zeros(HW, dtype=bool) for name in blocks(t)}
        for name, (x0, y0, x1, y1) in blocks(t).items():
            here[name][y0:y1, x0:x1] = True
        best = {
            name: max((one.at(t).mask.iou(Mask.from_array(m)), one.obj_id) for one in tracks)
            for name, m in here.items()
        }
        assert all(iou > 0.75 for iou, _ in best.values()), (t, best)
        assert len({obj_id for _, obj_id in best.values()}) == 3
        assert not before or {n: i for n, (_, i) in best.items()} == before, "an id changed"
        before = {n: i for n, (_, i) in best.items()}
    assert list((tmp_path / "out").glob("*.json"))


def test_two_that_one_tile_sees_apart_are_never_one() -> None:
    def track(obj_id: int, x0: int, x1: int, hw: tuple[int, int]) -> Track:
        mask = np.zeros(hw, dtype=bool)
        mask[10:20, x0:x1] = True
        one = Mask.from_array(mask)
        return Track(obj_id, "red", 0.8, tuple(Observation(t, t / 8, one.box, one, 1.0) for t in range(3)))

    with_info = _info()
    left = Tracks(with_info, "red", (track(1, 40, 50, (40, 60)), track(2, 50, 60, (40, 60))), {0: 0.0})
    right = Tracks(with_info, "red", (track(1, 0, 20, (40, 60)),), {0: 0.0})  # takes both for one thing
    windows = [(0, 0, 60, 40), (40, 0, 100, 40)]
    joined = join_tiles([left, right], windows, video=with_info, settings=TileSettings(overlap=0.3))
    assert sorted(len(t) for t in joined) == [3, 3]
    with pytest.raises(InputError, match="needs a window"):
        join_tiles([left], [], video=with_info)


def _info():
    from fractions import Fraction

    from seektrack.types import VideoInfo

    return VideoInfo("film.mp4", 100, 40, Fraction(8), 0.4, 3)


def test_a_cropped_source_shows_its_rectangle(film: Path) -> None:
    with open_video(film) as whole, CroppedSource(open_video(film), (30, 20, 130, 90)) as part:
        assert part.info.hw == (70, 100) and part.times() == whole.times()
        for a, b in zip(whole, part, strict=True):
            np.testing.assert_array_equal(a.image[20:90, 30:130], b.image)
        np.testing.assert_array_equal(part.frame_at(7).image, whole.frame_at(7).image[20:90, 30:130])
        assert [f.index for f in part.frames_reversed(3)] == [3, 2, 1, 0]
        for wrong in ((0, 0, 0, 10), (150, 0, 250, 50), (-1, 0, 10, 10)):
            with pytest.raises(InputError, match="does not lie in a picture of 200x96"):
                CroppedSource(whole, wrong)


def test_the_small_copy_of_a_cropped_picture_is_of_its_rectangle(rng: np.random.Generator) -> None:
    coarse = rng.integers(0, 255, (1, 12, 25, 3), dtype=np.uint8)
    pictures = coarse.repeat(8, axis=1).repeat(8, axis=2)
    with CroppedSource(open_video(pictures), (40, 16, 136, 80)) as part:
        small = part._picture_at(0).luma((16, 24)).astype(int)
        grey = cv2.cvtColor(part.frame_at(0).image, cv2.COLOR_RGB2GRAY)
    assert np.abs(small - cv2.resize(grey, (24, 16), interpolation=cv2.INTER_AREA)).max() <= 2


def test_from_the_command_line(film: Path, tmp_path: Path, followed, capsys) -> None:
    out = tmp_path / "o"
    with pytest.raises(SystemExit) as ended:
        main([*f"track {film} --text red --tile 96 --format csv --no-overlay --out {out}".split()])
    assert not ended.value.code and len(followed) > 1
    assert "over 24 frames" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("--text red --tile 8", "at least 64 pixels a side"),
        ("--text red --tile 96 --pieces 2", "cut one video two ways"),
        ("--point 4,4@0 --tile 96", "goes with --text and one video"),
    ],
)
def test_what_cannot_be_cut_is_told(film: Path, args: str, said: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["track", str(film), *args.split()])
    assert ended.value.code and said in capsys.readouterr().err
