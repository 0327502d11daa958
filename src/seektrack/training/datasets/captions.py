"""Pictures and videos with captions: COCO, Flickr30k, MSR-VTT."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from seektrack.errors import InputError
from seektrack.training.datasets.base import Dataset, ImageText, VideoText
from seektrack.training.datasets.files import read_json, read_lines, read_table, require_file, require_folder
from seektrack.video import open_video
from seektrack.video.finding import VIDEO_SUFFIXES
from seektrack.video.stills import read_image

Texts = Mapping[str, tuple[str, ...]]

_TOKEN_LINE = re.compile(r"(?P<file>.+?)#\d+\s*\t(?P<text>.*)")
# results.csv has a row that lacks its second bar: "2199200615.jpg| 4   A dog runs across the grass ."
_BAR_LINE = re.compile(r"(?P<file>[^|]+)\|\s*\d+\s*\|?\s*(?P<text>.*)")


def coco_captions(annotations: str | Path, images: str | Path) -> Dataset[ImageText]:
    """COCO captions: ``captions_train2017.json`` and the folder of its pictures.

    Args:
        annotations: JSON with ``images[{id, file_name}]`` and ``annotations[{image_id, caption}]``.
        images: Folder the file names lie in.

    Raises:
        InputError: A file is missing or malformed.
    """
    path = Path(annotations)
    data = read_json(path, what="captions file", needs=("images", "annotations"))
    try:
        names = {image["id"]: str(image["file_name"]) for image in data["images"]}
        pairs = [(names[one["image_id"]], str(one["caption"])) for one in data["annotations"]]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"the captions file {path} is not in COCO's layout: {error!r}",
            hint='images need "id" and "file_name", annotations "image_id" of an image and "caption"',
        ) from error
    return _pictures(pairs, Path(images), path)


def flickr30k(captions: str | Path, images: str | Path, *, split: str | None = None) -> Dataset[ImageText]:
    """Flickr30k in any layout in use, told apart by the file's name and first line.

    Args:
        captions: ``results_20130124.token`` (``file#n<TAB>text``), ``results.csv`` (``file| n| text``),
            a CSV with ``image,caption``, ``flickr_annotations_30k.csv`` (``raw``, ``filename``, ``split``),
            or Karpathy's ``dataset_flickr30k.json``.
        images: Folder of the pictures.
        split: Only the pictures of ``train``, ``val`` or ``test``; the last two layouts know splits.

    Raises:
        InputError: A file is missing or malformed, or ``split`` is unknown to it.
    """
    path = Path(captions)
    if path.suffix == ".json":
        rows = _karpathy(path)
    else:
        lines = read_lines(path, what="captions file")
        head = lines[0] if lines else ""
        if "\t" in head and "#" in head:
            rows = [(*_matched(_TOKEN_LINE, line, path), None) for line in lines]
        elif "|" in head:
            rows = [(*_matched(_BAR_LINE, line, path), None) for line in lines[1:]]
        else:
            rows = _columns(path, head)
    splits = {s for _, _, s in rows if s}
    if split is not None and split not in splits:
        known = f"it has {', '.join(sorted(splits))}" if splits else "its layout knows no splits"
        raise InputError(
            f"no split {split!r} in {path}: {known}", hint="leave split out, or take another file"
        )
    pairs = [(file, text) for file, text, s in rows if split is None or s == split]
    return _pictures(pairs, Path(images), path)


def msr_vtt(captions: str | Path, videos: str | Path, *, split: str | None = None) -> Dataset[VideoText]:
    """Videos with captions as MSR-VTT lays them out.

    Args:
        captions: JSON with ``videos[{video_id, split}]`` and ``sentences[{video_id, caption}]``, or a CSV
            with ``video_id`` and ``sentence`` (the 1k-A test list).
        videos: Folder with one file a video, named by its id.
        split: Only the videos of ``train``, ``validate`` or ``test``.

    Raises:
        InputError: A file is missing or malformed, or ``split`` is unknown to it.
    """
    path, folder = Path(captions), require_folder(Path(videos), what="folder of videos")
    if path.suffix == ".csv":
        table = read_table(path, what="captions file")
        rows = [(r.get("video_id"), r.get("sentence"), None) for r in table]
    else:
        data = read_json(path, what="captions file", needs=("videos", "sentences"))
        try:
            splits = {v["video_id"]: v.get("split") for v in data["videos"]}
            rows = [(s["video_id"], s["caption"], splits[s["video_id"]]) for s in data["sentences"]]
        except (KeyError, TypeError) as error:
            raise InputError(
                f"the captions file {path} is not in MSR-VTT's layout: {error!r}",
                hint='videos need "video_id", sentences "video_id" of a video and "caption"',
            ) from error
    known = sorted({str(s) for _, _, s in rows if s})
    if split is not None and split not in known:
        told = ", ".join(known) or "none"
        raise InputError(f"no split {split!r} in {path}: it has {told}", hint="leave split out")
    pairs = [(v, t) for v, t, s in rows if v and t and (split is None or s == split)]
    texts = _grouped(pairs, path)
    files = {p.stem: p for p in sorted(folder.iterdir()) if p.suffix.lower() in VIDEO_SUFFIXES}
    return Dataset(list(texts), partial(_video, texts, files, folder))


def middle_frames(videos: Dataset[VideoText]) -> Dataset[ImageText]:
    """Videos with texts as pictures with texts: each video's frame in the middle."""
    return Dataset(videos.keys, partial(_middle, videos, {key: i for i, key in enumerate(videos.keys)}))


def _middle(videos: Dataset[VideoText], place: Mapping[str, int], key: str) -> ImageText:
    return videos[place[key]].middle()


def _pictures(pairs: Iterable[tuple[str, str]], folder: Path, source: Path) -> Dataset[ImageText]:
    require_folder(folder, what="folder of pictures")
    texts = _grouped(pairs, source)
    return Dataset(list(texts), partial(_picture, texts, folder))


def _grouped(pairs: Iterable[tuple[str, str]], source: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for key, text in pairs:
        if text.strip():
            found.setdefault(key, []).append(text.strip())
    if not found:
        raise InputError(f"no captions in {source}", hint="is it the file of another data set?")
    return {key: tuple(texts) for key, texts in found.items()}


def _picture(texts: Texts, folder: Path, key: str) -> ImageText:
    file = require_file(folder / key, what="picture that has captions")
    return ImageText(key, read_image(file), texts[key])


def _video(texts: Texts, files: Mapping[str, Path], folder: Path, key: str) -> VideoText:
    if key not in files:
        raise InputError(
            f"no video {key} in {folder}", hint="videos are named by their id, such as video0.mp4"
        )
    return VideoText(key, partial(open_video, files[key]), texts[key])


def _matched(pattern: re.Pattern[str], line: str, path: Path) -> tuple[str, str]:
    match = pattern.fullmatch(line)
    if match is None:
        raise InputError(
            f"a line of {path} has no file name and text: {line!r}", hint="is the file complete?"
        )
    return match["file"].strip(), match["text"].strip()


def _columns(path: Path, head: str) -> list[tuple[str, str, str | None]]:
    rows = read_table(path, what="captions file")
    names = set(rows[0]) if rows else set()
    if {"image", "caption"} <= names:
        return [(r["image"], r["caption"], None) for r in rows if r.get("caption")]
    if {"filename", "raw"} <= names:
        try:
            return [(r["filename"], str(t), r.get("split")) for r in rows for t in json.loads(r["raw"])]
        except (json.JSONDecodeError, KeyError) as error:
            raise InputError(f'"raw" in {path} must be a JSON list of texts: {error!r}') from error
    raise InputError(
        f"cannot tell the layout of {path} from its first line {head[:80]!r}",
        hint="known: file#n<TAB>text; file| n| text; columns image,caption; columns filename,raw,split",
    )


def _karpathy(path: Path) -> list[tuple[str, str, str | None]]:
    data = read_json(path, what="captions file", needs=("images",))
    try:
        return [
            (str(image["filename"]), str(sentence["raw"]), image.get("split"))
            for image in data["images"]
            for sentence in image["sentences"]
        ]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"the captions file {path} is not in Karpathy's layout: {error!r}",
            hint='images need "filename" and "sentences", a list of {"raw": text}',
        ) from error
