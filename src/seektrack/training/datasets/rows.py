"""Rows of captions files: which text is said of which picture or video, whatever the layout."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seektrack.errors import InputError
from seektrack.training.datasets.files import read_json, read_text
from seektrack.training.datasets.left_out import OnBad, refuse

_TOKEN_LINE = re.compile(r"(?P<file>.+?)#\d+\s*\t(?P<text>.*)")
# results.csv has a row that lacks its second bar: "2199200615.jpg| 4   A dog runs across the grass ."
_BAR_LINE = re.compile(r"(?P<file>[^|]+)\|\s*\d+\s*\|?\s*(?P<text>.*)")
_FILES = ("file", "image", "video", "video_id", "filename")
_TEXTS = ("caption", "sentence", "text", "label")


@dataclass(frozen=True)
class Row:
    """One text of one picture, video or moment.

    Attributes:
        name: File name or id.
        text: What is said of it.
        where: Of the row in its file.
        split: Part of the data set, where the layout knows any.
        weight: How much it counts.
        span: Begin and end of a moment in seconds; None for the whole.
    """

    name: str
    text: str
    where: str
    split: str | None = None
    weight: float = 1.0
    span: tuple[float, float] | None = None


def coco_rows(path: Path, bad: OnBad = refuse) -> Iterator[Row]:
    """COCO captions: ``images[{id, file_name}]`` and ``annotations[{image_id, caption}]``."""
    data = read_json(path, what="captions file", needs=("images", "annotations"))
    wants = 'images need "id" and "file_name", annotations "image_id" of an image and "caption"'
    names: dict[Any, str] = {}
    for number, image in enumerate(data["images"], start=1):
        try:
            names[image["id"]] = str(image["file_name"])
        except (KeyError, TypeError) as error:
            bad(f"image {number}", "no id or file name", _layout(path, "COCO's", error, wants))
    for number, one in enumerate(data["annotations"], start=1):
        try:
            yield Row(names[one["image_id"]], str(one["caption"]), f"annotation {number}")
        except (KeyError, TypeError) as error:
            bad(
                f"annotation {number}",
                "a caption without a picture",
                _layout(path, "COCO's", error, wants),
            )


def karpathy_rows(path: Path, bad: OnBad = refuse) -> Iterator[Row]:
    """Karpathy's ``dataset_flickr30k.json`` and ``dataset_coco.json``."""
    data = read_json(path, what="captions file", needs=("images",))
    wants = 'images need "filename" and "sentences", a list of {"raw": text}'
    for number, image in enumerate(data["images"], start=1):
        try:
            folder = image.get("filepath")
            name = f"{folder}/{image['filename']}" if folder else str(image["filename"])
            for sentence in image["sentences"]:
                yield Row(name, str(sentence["raw"]), f"image {number}", image.get("split"))
        except (KeyError, TypeError, AttributeError) as error:
            bad(f"image {number}", "no file name or sentences", _layout(path, "Karpathy's", error, wants))


def msr_vtt_rows(path: Path, bad: OnBad = refuse) -> Iterator[Row]:
    """MSR-VTT: ``videos[{video_id, split}]`` and ``sentences[{video_id, caption}]``."""
    data = read_json(path, what="captions file", needs=("videos", "sentences"))
    wants = 'videos need "video_id", sentences "video_id" of a video and "caption"'
    splits: dict[str, str | None] = {}
    for number, video in enumerate(data["videos"], start=1):
        try:
            splits[video["video_id"]] = video.get("split")
        except (KeyError, TypeError, AttributeError) as error:
            bad(f"video {number}", "no video id", _layout(path, "MSR-VTT's", error, wants))
    for number, one in enumerate(data["sentences"], start=1):
        try:
            yield Row(one["video_id"], str(one["caption"]), f"sentence {number}", splits[one["video_id"]])
        except (KeyError, TypeError) as error:
            bad(
                f"sentence {number}",
                "a caption without a video",
                _layout(path, "MSR-VTT's", error, wants),
            )


def table_rows(path: Path, bad: OnBad = refuse) -> Iterator[Row]:
    """Every table in use, told apart by its first line.

    ``file#n<TAB>text``; ``file| n| text``; columns ``raw,filename,split``; or a column for the file (`file`,
    `image`, `video`, `video_id`, `filename`), one for the text (`caption`, `sentence`, `text`, `label`), and,
    if any, ``weight``, ``split``, ``start`` and ``end`` in seconds.
    """
    content = read_text(path, what="captions file")
    lines = content.splitlines()
    head = next((line for line in lines if line.strip()), "")
    if "\t" in head and "#" in head:
        yield from _lines(path, _TOKEN_LINE, lines, 1, bad)
    elif "|" in head:
        yield from _lines(path, _BAR_LINE, lines[1:], 2, bad)
    else:
        yield from _columns(path, content, head, bad)


def _lines(path: Path, pattern: re.Pattern[str], lines: list[str], first: int, bad: OnBad) -> Iterator[Row]:
    for number, line in enumerate(lines, start=first):
        if not line.strip():
            continue
        match = pattern.fullmatch(line.strip())
        if match is None:
            error = InputError(
                f"a line of {path} has no file name and text: {line.strip()!r}", hint="is the file complete?"
            )
            bad(f"line {number}", "no file name and text", error)
        else:
            yield Row(match["file"].strip(), match["text"].strip(), f"line {number}")


def _columns(path: Path, content: str, head: str, bad: OnBad) -> Iterator[Row]:
    rows = csv.DictReader(io.StringIO(content), skipinitialspace=True, strict=False)
    given = [(name or "").strip() for name in rows.fieldnames or ()]
    rows.fieldnames = given
    file = next((n for n in _FILES if n in given), None)
    if {"filename", "raw"} <= set(given):
        yield from _hub_table(path, rows, bad)
        return
    text = next((n for n in _TEXTS if n in given), None)
    if file is None or text is None:
        raise InputError(
            f"cannot tell the layout of {path} from its first line {head[:80]!r}",
            hint="known: columns file,caption; image,caption; video,start,end,text; video_id,sentence; "
            "filename,raw,split; file#n<TAB>text; file| n| text",
        )
    try:
        for row in rows:
            yield from _one(path, row, file, text, f"line {rows.line_num}", bad)
    except csv.Error as error:
        raise InputError(f"cannot read {path}: {error}", hint="save it as UTF-8 CSV") from error


def _one(path: Path, row: Mapping[str, Any], file: str, text: str, where: str, bad: OnBad) -> Iterator[Row]:
    name, said = (str(row.get(n) or "").strip() for n in (file, text))
    if not name or not said:
        what = "a caption without a file" if said else "a file without a caption"
        hint = 'quote captions that hold a comma: "a dog, asleep"'
        bad(where, what, InputError(f"{path} {where} lacks a file or a caption", hint=hint))
        return
    weight = _number(row.get("weight"), 1.0)
    if weight is None or weight < 0:
        error = InputError(
            f"{path} {where} has weight {row.get('weight')!r}", hint="weights are numbers, 0 or more"
        )
        bad(where, "a weight that is no number from 0 on", error)
        return
    start, end = (_number(row.get(n), -1.0) for n in ("start", "end"))
    span = None if (start, end) == (-1.0, -1.0) else (start, end)
    if span is not None and not _is_span(span):
        error = InputError(
            f"{path} {where}: a moment from {row.get('start')!r} to {row.get('end')!r} s",
            hint="start and end are seconds, the end after the start",
        )
        bad(where, "a moment without a start before its end", error)
        return
    split = (str(row.get("split") or "")).strip() or None
    known = None if span is None else (float(span[0] or 0), float(span[1] or 0))
    yield Row(name, said, where, split, weight, known)


def _is_span(span: tuple[float | None, float | None]) -> bool:
    start, end = span
    return start is not None and end is not None and 0 <= start < end


def _number(value: Any, otherwise: float) -> float | None:
    """A number, ``otherwise`` where none is given, None where something else is."""
    if value is None or not str(value).strip():
        return otherwise
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _hub_table(path: Path, rows: csv.DictReader[str], bad: OnBad) -> Iterator[Row]:
    for row in rows:
        where = f"line {rows.line_num}"
        try:
            for text in json.loads(row["raw"] or ""):
                yield Row(str(row["filename"]), str(text), where, row.get("split"))
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            told = InputError(f'"raw" in {path} must be a JSON list of texts: {error!r}')
            bad(where, "no JSON list of texts", told)


def _layout(path: Path, whose: str, error: Exception, wants: str) -> InputError:
    return InputError(f"the captions file {path} is not in {whose} layout: {error!r}", hint=wants)
