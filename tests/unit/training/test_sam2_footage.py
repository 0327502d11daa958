from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seektrack.errors import InputError
from seektrack.outputs.mots import write_mots
from seektrack.training.datasets import Dataset, FrameMasks, MaskClip, mask_folders, mots_challenge
from seektrack.training.sam2 import Stage, Windows, read_clips
from seektrack.training.sam2.data import VOID, Groups
from seektrack.training.sam2.footage import Footage, FootageClips
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo
from seektrack.video import open_video

H, W = 48, 96
STILL = Windows(speed=1.0, drop=0.0)


def labels_at(t: int, *, from_frame: int = 0) -> np.ndarray:
    ids = np.zeros((H, W), np.int64)
    if t >= from_frame:
        x = 2 * (t % 20)
        ids[8:40, x : x + 30] = 700
        ids[16:24, x + 8 : x + 20] = 900
    return ids


def make_clip(key: str, n: int = 10, *, every: int = 1, from_frame: int = 0, void: bool = False) -> MaskClip:
    """Frame t is of grey level 10 t; object 900 lies inside object 700."""
    frames = np.stack([np.full((H, W, 3), min(10 * t, 255), np.uint8) for t in range(n)])

    def annotation(index: int) -> FrameMasks | None:
        if index % every:
            return None
        ids = labels_at(index, from_frame=from_frame)
        masks = {}
        if (ids == 700).any():
            masks = {700: Mask.from_array(ids > 0), 900: Mask.from_array(ids == 900)}
        unknown = np.zeros((H, W), bool)
        unknown[:, 90:] = void
        return FrameMasks(masks, Mask.from_array(unknown) if void else None)

    return MaskClip(key, partial(open_video, frames, fps=10), annotation)


def shown(frames: np.ndarray) -> list[int]:
    return [round(float(f.mean()) / 10) for f in frames]


def test_a_window_is_squared_and_the_smaller_object_lies_in_front():
    frames, ids = Footage([make_clip("a", void=True)], 64).window(np.random.default_rng(0), 0, 4, STILL)
    assert frames.shape == (4, 64, 64, 3) and ids.shape == (4, 64, 64) and ids.dtype == np.uint8
    assert set(np.unique(ids)) == {0, 1, 2, VOID}
    assert (ids == VOID)[:, :, 61:].all()
    for t, small in zip(shown(frames), ids, strict=True):
        whole = labels_at(t)
        for obj_id, value in ((700, 1), (900, 2)):
            true = (whole == obj_id).mean()
            assert (small == value).mean() == pytest.approx(true, abs=0.02)


def test_frames_rise_by_the_speed_and_the_clip_runs_back_at_its_end():
    rng, footage = np.random.default_rng(0), Footage([make_clip("a", 6)], 64)
    for _ in range(10):
        times = shown(footage.window(rng, 0, 8, STILL)[0])
        assert set(np.abs(np.diff(times))) == {1} and max(times) <= 5
    steps = [np.diff(Windows(speed=3.0, drop=0.2).offsets(rng, 9)) for _ in range(20)]
    assert min(d.min() for d in steps) == 1 and max(d.max() for d in steps) >= 4
    assert np.diff(STILL.offsets(rng, 9)).tolist() == [1] * 8


def test_frames_nobody_annotated_are_passed_over():
    footage = Footage([make_clip("a", 20, every=5)], 64)
    for seed in range(5):
        frames, ids = footage.window(np.random.default_rng(seed), 0, 3, STILL)
        assert all(t % 5 == 0 for t in shown(frames)) and ids[0].any()


@pytest.mark.parametrize("n", [10, 90])
def test_a_window_begins_where_an_object_shows_and_a_clip_without_any_is_none(n):
    late = make_clip("late", n, from_frame=n - 3)
    footage = Footage([late, make_clip("never", n, from_frame=999)], 64, cache_mb=0.5)
    for seed in range(4):
        _, ids = footage.window(np.random.default_rng(seed), 0, 2, STILL)
        assert ids[0].any()
    assert footage.window(np.random.default_rng(0), 1, 2, STILL) is None


def test_every_clip_comes_once_an_epoch_and_the_stream_goes_on_where_it_was_left():
    clips = [make_clip(str(i), 5 + i) for i in range(4)]
    stage = Stage(name="clip", steps=1, resolution=64, clips=2, frames=2)
    stream = FootageClips(clips, [0, 2, 3], stage, STILL, seed=3)
    numbers = [stream._number(i) for i in range(6)]
    assert sorted(numbers[:3]) == sorted(numbers[3:]) == [0, 2, 3]
    groups, later = iter(Groups(stream)), iter(Groups(stream, start=2))
    next(groups), next(groups)
    for _ in range(2):
        (number, ours), (again, theirs) = next(groups), next(later)
        assert number == again
        for (a, i), (b, j) in zip(ours, theirs, strict=True):
            assert np.array_equal(a, b) and np.array_equal(i, j)


def test_clips_without_any_object_are_refused():
    stage = Stage(name="clip", steps=1, resolution=64, clips=1, frames=2)
    with pytest.raises(InputError, match="no clip"):
        FootageClips([make_clip("never", from_frame=99)], [0], stage, STILL, seed=0).group(0)


def test_the_world_is_drawn_as_told():
    clips = read_clips("world:3,style=scan,categories=snail+umbrella,frames=2,size=64,start=5")
    assert len(clips) == 3 and set(clips.keys).isdisjoint(read_clips("world:5,frames=2,size=64").keys)
    categories = {c for clip in clips for c in clip.categories.values()}
    assert all(c.split()[-1] in {"snail", "umbrella"} for c in categories)
    assert len(read_clips("world")) == 200 and len(read_clips("world:style=rich,frames=1")) == 200
    for wrong in ("world:x", "world:3,colour=red", "world:0", "world:3,frames=-1"):
        with pytest.raises(InputError):
            read_clips(wrong)


def write_folders(root: Path, nested: str = "") -> Path:
    for name in ("b", "a"):
        for kind, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
            folder = root / kind / nested / name
            folder.mkdir(parents=True)
            for t in range(2):
                picture = (
                    np.full((H, W), 90, np.uint8)
                    if suffix == "jpg"
                    else (labels_at(t) // 700).astype(np.uint8)
                )
                Image.fromarray(picture).save(folder / f"{t:05d}.{suffix}")
    return root


@pytest.mark.parametrize("nested", ["", "480p"])
def test_any_folder_of_pictures_with_annotations_is_read(tmp_path, nested):
    clips = read_clips(write_folders(tmp_path, nested))
    assert list(clips.keys) == ["a", "b"]
    _, known = clips[0].at(1)
    assert known.masks[1].area == int((labels_at(1) > 0).sum())
    with pytest.raises(InputError, match="no folder of pictures"):
        mask_folders(tmp_path / "elsewhere")


def test_mots_reads_what_the_mots_writer_wrote(tmp_path):
    folder = tmp_path / "0002"
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nimDir=img1\nframeRate=10\nseqLength=3\nimWidth={W}\nimHeight={H}\n"
    )
    for t in range(3):
        Image.fromarray(np.full((H, W, 3), 9, np.uint8)).save(folder / "img1" / f"{t + 1:06d}.jpg")
    masks = {t: Mask.from_array(labels_at(t) == 700) for t in (0, 2)}
    seen = tuple(Observation(t, t / 10, m.box, m, 1.0) for t, m in masks.items())
    info = VideoInfo(str(folder / "img1"), W, H, 10, 0.3, 3)
    write_mots(
        Tracks(info, "", (Track(4, "car", 1.0, seen),), {t: t / 10 for t in range(3)}),
        folder / "gt" / "gt.txt",
    )
    (clip,) = read_clips(tmp_path)
    known = [k for _, k in clip.frames()]
    assert [list(k.masks.values()) for k in known] == [[masks[0]], [], [masks[2]]]
    assert list(clip.categories.values()) == ["car"]
    with (folder / "gt" / "gt.txt").open("a") as file:
        file.write("2 10000 10 48 96 " + masks[0].counts.decode() + "\n")
    (clip,) = mots_challenge(tmp_path)
    assert clip.annotation(1).void == masks[0]
    (folder / "gt" / "gt.txt").write_text("1 2 three\n")
    with pytest.raises(InputError, match="line 1 is no mask"):
        mots_challenge(tmp_path)[0]


def test_what_is_no_data_is_told_so(tmp_path):
    with pytest.raises(InputError, match="holds no clips"):
        read_clips(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_clips(tmp_path / "nowhere")
    (tmp_path / "scans.csv").write_text("scan,labels\na.nii,b.nii\n")
    with pytest.raises(InputError, match="not there"):
        read_clips(tmp_path)
    (tmp_path / "scans.csv").write_text("image,mask\n")
    with pytest.raises(InputError, match="columns"):
        read_clips(tmp_path)
    assert isinstance(read_clips("world:1"), Dataset)
