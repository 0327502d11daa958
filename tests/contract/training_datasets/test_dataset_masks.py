"""Readers of videos with masks, over tiny files made here; the truth is what was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seektrack.training.datasets import (
    Dataset,
    MaskClip,
    davis,
    mask_folders,
    mots_challenge,
    world_boxes,
    world_masks,
    youtube_vos,
)
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds, truth

SMALL = SceneSettings(height=64, width=80, n_frames=4, actors=(2, 4), things=(1, 1))
SEEDS = seeds(Split.TEST, 3, start=40)
Told = tuple[Dataset[MaskClip], dict[str, Any]]
CAT = {"category": "cat", "frames": ["00015"]}


def write_davis(root: Path, kit: Any) -> Told:
    images = kit.write_pictures(root / "JPEGImages/480p/bear", [f"{t:05d}.png" for t in range(4)])
    labels: list[np.ndarray | None] = list(kit.label_pictures(4, void=True))
    labels[2] = None
    for t, ids in enumerate(labels):
        if ids is not None:
            kit.write_labels(root / f"Annotations/480p/bear/{t:05d}.png", ids)
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/val.txt").write_text("bear\n\n")
    (root / "davis_semantics.json").write_text('{"bear": {"1": "bear", "3": "ball"}}')
    told = {
        "images": {f"bear/{t}": image for t, image in enumerate(images.values())},
        "labels": {"bear": labels},
        "categories": {"bear": {1: "bear", 3: "ball"}},
    }
    return davis(root, split="val"), told


def write_folders(root: Path, kit: Any) -> Told:
    """DAVIS without its lists, and a clip without annotations, which is none."""
    _, told = write_davis(root, kit)
    kit.write_pictures(root / "JPEGImages/480p/unseen", ["00000.png"])
    return mask_folders(root), {**told, "categories": {"bear": {}}}


def write_flat_folders(root: Path, kit: Any) -> Told:
    write_youtube_vos(root, kit)
    (root / "meta.json").unlink()
    data, told = mask_folders(root), write_youtube_vos(root, kit)[1]
    return data, {**told, "categories": {key: {} for key in told["categories"]}}


def write_youtube_vos(root: Path, kit: Any) -> Told:
    videos = {}
    labels: dict[str, list[np.ndarray | None]] = {}
    for name in ("0043f083b5", "ff25f55852"):
        kit.write_pictures(root / "JPEGImages" / name, [f"{t:05d}.png" for t in (10, 15, 20)])
        drawn = kit.label_pictures(3, void=False)
        labels[name] = [drawn[0], None, drawn[2]]
        for t in (0, 2):
            kit.write_labels(root / "Annotations" / name / f"{10 + 5 * t:05d}.png", drawn[t])
        videos[name] = {"objects": {"1": {"category": "sedan", "frames": ["00010"]}, "3": CAT}}
    (root / "meta.json").write_text(json.dumps({"videos": videos}))
    categories = {key: {1: "sedan", 3: "cat"} for key in labels}
    return youtube_vos(root), {"labels": labels, "categories": categories}


def write_mots(root: Path, kit: Any) -> Told:
    from pycocotools import mask as coco

    images = kit.write_pictures(root / "0002/img1", [f"{t:06d}.png" for t in (1, 2, 3)])
    labels = kit.label_pictures(3, void=False)
    labels[1][0, 6:] = 255
    labels[2] = np.zeros_like(labels[2])
    rows = []
    for t, ids in enumerate(labels, start=1):
        for value in (3, 255, 1):
            if (ids == value).any():
                counts = coco.encode(np.asfortranarray((ids == value).astype(np.uint8)))["counts"].decode()
                obj_id, kind = {1: (1001, 1), 3: (2003, 2), 255: (10000, 10)}[value]
                rows.append(f"{t} {obj_id} {kind} {kit.H} {kit.W} {counts}")
    (root / "0002/gt").mkdir()
    (root / "0002/gt/gt.txt").write_text("\n".join(rows) + "\n")
    size = f"imWidth={kit.W}\nimHeight={kit.H}\n"
    (root / "0002/seqinfo.ini").write_text(f"[Sequence]\nframeRate=30\nseqLength=3\nimDir=img1\n{size}")
    numbered = [np.select([ids == 1, ids == 3], [1001, 2003], ids.astype(int)) for ids in labels]
    told = {
        "images": {f"0002/{t}": image for t, image in enumerate(images.values())},
        "labels": {"0002": numbered},
        "categories": {"0002": {1001: "car", 2003: "pedestrian"}},
    }
    return mots_challenge(root), told


def world_clips(_: Path, __: Any) -> Told:
    return world_masks(SEEDS, SMALL), {}


SOURCES = {
    "davis": write_davis,
    "youtube-vos": write_youtube_vos,
    "folders": write_folders,
    "flat-folders": write_flat_folders,
    "mots": write_mots,
    "world": world_clips,
}


@pytest.mark.parametrize("name", SOURCES)
def test_frames_come_with_their_masks(name: str, tmp_path: Path, kit: Any) -> None:
    data, told = SOURCES[name](tmp_path, kit)
    kit.check_sequence(data)
    kit.check_masks(data, **told)
    kit.check_frames_asked_for(data[0])


def test_the_worlds_masks_and_boxes_are_its_truth() -> None:
    for seed, masks, boxes in zip(SEEDS, world_masks(SEEDS, SMALL), world_boxes(SEEDS, SMALL), strict=True):
        clip = render(sample_scene(seed, SMALL))
        told = truth(clip.scene, clip.ids, clip.full_area, fps=masks.open().info.fps)
        assert boxes.tracks.tracks == told.tracks
        for frame, annotation in masks.frames():
            assert annotation is not None
            np.testing.assert_array_equal(frame.image, clip.frames[frame.index])
            named = {i: m for i, m in annotation.masks.items() if i in masks.categories}
            assert named == {t.obj_id: o.mask for t, o in told.at(frame.index)}


DAVIS = (lambda r: davis(r, split="val"), write_davis)
VOS = (youtube_vos, write_youtube_vos)
FOLDERS = (mask_folders, write_folders)
MOTS = (mots_challenge, write_mots)
BEAR = "Annotations/480p/bear/00001.png"

BROKEN: list[tuple[Any, str, str | np.ndarray | None, str]] = [
    (DAVIS, "ImageSets/2017/val.txt", None, r"no list of the split 'val': .*val\.txt"),
    (DAVIS, "ImageSets/2017/val.txt", "cow", r"no folder of pictures: .*cow"),
    (DAVIS, BEAR, np.ones((5, 8), np.uint8), "bear: the masks of frame 1 are 8x5, the frame is 8x6"),
    (DAVIS, BEAR, np.ones((6, 8, 3), np.uint8), r"00001\.png is a picture of mode RGB"),
    (DAVIS, BEAR, "x", r"00001\.png cannot be read as a picture"),
    (DAVIS, "JPEGImages/480p/bear/00001.png", None, r"annotates 00001\.png, but .* no picture"),
    (DAVIS, "davis_semantics.json", '{"bear": ["x"]}', "not in DAVIS' layout"),
    (FOLDERS, BEAR, "x", r"00001\.png cannot be read as a picture"),
    (VOS, "meta.json", None, r"no list of videos: .*meta\.json"),
    (VOS, "meta.json", '{"videos": {"a": {}}}', r"not in YouTube-VOS' layout: .*objects"),
    (MOTS, "0002/gt/gt.txt", None, r"no ground truth: .*gt\.txt"),
    (MOTS, "0002/gt/gt.txt", "1 1001 1 6 8", r"gt\.txt line 1 is no mask: '1 1001 1 6 8'"),
    (MOTS, "0002/seqinfo.ini", None, "no sequence in"),
]


@pytest.mark.parametrize(("source", "path", "change", "message"), BROKEN)
def test_malformed_input_ends_in_one_clear_error(
    source: Any, path: str, change: str | np.ndarray | None, message: str, tmp_path: Path, kit: Any
) -> None:
    read, write = source
    write(tmp_path, kit)
    kit.damage(tmp_path / path, change)
    kit.check_refused(lambda: read(tmp_path), message)


def test_folders_without_a_clip_in_both_are_refused(tmp_path: Path, kit: Any) -> None:
    (tmp_path / "Annotations/cow").mkdir(parents=True)
    kit.check_refused(lambda: mask_folders(tmp_path), "no folder of pictures")
    kit.write_pictures(tmp_path / "JPEGImages/bear", ["00000.png"])
    kit.check_refused(lambda: mask_folders(tmp_path), "no clip has pictures in")
