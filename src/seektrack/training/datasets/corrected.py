"""What people corrected, as training data: results of seektrack with their videos, and tracking sessions.

A result says what every object looks like on every frame that was gone through; a session says the same after
its corrections. Both are taken as the truth: give what was looked through, and delete what is wrong. Of an
object that a session's person put right, only the frames put right are: where it had to be done by hand, what
the network makes of the frames between is no better than what is to be bettered.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, SeekTrackError, VideoError
from seektrack.geometry import Box, crop_square
from seektrack.training.datasets.base import Dataset, FrameMasks, MaskClip
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.types import Mask, Tracks
from seektrack.video import open_video

if TYPE_CHECKING:
    from seektrack.pipeline import TrackingSession

Picture = NDArray[np.uint8]
_SQLITE = b"SQLite format 3\0"
_SESSION = (0x5EE7AC5).to_bytes(4, "big")
_SESSION_AT = 68
_TRACKS = b'"seektrack.tracks"'
CROPS = 6
"""Crops of each object that a text encoder learns from."""
SIDE, MARGIN = 224, 0.45


@dataclass(frozen=True, eq=False)
class Corrected:
    """One video with what is known of it.

    Attributes:
        file: The result or the session.
        video: The video.
        tracks: Its objects.
        sure: Of a session, by object that was put right the frames where it was.
    """

    file: Path
    video: Path
    tracks: Tracks
    sure: Mapping[int, frozenset[int]] | None = None


class CorrectedClips(Dataset[MaskClip]):
    """Clips with masks out of results and sessions.

    Args:
        found: The videos.
        left_out: What could not be used.
    """

    def __init__(self, found: list[Corrected], left_out: LeftOuts) -> None:
        by_key = {str(one.file): one for one in found}
        super().__init__(list(by_key), partial(_clip, by_key))
        self.left_out = left_out


@dataclass(frozen=True)
class CropOf:
    """A crop around an object, cut when it is looked at.

    Attributes:
        video: The video.
        frame_index: The frame.
        box: Around the object, ``xyxy`` pixels.
    """

    video: Path
    frame_index: int
    box: Box

    def load(self) -> Picture:
        """RGB uint8 (S, S, 3).

        Raises:
            InputError: The video cannot be read.
        """
        return crop_square(self.whole(), self.box, SIDE, margin=MARGIN)

    def whole(self) -> Picture:
        """The frame it is cut from, RGB uint8 (H, W, 3).

        Raises:
            InputError: The video cannot be read.
        """
        try:
            with open_video(self.video) as source:
                return source.frame_at(self.frame_index).image
        except VideoError as error:
            raise InputError(f"{self.video} cannot be read: {error.message}") from error


def is_corrected(file: Path) -> bool:
    """Whether a file is a result as JSON or a tracking session, by its first bytes."""
    try:
        with file.open("rb") as stream:
            head = stream.read(512)
    except OSError:
        return False
    if head.startswith(_SQLITE):
        return head[_SESSION_AT : _SESSION_AT + 4] == _SESSION
    return head.lstrip().startswith(b"{") and _TRACKS in head


def is_session(file: Path) -> bool:
    """Whether a file is a tracking session, by its first bytes."""
    try:
        with file.open("rb") as stream:
            return stream.read(16) == _SQLITE and is_corrected(file)
    except OSError:
        return False


def tracks_of_session(file: Path) -> Tracks:
    """What a session holds.

    Raises:
        SeekTrackError: It is damaged, or its video is gone.
    """
    return _tracks(file)[0]


def corrected_files(data: str | Path) -> list[Path]:
    """Results and sessions: the file named, or those below a folder."""
    base = Path(os.fspath(data)).expanduser()
    if base.is_file():
        return [base] if is_corrected(base) else []
    if not base.is_dir():
        return []
    named = (p for p in sorted(base.rglob("*")) if p.is_file() and not p.name.startswith("."))
    return [p for p in named if p.stat().st_size and p.suffix.lower() not in _OTHERS and is_corrected(p)]


_OTHERS = frozenset({".jpg", ".jpeg", ".png", ".mp4", ".mov", ".mkv", ".csv", ".txt", ".npz", ".html"})


def read_corrected(data: str | Path) -> tuple[list[Corrected], LeftOuts]:
    """Results of ``seektrack track`` and tracking sessions, with their videos.

    Args:
        data: One file, or a folder of them. A video is where the file says, or beside the file by its name.

    Raises:
        InputError: There is none that can be used.
    """
    left_out = LeftOuts()
    found: list[Corrected] = []
    for file in corrected_files(data):
        try:
            tracks, video, sure = _tracks(file)
        except (SeekTrackError, OSError) as error:
            left_out.add(file, "", getattr(error, "message", str(error)))
            continue
        if video is None:
            left_out.add(file, "", "its video is missing")
        elif not any(o.visible for t in tracks for o in t.observations):
            left_out.add(file, "", "a result without objects")
        else:
            found.append(Corrected(file, video, tracks, sure))
    if not found:
        first = f"; {len(left_out)} left out, first {left_out[0]}" if left_out else ""
        raise InputError(
            f"{data} holds no results or sessions that can be used{first}",
            hint="give tracks.json of seektrack track beside its video, or a session of track --session",
        )
    return found, left_out


def corrected_masks(data: str | Path) -> CorrectedClips:
    """Clips with masks for a segmenter; an object known by its box alone is void there.

    Raises:
        InputError: See :func:`read_corrected`; or nothing has masks.
    """
    found, left_out = read_corrected(data)
    masked = []
    for one in found:
        if any(o.mask is not None for t in one.tracks for o in t.observations):
            masked.append(one)
        else:
            left_out.add(one.file, "", "boxes without masks")
    if not masked:
        raise InputError(f"{data} holds boxes alone", hint="a segmenter learns from masks")
    return CorrectedClips(masked, left_out)


def corrected_crops(found: list[Corrected], left_out: LeftOuts) -> Iterator[tuple[CropOf, tuple[str, ...]]]:
    """Crops of every named object, spread over its time, with its name."""
    for one in found:
        height, width = one.tracks.video.hw
        for track in one.tracks:
            label = (track.label or one.tracks.query).strip()
            if not label:
                left_out.add(one.file, f"object {track.obj_id}", "an object without a name")
                continue
            seen = []
            for o in track.observations:
                if o.visible and o.box[0] < width and o.box[1] < height and o.box[2] > 0 and o.box[3] > 0:
                    seen.append(o)
                elif o.visible:
                    where = f"frame {o.frame_index}, object {track.obj_id}"
                    left_out.add(one.file, where, "a box outside of the picture")
            chosen = sorted({int((i + 0.5) * len(seen) / CROPS) for i in range(CROPS)}) if seen else []
            for i in chosen:
                yield CropOf(one.video, seen[i].frame_index, seen[i].box), (label,)


def _tracks(file: Path) -> tuple[Tracks, Path | None, Mapping[int, frozenset[int]] | None]:
    with file.open("rb") as stream:
        session = stream.read(16) == _SQLITE
    if session:
        from seektrack.pipeline import open_session

        with open_session(file) as opened:
            return opened.tracks, Path(opened.info.path), _sure(opened)
    from seektrack.outputs import load_tracks

    tracks = load_tracks(file, "json")
    said = Path(tracks.video.path)
    places = (said, file.parent / said, file.parent / said.name, file.parent.parent / said.name)
    return tracks, next((place for place in places if place.exists() and str(said)), None), None


def _sure(session: TrackingSession) -> Mapping[int, frozenset[int]] | None:
    """Of each object that was put right the frames where it was, or painted; None where none was."""
    found: dict[int, set[int]] = {}
    for edit in session.edits:
        if edit.kind == "correct" and not edit.undone:
            found.setdefault(int(edit.what["obj_id"]), set()).add(int(edit.what["frame_index"]))
    for prompt in session.asked.prompts:
        if prompt.mask is not None and prompt.obj_id in found:
            found[prompt.obj_id].add(prompt.frame_index)
    return {obj_id: frozenset(frames) for obj_id, frames in found.items()} or None


def _clip(by_key: Mapping[str, Corrected], key: str) -> MaskClip:
    one = by_key[key]
    labels = {track.obj_id: track.label for track in one.tracks if track.label}
    known = partial(_known, one.tracks, one.sure or {})
    return MaskClip(key, partial(open_video, one.video), known, labels, one.sure)


def _known(tracks: Tracks, sure: Mapping[int, frozenset[int]], frame_index: int) -> FrameMasks | None:
    """What is known of a frame; None where nobody went through it, or nothing it shows is known."""
    if frame_index not in tracks.frame_times:
        return None
    masks: dict[int, Mask] = {}
    unsure: list[Box] = []
    for track, o in tracks.at(frame_index):
        if not o.visible:
            continue
        if o.mask is None or frame_index not in sure.get(track.obj_id, (frame_index,)):
            unsure.append(o.box)
        elif o.mask.area:
            masks[track.obj_id] = o.mask
    if sure and unsure and not masks:
        return None
    return FrameMasks(masks, _void(unsure, masks, tracks.video.hw) if unsure else None)


def _void(boxes: list[Box], masks: Mapping[int, Mask], hw: tuple[int, int]) -> Mask | None:
    """Pixels of which nobody knows what they show: boxes without masks, less what masks cover."""
    out = np.zeros(hw, bool)
    for x0, y0, x1, y1 in boxes:
        out[max(0, int(y0)) : max(0, int(np.ceil(y1))), max(0, int(x0)) : max(0, int(np.ceil(x1)))] = True
    for mask in masks.values():
        out &= ~mask.to_array()
    return Mask.from_array(out) if out.any() else None
