"""Readers of pictures and videos with captions, over tiny files made here; the truth is what was written."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.training.datasets import (
    Dataset,
    ImageText,
    VideoText,
    coco_captions,
    flickr30k,
    middle_frames,
    msr_vtt,
    world_texts,
)
from seektrack.video import VideoWriter
from seektrack.world import SceneSettings, Split, seeds

NAMES = ["a.png", "b.png"]
SAID = {"a.png": ("A dog, running.", 'It says "go".'), "b.png": ("Two cats",)}
VIDEO_TEXTS = {"video0": ("a car drives", "a car"), "video7": ("a boat",)}


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


def check_pictures(data: Dataset[ImageText], kit: Any) -> None:
    """What every data set of pictures with texts does."""
    kit.check_sequence(data)
    again = pickle.loads(pickle.dumps(data))
    for i, item in enumerate(data):
        assert item.image.dtype == np.uint8
        assert item.image.ndim == 3 and item.image.shape[2] == 3
        assert item.texts and all(text and text == text.strip() for text in item.texts)
        np.testing.assert_array_equal(again[i].image, item.image)


@pytest.mark.parametrize("layout", IMAGE_TEXTS)
def test_pictures_come_with_their_texts(layout: str, tmp_path: Path, kit: Any) -> None:
    images = kit.write_pictures(tmp_path / "images", NAMES)
    data = IMAGE_TEXTS[layout](tmp_path)
    check_pictures(data, kit)
    assert {item.key: item.texts for item in data} == SAID
    assert all(np.array_equal(item.image, images[item.key]) for item in data)


def test_the_world_comes_with_its_texts(kit: Any) -> None:
    small = SceneSettings(height=64, width=80, n_frames=4, actors=(2, 4), things=(1, 1))
    check_pictures(world_texts(seeds(Split.TEST, 3, start=40), small), kit)
    rich = SceneSettings(height=64, width=64, n_frames=1, style="rich", cast=(("car", "red"),))
    (item,) = world_texts(seeds(Split.TEST, 1, start=41), rich)
    assert any(word in item.texts[0] for word in (" on ", " in "))


@pytest.mark.parametrize("write", [write_msr_vtt, write_msr_vtt_list])
def test_videos_come_with_their_texts(write: Any, tmp_path: Path, kit: Any) -> None:
    data = write(tmp_path)
    kit.check_sequence(data)
    assert {item.key: item.texts for item in data} == VIDEO_TEXTS
    three = data[0].sample(3)
    assert three.shape == (3, 32, 48, 3)
    np.testing.assert_allclose(three.mean(axis=(1, 2, 3)), [40, 100, 160], atol=4)  # frames 1, 4 and 7
    assert len(data[0].sample(20)) == 20
    with pytest.raises(InputError, match="at least 1"):
        data[0].sample(0)


def test_videos_serve_as_pictures_of_their_middle(tmp_path: Path, kit: Any) -> None:
    data = middle_frames(write_msr_vtt(tmp_path))
    check_pictures(data, kit)
    assert {item.key: item.texts for item in data} == VIDEO_TEXTS
    assert all(abs(float(item.image.mean()) - 100) < 4 for item in data)


def test_coco_agrees_with_pycocotools(tmp_path: Path, kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO

    kit.write_pictures(tmp_path / "images", NAMES)
    data = write_coco(tmp_path)
    assert capsys.readouterr().out == ""
    other = COCO(str(tmp_path / "captions.json"))
    for item in data:
        (image_id,) = (i for i, image in other.imgs.items() if image["file_name"] == item.key)
        said = other.loadAnns(other.getAnnIds(imgIds=[image_id]))
        assert tuple(one["caption"].strip() for one in said) == item.texts


COCO_FILE = (lambda r: coco_captions(r / "captions.json", r / "images"), write_coco)
TOKEN = (lambda r: flickr30k(r / "results.token", r / "images"), write_token)
TABLE = (lambda r: flickr30k(r / "captions.txt", r / "images"), write_commas)
VTT = (lambda r: msr_vtt(r / "msr.json", r / "videos"), write_msr_vtt)

NO_SUCH_IMAGE = '{"images": [], "annotations": [{"image_id": 3, "caption": "x"}]}'
NO_SUCH_VIDEO = '{"videos": [{"video_id": "v"}], "sentences": [{"video_id": "w", "caption": "x"}]}'
BROKEN: list[tuple[Any, str, str | bytes | None, str]] = [
    (COCO_FILE, "captions.json", None, r"no captions file: .*captions\.json"),
    (COCO_FILE, "captions.json", '{"images": [', r"captions\.json is not JSON: .*whole"),
    (COCO_FILE, "captions.json", '{"info": 1}', r"lacks images, annotations; it has info"),
    (COCO_FILE, "captions.json", "[1]", r"lacks images, annotations; it has list"),
    (COCO_FILE, "captions.json", NO_SUCH_IMAGE, r"not in COCO's layout: KeyError\(3\)"),
    (COCO_FILE, "captions.json", '{"images": [], "annotations": []}', "no captions in"),
    (COCO_FILE, "captions.json", b"\xff\xfe\x80", "must be UTF-8"),
    (COCO_FILE, "images/b.png", None, r"no picture that has captions: .*b\.png"),
    (COCO_FILE, "images/b.png", "x", r"cannot read the image .*b\.png"),
    (TOKEN, "results.token", "a.png#0\tx\nbroken", "no file name and text: 'broken'"),
    (TABLE, "captions.txt", "who,what\n1,2", "cannot tell the layout .* 'who,what'"),
    (TABLE, "captions.txt", "", "cannot tell the layout"),
    (VTT, "videos/video7.mp4", None, r"no video video\d in .*videos"),
    (VTT, "msr.json", NO_SUCH_VIDEO, r"not in MSR-VTT's layout: KeyError\('w'\)"),
]


@pytest.mark.parametrize(("source", "path", "change", "message"), BROKEN)
def test_malformed_input_ends_in_one_clear_error(
    source: Any, path: str, change: str | bytes | None, message: str, tmp_path: Path, kit: Any
) -> None:
    read, write = source
    kit.write_pictures(tmp_path / "images", NAMES)
    write(tmp_path)
    kit.damage(tmp_path / path, change)
    kit.check_refused(lambda: read(tmp_path), message)


def test_unknown_splits_are_refused_with_those_there_are(tmp_path: Path, kit: Any) -> None:
    kit.write_pictures(tmp_path / "images", NAMES)
    write_token(tmp_path)
    write_karpathy(tmp_path)
    write_msr_vtt(tmp_path)
    with pytest.raises(InputError, match=r"no split 'dev' in .*it has train, val"):
        flickr30k(tmp_path / "dataset.json", tmp_path / "images", split="dev")
    with pytest.raises(InputError, match="knows no splits"):
        flickr30k(tmp_path / "results.token", tmp_path / "images", split="val")
    with pytest.raises(InputError, match=r"no split 'dev' in .*it has test, train"):
        msr_vtt(tmp_path / "msr.json", tmp_path / "videos", split="dev")
