"""One suite for every reader of training data, over tiny files made here; the truth is what was written."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seektrack.errors import InputError
from seektrack.training.datasets import (
    BoxClip,
    Dataset,
    ImageText,
    MaskClip,
    VideoText,
    coco_captions,
    davis,
    decathlon,
    flickr30k,
    middle_frames,
    mot_challenge,
    msr_vtt,
    scans,
    world_boxes,
    world_masks,
    world_texts,
    youtube_vos,
)
from seektrack.video import VideoWriter
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds, truth

Write = Callable[..., Path]
SMALL = SceneSettings(height=64, width=80, n_frames=4, actors=(2, 4), things=(1, 1))
SEEDS = seeds(Split.TEST, 3, start=40)
H, W = 6, 8


@dataclass(frozen=True)
class Truth:
    """What a data set must hold, as far as the test wrote it; None where only its form is checked."""

    images: dict[str, np.ndarray] | None = None
    texts: dict[str, tuple[str, ...]] | None = None
    labels: dict[str, list[np.ndarray | None]] | None = None
    categories: dict[str, dict[int, str]] = field(default_factory=dict)


def picture(value: int) -> np.ndarray:
    image = np.full((H, W, 3), value, np.uint8)
    image[1, 2] = (250, 10, 20)
    return image


def write_pictures(folder: Path, names: list[str]) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    images = {name: picture(10 * i + 5) for i, name in enumerate(names)}
    for name, image in images.items():
        Image.fromarray(image).save(folder / name)
    return images


def label_pictures(n: int, *, void: bool) -> list[np.ndarray]:
    """Pictures of ids (H, W): object 1 moves, object 3 is there from the second frame on."""
    labels = []
    for t in range(n):
        ids = np.zeros((H, W), np.uint8)
        ids[1:3, t : t + 2] = 1
        if t > 0:
            ids[4, 3:7] = 3
        if void:
            ids[5, 0] = 255
        labels.append(ids)
    return labels


def write_labels(file: Path, ids: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids).convert("P")
    image.putpalette([v for i in range(256) for v in ((i * 37) % 256, (i * 91) % 256, (i * 53) % 256)])
    Image.Image.putdata(image, ids.ravel().tolist())
    image.save(file)


# --- pictures with texts -------------------------------------------------------------------------------

NAMES = ["a.png", "b.png"]
SAID = {"a.png": ("A dog, running.", 'It says "go".'), "b.png": ("Two cats",)}


def write_coco(root: Path) -> Dataset[ImageText]:
    images = [{"id": 7 + i, "file_name": name} for i, name in enumerate([*NAMES, "unsaid.png"])]
    pairs = [(7, SAID["a.png"][0]), (8, " Two cats\n"), (7, SAID["a.png"][1])]
    said = [{"id": i, "image_id": k, "caption": text} for i, (k, text) in enumerate(pairs)]
    (root / "captions.json").write_text(json.dumps({"images": images, "annotations": said}))
    return coco_captions(root / "captions.json", root / "images")


def write_token(root: Path) -> Dataset[ImageText]:
    lines = [f"{name}#{i}\t{text}" for name, texts in SAID.items() for i, text in enumerate(texts)]
    (root / "results.token").write_text("\n".join(lines) + "\n")
    return flickr30k(root / "results.token", root / "images")


def write_bars(root: Path) -> Dataset[ImageText]:
    lines = ["image_name| comment_number| comment"]
    lines += [f"{name}| {i}| {text}" for name, texts in SAID.items() for i, text in enumerate(texts)]
    lines[-1] = "b.png| 0   Two cats"
    (root / "results.csv").write_text("\n".join(lines) + "\n")
    return flickr30k(root / "results.csv", root / "images")


def write_commas(root: Path) -> Dataset[ImageText]:
    quoted = {"A dog, running.": '"A dog, running."', 'It says "go".': '"It says ""go""."'}
    lines = [f"{name},{quoted.get(text, text)}" for name, texts in SAID.items() for text in texts]
    (root / "captions.txt").write_text("\ufeff" + "\n".join(["image,caption", *lines]) + "\n", "utf-8")
    return flickr30k(root / "captions.txt", root / "images")


def write_hub_table(root: Path) -> Dataset[ImageText]:
    lines = ["raw,sentids,split,filename,img_id"]
    for name, texts in [*SAID.items(), ("other.png", ("Not in this split",))]:
        raw = json.dumps(list(texts)).replace('"', '""')
        lines.append(f'"{raw}","[0]",{"test" if name in SAID else "train"},{name},0')
    (root / "flickr_annotations_30k.csv").write_text("\n".join(lines) + "\n")
    return flickr30k(root / "flickr_annotations_30k.csv", root / "images", split="test")


def write_karpathy(root: Path) -> Dataset[ImageText]:
    entries = [
        {"filename": name, "split": split, "sentences": [{"raw": text} for text in texts]}
        for name, texts, split in [*((n, t, "val") for n, t in SAID.items()), ("c.png", ("no",), "train")]
    ]
    (root / "dataset.json").write_text(json.dumps({"images": entries, "dataset": "flickr30k"}))
    return flickr30k(root / "dataset.json", root / "images", split="val")


IMAGE_TEXTS = {
    "coco": write_coco,
    "flickr30k-token": write_token,
    "flickr30k-bars": write_bars,
    "flickr30k-commas": write_commas,
    "flickr30k-hub": write_hub_table,
    "flickr30k-karpathy": write_karpathy,
}

# --- videos with texts ---------------------------------------------------------------------------------

VIDEO_TEXTS = {"video0": ("a car drives", "a car"), "video7": ("a boat",)}


def write_videos(root: Path) -> None:
    (root / "videos").mkdir()
    for name in VIDEO_TEXTS:
        with VideoWriter(root / "videos" / f"{name}.mp4", width=48, height=32, fps=25) as writer:
            for i in range(9):
                writer.write(np.full((32, 48, 3), 20 * i + 20, np.uint8))


def write_msr_vtt(root: Path) -> Dataset[VideoText]:
    write_videos(root)
    videos = [{"video_id": v, "split": "train", "start time": 3.1, "end time": 9.0} for v in VIDEO_TEXTS]
    videos += [{"video_id": "video9", "split": "test"}]
    said = [{"video_id": v, "caption": t, "sen_id": 0} for v, texts in VIDEO_TEXTS.items() for t in texts]
    said += [{"video_id": "video9", "caption": "elsewhere"}]
    (root / "msr.json").write_text(json.dumps({"videos": videos, "sentences": said}))
    return msr_vtt(root / "msr.json", root / "videos", split="train")


def write_msr_vtt_list(root: Path) -> Dataset[VideoText]:
    write_videos(root)
    rows = [f"ret{i},msr{v[5:]},{v},{t}" for v, texts in VIDEO_TEXTS.items() for i, t in enumerate(texts)]
    (root / "jsfusion.csv").write_text("\n".join(["key,vid_key,video_id,sentence", *rows]))
    return msr_vtt(root / "jsfusion.csv", root / "videos")


# --- videos with masks ---------------------------------------------------------------------------------


def write_davis(root: Path, _: Write, __: Write) -> tuple[Dataset[MaskClip], Truth]:
    images = write_pictures(root / "JPEGImages/480p/bear", [f"{t:05d}.png" for t in range(4)])
    labels: list[np.ndarray | None] = list(label_pictures(4, void=True))
    labels[2] = None
    for t, ids in enumerate(labels):
        if ids is not None:
            write_labels(root / f"Annotations/480p/bear/{t:05d}.png", ids)
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/val.txt").write_text("bear\n\n")
    (root / "davis_semantics.json").write_text('{"bear": {"1": "bear", "3": "ball"}}')
    told = Truth(
        images={f"bear/{t}": image for t, image in enumerate(images.values())},
        labels={"bear": labels},
        categories={"bear": {1: "bear", 3: "ball"}},
    )
    return davis(root, split="val"), told


CAT = {"category": "cat", "frames": ["00015"]}


def write_youtube_vos(root: Path, _: Write, __: Write) -> tuple[Dataset[MaskClip], Truth]:
    videos = {}
    labels: dict[str, list[np.ndarray | None]] = {}
    for name in ("0043f083b5", "ff25f55852"):
        write_pictures(root / "JPEGImages" / name, [f"{t:05d}.png" for t in (10, 15, 20)])
        drawn = label_pictures(3, void=False)
        labels[name] = [drawn[0], None, drawn[2]]
        for t in (0, 2):
            write_labels(root / "Annotations" / name / f"{10 + 5 * t:05d}.png", drawn[t])
        videos[name] = {"objects": {"1": {"category": "sedan", "frames": ["00010"]}, "3": CAT}}
    (root / "meta.json").write_text(json.dumps({"videos": videos}))
    return youtube_vos(root), Truth(labels=labels, categories={key: {1: "sedan", 3: "cat"} for key in labels})


def write_decathlon(root: Path, _: Write, write_nifti: Write) -> tuple[Dataset[MaskClip], Truth]:
    labels = np.stack(label_pictures(3, void=False))
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir()
    scan = np.arange(3 * H * W, dtype=np.int16).reshape(3, H, W) * 5
    write_nifti(root / "imagesTr/liver_1.nii.gz", scan, axes="RAS")
    write_nifti(root / "labelsTr/liver_1.nii.gz", labels)
    pair = {"image": "./imagesTr/liver_1.nii.gz", "label": "./labelsTr/liver_1.nii.gz"}
    names = {"0": "background", "1": "liver", "3": "cancer"}
    (root / "dataset.json").write_text(json.dumps({"training": [pair], "labels": names}))
    grey = np.repeat((scan * (255 / 1024)).round().astype(np.uint8)[..., None], 3, axis=-1)
    return decathlon(root, window=(512, 1024)), Truth(
        images={f"00000/{z}": image for z, image in enumerate(grey)},
        labels={"00000": list(labels)},
        categories={"00000": {1: "liver", 3: "cancer"}},
    )


def write_scans(root: Path, write_dicom: Write, write_nifti: Write) -> tuple[Dataset[MaskClip], Truth]:
    """A DICOM series, once with a NIfTI label map and once with a DICOM one."""
    labels = np.stack(label_pictures(3, void=False))
    for folder in ("ct", "ct-labels"):
        (root / folder).mkdir()
    for z, ids in enumerate(labels):
        write_dicom(root / f"ct/{9 - z}.dcm", np.full((H, W), 50 * z, np.int16), InstanceNumber=z)
        write_dicom(root / f"ct-labels/{z}.dcm", ids, InstanceNumber=z)
    write_nifti(root / "labels.nii.gz", labels.astype(np.float32), axes="RAS")
    images = {f"0000{i}/{z}": np.full((H, W, 3), 50 * z, np.uint8) for i in (0, 1) for z in range(3)}
    pairs = [(root / "ct", root / "labels.nii.gz"), (root / "ct", root / "ct-labels")]
    return scans(pairs, categories={1: "liver"}, window=(127.5, 255)), Truth(
        images=images,
        labels={"00000": list(labels), "00001": list(labels)},
        categories={key: {1: "liver"} for key in ("00000", "00001")},
    )


def write_segmentation(path: Path, labels: np.ndarray, write_dicom: Write, *, first_mm: float = 0.0) -> Path:
    """A segmentation object of one bit a pixel, its frames in no order, empty ones left out."""
    from pydicom.dataset import Dataset as Attributes
    from pydicom.pixels.utils import pack_bits

    def holder(sequence: str, **attributes: object) -> Attributes:
        item, around = Attributes(), Attributes()
        for name, value in attributes.items():
            setattr(item, name, value)
        setattr(around, sequence, [item])
        return around

    frames, groups = [], []
    for z in reversed(range(len(labels))):
        for number in (3, 1):
            if (labels[z] == number).any():
                frames.append(labels[z] == number)
                group = holder("PlanePositionSequence", ImagePositionPatient=[0, 0, first_mm + 2 * z])
                group.update(holder("SegmentIdentificationSequence", ReferencedSegmentNumber=number))
                groups.append(group)
    segments = [Attributes(), Attributes()]
    for segment, number, label in zip(segments, (1, 3), ("liver", "cyst"), strict=True):
        segment.SegmentNumber, segment.SegmentLabel = number, label
    bits = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
    pixels = np.stack(frames).astype(np.uint8)
    return write_dicom(
        path, pixels, Modality="SEG", SegmentationType="BINARY", SegmentSequence=segments,
        PerFrameFunctionalGroupsSequence=groups, PixelData=pack_bits(pixels), **bits,
    )  # fmt: skip


def write_segmented(root: Path, write_dicom: Write, _: Write) -> tuple[Dataset[MaskClip], Truth]:
    labels = np.stack(label_pictures(3, void=False))
    (root / "ct").mkdir()
    for z in range(3):
        place = {"ImagePositionPatient": [0, 0, 2 * z], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        write_dicom(root / f"ct/{9 - z}.dcm", np.full((H, W), 50 * z, np.int16), **place)
    write_segmentation(root / "seg.dcm", labels, write_dicom)
    return scans([(root / "ct", root / "seg.dcm")], window=(127.5, 255)), Truth(
        images={f"00000/{z}": np.full((H, W, 3), 50 * z, np.uint8) for z in range(3)},
        labels={"00000": list(labels)},
        categories={"00000": {1: "liver", 3: "cyst"}},
    )


def world_clips(_: Path, __: Write, ___: Write) -> tuple[Dataset[MaskClip], Truth]:
    return world_masks(SEEDS, SMALL), Truth()


MASKS = {
    "davis": write_davis,
    "youtube-vos": write_youtube_vos,
    "decathlon": write_decathlon,
    "dicom": write_scans,
    "dicom-seg": write_segmented,
    "world": world_clips,
}

# --- videos with boxes ---------------------------------------------------------------------------------

SEQINFO = "[Sequence]\nname=A\nimDir=img1\nframeRate=14\nseqLength=3\nimWidth=8\nimHeight=6\nimExt=.png\n"
ROWS = [
    "2,5,3,2,2,3,1,1,0.25",
    "1,5,2,2,2,3,1,1,1",
    "1,9,1,1,8,6,0,1,1",
    "3,6,1,1,4,4,1,3,1",
    "1,4,1,1,2,2,1,1,1",
]


def write_mot_sequence(root: Path) -> Dataset[BoxClip]:
    write_pictures(root / "A/img1", [f"{t:06d}.png" for t in (1, 2, 3)])
    (root / "A/gt").mkdir()
    (root / "A/gt/gt.txt").write_text("\n".join(ROWS) + "\n")
    (root / "A/seqinfo.ini").write_text(SEQINFO)
    return mot_challenge(root)


# --- the suite -----------------------------------------------------------------------------------------


@pytest.fixture(params=[*IMAGE_TEXTS, "msr-vtt-middle", "world"])
def image_texts(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Dataset[ImageText], Truth]:
    if request.param == "world":
        return world_texts(SEEDS, SMALL), Truth()
    if request.param == "msr-vtt-middle":
        return middle_frames(write_msr_vtt(tmp_path)), Truth(texts=VIDEO_TEXTS)
    images = write_pictures(tmp_path / "images", NAMES)
    return IMAGE_TEXTS[request.param](tmp_path), Truth(images=images, texts=SAID)


@pytest.fixture(params=[write_msr_vtt, write_msr_vtt_list])
def video_texts(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset[VideoText]:
    made: Dataset[VideoText] = request.param(tmp_path)
    return made


@pytest.fixture(params=MASKS)
def mask_clips(
    request: pytest.FixtureRequest, tmp_path: Path, write_dicom: Write, write_nifti: Write
) -> tuple[Dataset[MaskClip], Truth]:
    return MASKS[request.param](tmp_path, write_dicom, write_nifti)


@pytest.fixture(params=["mot", "world"])
def box_clips(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset[BoxClip]:
    return write_mot_sequence(tmp_path) if request.param == "mot" else world_boxes(SEEDS, SMALL)


def check_sequence(data: Dataset[Any]) -> None:
    """What every data set does, whatever its items."""
    assert len(data) == len(list(data)) == len(set(data.keys)) > 0
    assert [item.key for item in data] == list(data.keys)
    assert data[-1].key == data.keys[-1]
    assert [item.key for item in data[:1]] == [data.keys[0]]
    with pytest.raises(IndexError):
        data[len(data)]
    assert [item.key for item in pickle.loads(pickle.dumps(data))] == list(data.keys)


def test_pictures_come_with_their_texts(image_texts: tuple[Dataset[ImageText], Truth]) -> None:
    data, told = image_texts
    check_sequence(data)
    again = pickle.loads(pickle.dumps(data))
    for i, item in enumerate(data):
        assert item.image.dtype == np.uint8
        assert item.image.ndim == 3 and item.image.shape[2] == 3
        assert item.texts and all(text and text == text.strip() for text in item.texts)
        np.testing.assert_array_equal(again[i].image, item.image)
    if told.texts is not None:
        assert {item.key: item.texts for item in data} == told.texts
    if told.images is not None:
        assert all(np.array_equal(item.image, told.images[item.key]) for item in data)


def test_videos_come_with_their_texts(video_texts: Dataset[VideoText]) -> None:
    check_sequence(video_texts)
    assert {item.key: item.texts for item in video_texts} == VIDEO_TEXTS
    three = video_texts[0].sample(3)
    assert three.shape == (3, 32, 48, 3)
    np.testing.assert_allclose(three.mean(axis=(1, 2, 3)), [40, 100, 160], atol=4)  # frames 1, 4 and 7
    assert len(video_texts[0].sample(20)) == 20
    with pytest.raises(InputError, match="at least 1"):
        video_texts[0].sample(0)


def test_frames_come_with_their_masks(mask_clips: tuple[Dataset[MaskClip], Truth]) -> None:
    data, told = mask_clips
    check_sequence(data)
    for clip in data:
        known = list(clip.frames())
        assert [frame.index for frame, _ in known] == list(range(len(known)))
        assert len(known) == clip.open().len_frames() > 0
        for frame, annotation in known:
            assert annotation is None or all(i > 0 and m.area > 0 for i, m in annotation.masks.items())
            layers = [] if annotation is None else [m.to_array() for m in annotation.masks.values()]
            if annotation is not None and annotation.void is not None:
                layers.append(annotation.void.to_array())
            assert np.sum(layers, axis=0).max(initial=0) <= 1
            assert all(layer.shape == frame.hw for layer in layers)
        if told.labels is not None:
            for (_, annotation), ids in zip(known, told.labels[clip.key], strict=True):
                assert (annotation is None) == (ids is None)
                if annotation is not None and ids is not None:
                    drawn = sum(i * m.to_array().astype(int) for i, m in annotation.masks.items())
                    drawn = drawn + (0 if annotation.void is None else 255 * annotation.void.to_array())
                    np.testing.assert_array_equal(drawn, ids)
            assert clip.categories == told.categories[clip.key]
        for frame, _ in known if told.images is not None else ():
            np.testing.assert_array_equal(frame.image, (told.images or {})[f"{clip.key}/{frame.index}"])


def test_a_frame_asked_for_equals_the_one_passed(mask_clips: tuple[Dataset[MaskClip], Truth]) -> None:
    clip = mask_clips[0][0]
    passed = list(clip.frames())
    for i in (len(passed) - 1, 0):
        frame, annotation = pickle.loads(pickle.dumps(clip)).at(i)
        np.testing.assert_array_equal(frame.image, passed[i][0].image)
        assert annotation == passed[i][1]
    assert clip.annotation(len(passed)) is clip.annotation(-1) is None
    with pytest.raises(InputError, match="no frame"):
        clip.at(len(passed))


def test_videos_come_with_their_boxes(box_clips: Dataset[BoxClip]) -> None:
    check_sequence(box_clips)
    for clip in box_clips:
        video = clip.open()
        assert video.info.hw == clip.tracks.video.hw
        assert dict(enumerate(map(float, video.times()))) == clip.tracks.frame_times
        assert len(clip.tracks) > 0
        for track in clip.tracks:
            indices = [o.frame_index for o in track.observations]
            assert indices == sorted(set(indices)) and len(indices) > 0
            for o in track.observations:
                assert o.time_s == clip.tracks.frame_times[o.frame_index]
                assert o.box[0] < o.box[2] and o.box[1] < o.box[3]
                assert 0 <= o.score <= 1


# --- against another reading of the same files ---------------------------------------------------------


def test_coco_agrees_with_pycocotools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO

    write_pictures(tmp_path / "images", NAMES)
    data = write_coco(tmp_path)
    assert capsys.readouterr().out == ""
    other = COCO(str(tmp_path / "captions.json"))
    for item in data:
        (image_id,) = (i for i, image in other.imgs.items() if image["file_name"] == item.key)
        said = other.loadAnns(other.getAnnIds(imgIds=[image_id]))
        assert tuple(one["caption"].strip() for one in said) == item.texts


def test_mot_boxes_classes_and_visibility(tmp_path: Path) -> None:
    data = write_mot_sequence(tmp_path)
    (clip,) = data
    assert [t.obj_id for t in clip.tracks] == [4, 5]
    first, second = clip.tracks.tracks[1].observations
    assert (first.frame_index, first.box, first.score) == (0, (1, 1, 3, 4), 1.0)
    assert (second.frame_index, second.box, second.score) == (1, (2, 1, 4, 4), 0.25)
    (both,) = mot_challenge(tmp_path, classes=(1, 3))
    assert {t.obj_id: t.label for t in both.tracks} == {4: "pedestrian", 5: "pedestrian", 6: "car"}


def test_mot_agrees_with_the_reader_of_results(tmp_path: Path) -> None:
    from seektrack.outputs import load_tracks
    from seektrack.training.datasets.boxes import CLASSES

    write_mot_sequence(tmp_path)
    (clip,) = mot_challenge(tmp_path, classes=range(1, len(CLASSES) + 1))
    other = load_tracks(tmp_path / "A/gt/gt.txt", "mot")

    def told(tracks: Any) -> list[tuple[object, ...]]:
        return [(t.obj_id, t.label, o.frame_index, o.time_s, o.box) for t in tracks for o in t.observations]

    assert told(clip.tracks) == told(other)
    assert (clip.tracks.video.hw, clip.tracks.video.fps) == (other.video.hw, other.video.fps)


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


# --- malformed input: one clear error ------------------------------------------------------------------


def edit(path: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / path).write_text(text)

    return change


def remove(path: str) -> Callable[[Path], None]:
    return lambda root: (root / path).unlink()


def shrink(path: str) -> Callable[[Path], None]:
    return lambda root: write_labels(root / path, np.ones((H - 1, W), np.uint8))


def in_colour(path: str) -> Callable[[Path], None]:
    return lambda root: Image.new("RGB", (W, H)).save(root / path)


COCO = (lambda r: coco_captions(r / "captions.json", r / "images"), write_coco)
TOKEN = (lambda r: flickr30k(r / "results.token", r / "images"), write_token)
TABLE = (lambda r: flickr30k(r / "captions.txt", r / "images"), write_commas)
VTT = (lambda r: msr_vtt(r / "msr.json", r / "videos"), write_msr_vtt)
MOT = (mot_challenge, write_mot_sequence)
DAVIS = (lambda r: davis(r, split="val"), lambda r: write_davis(r, r, r))  # type: ignore[arg-type]
VOS = (youtube_vos, lambda r: write_youtube_vos(r, r, r))  # type: ignore[arg-type]
BEAR = "Annotations/480p/bear/00001.png"

BROKEN: dict[str, tuple[Any, Callable[[Path], None], str]] = {
    "coco-missing": (COCO, remove("captions.json"), r"no captions file: .*captions\.json"),
    "coco-cut": (COCO, edit("captions.json", '{"images": ['), r"captions\.json is not JSON: .*whole"),
    "coco-other-file": (
        COCO,
        edit("captions.json", '{"info": 1}'),
        r"lacks images, annotations; it has info",
    ),
    "coco-list": (COCO, edit("captions.json", "[1]"), r"lacks images, annotations; it has list"),
    "coco-no-such-image": (
        COCO,
        edit("captions.json", '{"images": [], "annotations": [{"image_id": 3, "caption": "x"}]}'),
        r"not in COCO's layout: KeyError\(3\)",
    ),
    "coco-empty": (COCO, edit("captions.json", '{"images": [], "annotations": []}'), "no captions in"),
    "coco-picture-gone": (COCO, remove("images/b.png"), r"no picture that has captions: .*b\.png"),
    "coco-picture-damaged": (COCO, edit("images/b.png", "x"), r"cannot read the image .*b\.png"),
    "coco-not-text": (COCO, lambda r: (r / "captions.json").write_bytes(b"\xff\xfe\x80"), "must be UTF-8"),
    "flickr-bad-line": (
        TOKEN,
        edit("results.token", "a.png#0\tx\nbroken"),
        "no file name and text: 'broken'",
    ),
    "flickr-unknown": (TABLE, edit("captions.txt", "who,what\n1,2"), "cannot tell the layout .* 'who,what'"),
    "flickr-empty": (TABLE, edit("captions.txt", ""), "cannot tell the layout"),
    "msr-vtt-video-gone": (VTT, remove("videos/video7.mp4"), r"no video video\d in .*videos"),
    "msr-vtt-layout": (
        VTT,
        edit("msr.json", '{"videos": [{"video_id": "v"}], "sentences": [{"video_id": "w", "caption": "x"}]}'),
        r"not in MSR-VTT's layout: KeyError\('w'\)",
    ),
    "davis-no-list": (DAVIS, remove("ImageSets/2017/val.txt"), r"no list of the split 'val': .*val\.txt"),
    "davis-no-sequence": (DAVIS, edit("ImageSets/2017/val.txt", "cow"), r"no folder of pictures: .*cow"),
    "davis-mask-size": (DAVIS, shrink(BEAR), "bear: the masks of frame 1 are 8x5, the frame is 8x6"),
    "davis-mask-colour": (DAVIS, in_colour(BEAR), r"00001\.png is a picture of mode RGB"),
    "davis-mask-damaged": (DAVIS, edit(BEAR, "x"), r"cannot read the annotation .*00001\.png"),
    "davis-astray": (
        DAVIS,
        remove("JPEGImages/480p/bear/00001.png"),
        r"annotates 00001\.png, but .* no picture",
    ),
    "davis-semantics": (DAVIS, edit("davis_semantics.json", '{"bear": ["x"]}'), "not in DAVIS' layout"),
    "vos-no-meta": (VOS, remove("meta.json"), r"no list of videos: .*meta\.json"),
    "vos-layout": (VOS, edit("meta.json", '{"videos": {"a": {}}}'), r"not in YouTube-VOS' layout: .*objects"),
    "mot-no-truth": (MOT, remove("A/gt/gt.txt"), r"no ground truth: .*gt\.txt"),
    "mot-row": (
        MOT,
        edit("A/gt/gt.txt", "1,2,3,4,5,6\n1,2,x"),
        r"gt\.txt line 2 is not a row of boxes: '1,2,x'",
    ),
    "mot-info": (MOT, edit("A/seqinfo.ini", "[Sequence]\nframeRate=0"), "is no sequence description"),
    "mot-no-sequence": (MOT, remove("A/seqinfo.ini"), "no sequence at all in .*it has none"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_malformed_input_ends_in_one_clear_error(name: str, tmp_path: Path) -> None:
    (read, write), breaks, message = BROKEN[name]
    write_pictures(tmp_path / "images", NAMES)
    write(tmp_path)
    breaks(tmp_path)
    with pytest.raises(InputError, match=message):
        for item in read(tmp_path):
            if isinstance(item, MaskClip):
                list(item.frames())


def test_unknown_splits_are_refused_with_those_there_are(tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", NAMES)
    write_token(tmp_path)
    write_karpathy(tmp_path)
    write_msr_vtt(tmp_path)
    with pytest.raises(InputError, match=r"no split 'dev' in .*it has train, val"):
        flickr30k(tmp_path / "dataset.json", tmp_path / "images", split="dev")
    with pytest.raises(InputError, match="knows no splits"):
        flickr30k(tmp_path / "results.token", tmp_path / "images", split="val")
    with pytest.raises(InputError, match=r"no split 'dev' in .*it has test, train"):
        msr_vtt(tmp_path / "msr.json", tmp_path / "videos", split="dev")


@pytest.mark.parametrize(
    ("labels", "kw", "message"),
    [
        (np.zeros((2, H, W), np.uint8), {}, "has 2 slices, the scan .* 3"),
        (
            np.ones((3, H, W - 1), np.uint8),
            {},
            "masks of frame 0 are 7x6, the frame is 8x6|elsewhere in space",
        ),
        (np.full((3, H, W), 0.5, np.float32), {}, "no whole numbers in slice 0"),
        (np.ones((3, H, W), np.uint8), {"shift_mm": 1.0}, "lies elsewhere in space"),
    ],
)
def test_a_label_map_that_does_not_fit_its_scan_is_refused(
    tmp_path: Path, write_nifti: Write, labels: np.ndarray, kw: dict[str, float], message: str
) -> None:
    scan = write_nifti(tmp_path / "scan.nii.gz", np.zeros((3, H, W), np.int16))
    drawn = write_nifti(tmp_path / "labels.nii.gz", labels, **kw)
    (clip,) = scans([(scan, drawn)])
    with pytest.raises(InputError, match=message):
        list(clip.frames())


def test_a_segmentation_of_other_slices_is_refused(
    tmp_path: Path, write_dicom: Write, write_nifti: Write
) -> None:
    labels = np.stack(label_pictures(3, void=False))
    write_segmented(tmp_path, write_dicom, write_nifti)
    other = write_segmentation(tmp_path / "other.dcm", labels, write_dicom, first_mm=3.5)
    (clip,) = scans([(tmp_path / "ct", other)])
    with pytest.raises(InputError, match=r"frame 0 of .*other\.dcm lies on no slice .* 3\.5 mm away"):
        list(clip.frames())
    (clip,) = scans([(write_nifti(tmp_path / "v.nii.gz", labels), other)])
    with pytest.raises(InputError, match="needs slices with positions"):
        list(clip.frames())


def test_scans_need_pairs() -> None:
    with pytest.raises(InputError, match="no scans"):
        scans([])
