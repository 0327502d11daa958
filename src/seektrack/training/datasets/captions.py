"""Pictures and videos with captions: COCO, Flickr30k, MSR-VTT."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from seektrack.errors import InputError
from seektrack.training.datasets.base import Dataset, ImageText, VideoText
from seektrack.training.datasets.files import require_file, require_folder
from seektrack.training.datasets.rows import coco_rows, karpathy_rows, msr_vtt_rows, table_rows
from seektrack.video import open_video
from seektrack.video.finding import VIDEO_SUFFIXES
from seektrack.video.stills import read_image

Texts = Mapping[str, tuple[str, ...]]


def coco_captions(annotations: str | Path, images: str | Path) -> Dataset[ImageText]:
    """COCO captions: ``captions_train2017.json`` and the folder of its pictures.

    Args:
        annotations: JSON with ``images[{id, file_name}]`` and ``annotations[{image_id, caption}]``.
        images: Folder the file names lie in.

    Raises:
        InputError: A file is missing or malformed.
    """
    path = Path(annotations)
    pairs = [(row.name, row.text) for row in coco_rows(path)]
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
    found = karpathy_rows(path) if path.suffix == ".json" else table_rows(path, _gaps)
    rows = [(row.name, row.text, row.split) for row in found]
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
    found = table_rows(path, _gaps) if path.suffix == ".csv" else msr_vtt_rows(path)
    rows = [(row.name, row.text, row.split) for row in found]
    known = sorted({str(s) for _, _, s in rows if s})
    if split is not None and split not in known:
        told = ", ".join(known) or "none"
        raise InputError(f"no split {split!r} in {path}: it has {told}", hint="leave split out")
    pairs = [(v, t) for v, t, s in rows if split is None or s == split]
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


def _gaps(where: str, why: str, error: InputError) -> None:
    """Published tables hold rows without a text; whatever else cannot be used is refused."""
    if why != "a file without a caption":
        raise error
