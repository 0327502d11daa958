"""The world written in each layout and read back: what comes back is what the world knows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from seektrack.errors import InputError, OutputError
from seektrack.outputs import load_tracks
from seektrack.training.datasets import (
    FrameMasks,
    MaskClip,
    coco_captions,
    davis,
    decathlon,
    flickr30k,
    mot_challenge,
    msr_vtt,
    world_boxes,
    world_masks,
    youtube_vos,
)
from seektrack.world import Clip, Scene, SceneSettings, Split, render, sample_scene, seeds, truth
from seektrack.world.layouts import LAYOUTS, write_layout
from seektrack.world.telling import clip_texts, picture_texts

SEEDS = seeds(Split.TEST, 3, start=800)
SETTINGS = SceneSettings(height=65, width=81, n_frames=3, actors=(2, 4), things=(1, 1), speed=(2.0, 8.0))
LANGUAGES = ("en", "fr")


def scenes(settings: SceneSettings = SETTINGS) -> list[Scene]:
    return [sample_scene(seed, settings) for seed in SEEDS]


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return [render(scene) for scene in scenes()]


def names(clips: Iterable[Clip]) -> list[str]:
    return [f"{clip.scene.seed:09d}" for clip in clips]


def same_masks(read: Iterable[MaskClip], *, void: bool) -> int:
    """Compare with what training on the world itself is given; how many masks there were."""
    n = 0
    for clip, known in zip(read, world_masks(SEEDS, SETTINGS), strict=True):
        for (frame, annotation), (_, own) in zip(clip.frames(), known.frames(), strict=True):
            assert own is not None and annotation is not None
            assert annotation == (own if void else FrameMasks(own.masks)), (clip.key, frame.index)
            n += len(own.masks)
        seen = {i for _, annotation in clip.frames() for i in (annotation or FrameMasks()).masks}
        told = {i: name for i, name in known.categories.items() if i in seen}
        assert {i: name for i, name in clip.categories.items() if i in known.categories} == told
        assert set(clip.categories.values()) - set(told.values()) <= {"an object"}
    return n


@pytest.mark.parametrize("layout", ["davis", "youtube-vos"])
def test_masks_come_back(layout: str, tmp_path: Path, clips: list[Clip]) -> None:
    write_layout(scenes(), tmp_path / "out", layout=layout, split="val", pictures="png")
    read = davis(tmp_path / "out", split="val") if layout == "davis" else youtube_vos(tmp_path / "out/val")
    assert list(read.keys) == names(clips)
    assert same_masks(read, void=True) > 10
    for clip, own in zip(read, clips, strict=True):
        np.testing.assert_array_equal([frame.image for frame, _ in clip.frames()], own.frames)


def test_annotations_have_the_colours_of_davis(tmp_path: Path) -> None:
    from seektrack.outputs.davis import davis_palette

    write_layout(scenes()[:1], tmp_path / "out", layout="davis")
    file = next(tmp_path.glob("out/Annotations/480p/*/00000.png"))
    with Image.open(file) as image:
        assert image.mode == "P"
        assert image.getpalette() == davis_palette().ravel().tolist()


def test_youtube_vos_lists_the_frames_of_each_object(tmp_path: Path, clips: list[Clip]) -> None:
    write_layout(scenes(), tmp_path / "out", layout="youtube-vos")
    videos = json.loads((tmp_path / "out/train/meta.json").read_text())["videos"]
    for clip, name in zip(clips, names(clips), strict=True):
        told = {int(i): o["frames"] for i, o in videos[name]["objects"].items()}
        sizes = [np.bincount(ids.ravel(), minlength=9) for ids in clip.ids]
        for i in range(1, len(clip.scene.actors) + 1):
            shown = [f"{t:05d}" for t, counts in enumerate(sizes) if counts[i] >= 20]
            assert told.get(i, []) == shown


def test_boxes_come_back(tmp_path: Path) -> None:
    write_layout(scenes(), tmp_path / "out", layout="mot", fps=Fraction(30000, 1001))
    read = mot_challenge(tmp_path / "out/train", classes=None)
    for clip, own in zip(read, world_boxes(SEEDS, SETTINGS), strict=True):
        assert clip.open().info.fps == Fraction(30000, 1001)
        assert [t.obj_id for t in clip.tracks] == [t.obj_id for t in own.tracks]
        for track, known in zip(clip.tracks, own.tracks, strict=True):
            assert [o.frame_index for o in track.observations] == [o.frame_index for o in known.observations]
            assert [o.box for o in track.observations] == [o.box for o in known.observations]
            scores = [[o.score for o in t.observations] for t in (track, known)]
            np.testing.assert_allclose(*scores, atol=1e-5)
            category = known.label.split()[-1]
            assert track.label == {"person": "pedestrian"}.get(category, category)


def test_motmetrics_reads_the_boxes(tmp_path: Path, clips: list[Clip]) -> None:
    import motmetrics

    write_layout(scenes(), tmp_path / "out", layout="mot")
    for name, clip in zip(names(clips), clips, strict=True):
        table = motmetrics.io.loadtxt(tmp_path / f"out/train/{name}/gt/gt.txt", fmt="mot16")
        table = table[table["Confidence"] == 1]
        own = truth(clip.scene, clip.ids, clip.full_area, fps=Fraction(25))
        boxes = {(o.frame_index + 1, t.obj_id): o.box for t in own for o in t.observations}
        assert set(table.index) == set(boxes)
        for key, (x0, y0, x1, y1) in boxes.items():
            # It takes 1 off the corner itself.
            assert tuple(table.loc[key, ["X", "Y", "Width", "Height"]]) == (x0, y0, x1 - x0, y1 - y0)


@pytest.mark.parametrize("layout", ["coco", "flickr30k"])
def test_captions_of_pictures_come_back(layout: str, tmp_path: Path, clips: list[Clip]) -> None:
    root = tmp_path / "out"
    write_layout(scenes(), root, layout=layout, pictures="png", languages=LANGUAGES)
    if layout == "coco":
        read = coco_captions(root / "annotations/captions_train2017.json", root / "train2017")
    else:
        read = flickr30k(root / "results_20130124.token", root / "flickr30k-images")
        split = flickr30k(root / "dataset_flickr30k.json", root / "flickr30k-images", split="train")
        assert [item.texts for item in split] == [item.texts for item in read]
    for item, clip, name in zip(read, clips, names(clips), strict=True):
        assert item.key == f"{name}.png"
        assert item.texts == picture_texts(clip, 1, languages=LANGUAGES)
        np.testing.assert_array_equal(item.image, clip.frames[1])


def test_pycocotools_reads_the_instances(tmp_path: Path, clips: list[Clip]) -> None:
    from pycocotools.coco import COCO

    write_layout(scenes(), tmp_path / "out", layout="coco", split="val")
    coco = COCO(str(tmp_path / "out/annotations/instances_val2017.json"))
    assert sorted(coco.imgs) == [1, 2, 3]
    for image_id, clip in zip(sorted(coco.imgs), clips, strict=True):
        known = coco.loadAnns(coco.getAnnIds(imgIds=[image_id]))
        counts = np.bincount(clip.ids[1].ravel(), minlength=9)
        there = [a for a in clip.scene.actors if a.category and counts[a.obj_id] >= 20]
        assert [coco.cats[one["category_id"]]["name"] for one in known] == [a.category for a in there]
        for one, actor in zip(known, there, strict=True):
            mask = clip.ids[1] == actor.obj_id
            np.testing.assert_array_equal(coco.annToMask(one).astype(bool), mask)
            x, y, w, h = (int(v) for v in one["bbox"])
            assert mask[y : y + h, x : x + w].sum() == mask.sum() == one["area"]


def test_captions_of_videos_come_back(tmp_path: Path, clips: list[Clip]) -> None:
    root = tmp_path / "out"
    write_layout(scenes(), root, layout="msr-vtt", split="validate", languages=LANGUAGES, fps=10)
    read = msr_vtt(root / "train_val_videodata.json", root / "videos", split="validate")
    for item, clip, name in zip(read, clips, names(clips), strict=True):
        assert item.key == f"video{name}"
        assert item.texts == clip_texts(clip, languages=LANGUAGES)
        video = item.open()
        assert [float(t) for t in video.times()] == [0, 0.1, 0.2]
        for frame, drawn in zip(video, clip.frames, strict=True):
            close = np.abs(frame.image[:65, :81].astype(int) - drawn)
            assert frame.hw == (66, 82) and close.mean() < 8


def test_mp4_has_all_the_truth_beside_it(tmp_path: Path, clips: list[Clip]) -> None:
    root = tmp_path / "out"
    write_layout(scenes(), root, layout="mp4", fps=10)
    read = msr_vtt(root / "captions.csv", root)
    for item, clip, name in zip(read, clips, names(clips), strict=True):
        assert (item.key, item.texts) == (name, clip_texts(clip))
        told = truth(clip.scene, clip.ids, clip.full_area, fps=Fraction(10))
        back = load_tracks(root / f"{name}.json", "json")
        assert back.tracks == told.tracks and back.frame_times == told.frame_times
        assert back.video.fps == 10 and back.video.hw == (65, 81)


@pytest.mark.parametrize("layout", ["dicom", "nifti"])
def test_scans_and_their_masks_come_back(layout: str, tmp_path: Path, clips: list[Clip]) -> None:
    write_layout(scenes(), tmp_path / "out", layout=layout)
    read = decathlon(tmp_path / "out", window=(127.5, 255) if layout == "nifti" else None)
    assert same_masks(read, void=False) > 10
    for clip, own in zip(read, clips, strict=True):
        for frame, drawn in zip(clip.open(), own.frames, strict=True):
            grey = cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY)
            np.testing.assert_array_equal(frame.image, np.repeat(grey[..., None], 3, axis=-1))


def test_a_segmentation_object_says_what_it_holds(tmp_path: Path, clips: list[Clip]) -> None:
    import pydicom

    write_layout(scenes(), tmp_path / "out", layout="dicom")
    for name, clip in zip(names(clips), clips, strict=True):
        seg = pydicom.dcmread(tmp_path / f"out/labelsTr/{name}.dcm")
        numbers = [s.SegmentNumber for s in seg.SegmentSequence]
        assert numbers == list(range(1, len(numbers) + 1))
        slices = [pydicom.dcmread(f) for f in sorted((tmp_path / f"out/imagesTr/{name}").iterdir())]
        listed = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
        assert [r.ReferencedSOPInstanceUID for r in listed] == [s.SOPInstanceUID for s in slices]
        assert {s.StudyInstanceUID for s in [seg, *slices]} == {seg.StudyInstanceUID}
        drawn = np.zeros_like(clip.ids)
        for pixels, group in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
            z = int(group.PlanePositionSequence[0].ImagePositionPatient[2])
            drawn[z] += pixels * int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        sizes = [np.bincount(ids.ravel(), minlength=9) for ids in clip.ids]
        kept = [np.where(s[ids] >= 20, ids, 0) for s, ids in zip(sizes, clip.ids, strict=True)]
        np.testing.assert_array_equal(drawn, kept)


def test_scenes_with_nobody_in_them_can_be_written(tmp_path: Path) -> None:
    nobody = SceneSettings(height=64, width=64, n_frames=2, actors=(0, 0))
    for layout in LAYOUTS:
        done = write_layout(scenes(nobody)[:1], tmp_path / layout, layout=layout)
        assert (done.scenes, done.frames) == (1, 1 if LAYOUTS[layout].pictures else 2)
    (clip,) = decathlon(tmp_path / "dicom")
    assert [(known or FrameMasks()).masks for _, known in clip.frames()] == [{}, {}]
    (item,) = coco_captions(
        tmp_path / "coco/annotations/captions_train2017.json", tmp_path / "coco/train2017"
    )
    assert item.texts == ("an empty street",)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_says_how_it_is_read(layout: str, tmp_path: Path) -> None:
    import seektrack.training.datasets as readers

    done = write_layout(scenes()[:1], tmp_path / "out", layout=layout, split="val")
    made = eval(done.reader, vars(readers))
    assert len(made) == 1
    assert made[0].key


@pytest.mark.parametrize("layout", LAYOUTS)
def test_equal_scenes_make_equal_files(layout: str, tmp_path: Path) -> None:
    settings = SceneSettings(height=66, width=90, n_frames=2, actors=(2, 4))
    for name in ("a", "b"):
        write_layout(scenes(settings)[:1], tmp_path / name, layout=layout)
    files = [sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file()) for root in
             (tmp_path / "a", tmp_path / "b")]  # fmt: skip
    assert files[0] == files[1] != []
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files[0])


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"mine: it holds something already .*empty or does not exist"):
        write_layout(scenes(), tmp_path / "mine", layout="davis")
    with pytest.raises(OutputError, match="it is a file"):
        write_layout(scenes(), tmp_path / "mine/notes.txt", layout="davis")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["mine", "notes.txt"]


def test_a_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterable[Scene]:
        yield scenes()[0]
        raise KeyboardInterrupt

    (tmp_path / "empty").mkdir()
    with pytest.raises(KeyboardInterrupt):
        write_layout(broken(), tmp_path / "empty", layout="mot")
    assert [p.name for p in tmp_path.rglob("*")] == ["empty"]


@pytest.mark.parametrize(
    ("kw", "message"),
    [
        ({"layout": "imagenet"}, r"no layout 'imagenet' \(layouts: mp4, davis, youtube-vos, mot, coco"),
        ({"split": "../up"}, "a split cannot be called '../up'"),
        ({"pictures": "gif"}, r"pictures cannot be 'gif' \(formats: jpg, png"),
        ({"fps": 0}, "fps must be above 0"),
        ({"languages": ("it",)}, "does not speak 'it'"),
        ({"languages": ()}, "at least one language"),
        ({"scenes": []}, "no scenes to write"),
        ({"scenes": [sample_scene(1, SETTINGS)] * 2}, "seed 1 came twice"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line(kw: dict, message: str, tmp_path: Path) -> None:
    given = {"scenes": scenes(), "layout": "davis", **kw}
    with pytest.raises(InputError, match=message):
        write_layout(given.pop("scenes"), tmp_path / "out", **given)
    assert not any(tmp_path.iterdir())


def test_progress_counts_scenes(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    write_layout(scenes()[:2], tmp_path / "out", layout="coco", progress=lambda *step: told.append(step))
    assert [(done, total) for done, total, _ in told] == [(0, 2), (1, 2), (2, 2)]
