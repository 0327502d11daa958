"""Tracks of objects, as ``--data`` names them: sequences with truth, and results that people corrected."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seektrack.errors import InputError, SeekTrackError, VideoError
from seektrack.training.datasets.base import BoxClip, Dataset
from seektrack.training.datasets.boxes import read_boxes, read_sequence_info, sequence_labels
from seektrack.training.datasets.corrected import is_session, tracks_of_session
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.training.datasets.vehicles import kitti_tracking, ua_detrac
from seektrack.types import Tracks

LAYOUTS = (
    "MOT Challenge sequences (SEQUENCE/seqinfo.ini with gt/gt.txt), KITTI tracking (label_02/), UA-DETRAC, "
    "or results in any format that can be read and sessions that were put right, one file or a folder of them"
)
_RESULTS = frozenset({".json", ".csv", ".txt", ".xml", ".parquet", ".npz", ".npy", ".pb", ".jsonl"})
_SEQUENCES = ("seqinfo.ini", "*/seqinfo.ini", "*/*/seqinfo.ini")
_LARGEST = 512 * 1024 * 1024


class TrackSet(Sequence[Tracks]):
    """Tracks of several videos.

    Args:
        tracks: Of one video each.
        left_out: What could not be used.
        files: Where each was read.
    """

    def __init__(self, tracks: Sequence[Tracks], left_out: LeftOuts, files: Sequence[Path]) -> None:
        self.tracks, self.left_out, self.files = tuple(tracks), left_out, tuple(files)

    def __len__(self) -> int:
        return len(self.tracks)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # as a tuple does
        return self.tracks[index]

    def __iter__(self) -> Iterator[Tracks]:
        return iter(self.tracks)


def read_tracks(data: str | Path) -> TrackSet:
    """Tracks with identities.

    Args:
        data: A file or a folder in one of ``LAYOUTS``; which one is told from what lies there. Of MOT
            sequences no pictures are needed.

    Raises:
        InputError: Nothing of the kind is there, or nothing of it can be used.
    """
    base = Path(os.fspath(data)).expanduser()
    left_out = LeftOuts()
    if base.is_file():
        found = _results([base], left_out)
    elif not base.is_dir():
        raise InputError(f"no such file or folder: {base}", hint=f"--data takes {LAYOUTS}")
    elif sequences := sorted({p for n in _SEQUENCES for p in base.glob(n)}):
        found = _sequences(sequences, left_out)
    elif any(base.glob("label_02/*.txt")):
        found = _of_clips(kitti_tracking(base), base, left_out)
    elif any(base.glob("MVI_*.xml")) or any(base.glob("*/MVI_*.xml")):
        found = _of_clips(ua_detrac(base), base, left_out)
    else:
        files = sorted(
            p for p in base.rglob("*") if p.is_file() and (p.suffix.lower() in _RESULTS or is_session(p))
        )
        found = _results(files, left_out)
    kept = [(tracks, file) for tracks, file in found if tracks.tracks]
    if not kept:
        first = f"; {len(left_out)} left out, first {left_out[0]}" if left_out else ""
        raise InputError(f"{base} holds no tracks{first}", hint=f"--data takes {LAYOUTS}")
    return TrackSet([tracks for tracks, _ in kept], left_out, [file for _, file in kept])


Found = list[tuple[Tracks, Path]]


def _sequences(infos: Sequence[Path], left_out: LeftOuts) -> Found:
    out: Found = []
    for path in infos:
        home = path.parent
        try:
            info = read_sequence_info(path)
            labels, first = sequence_labels(home)
            truth = home / "gt" / "gt.txt"
            tracks = read_boxes(
                truth, info, classes=None, labels=labels, first_pixel=first, bad=left_out.of(truth)
            )
            out.append((tracks, truth))
        except InputError as error:
            left_out.add(path, "", f"no sequence: {error.message}")
    return out


def _of_clips(clips: Dataset[BoxClip], base: Path, left_out: LeftOuts) -> Found:
    out: Found = []
    for number, key in enumerate(clips.keys):
        try:
            out.append((clips[number].tracks, base / key))
        except (InputError, VideoError) as error:
            left_out.add(base / key, "", error.message)
    return out


def _results(files: Sequence[Path], left_out: LeftOuts) -> Found:
    """Results of seektrack or of others; every object on a frame counts as seen in full where visible."""
    from seektrack.outputs import load_tracks

    reader: Callable[[Path], Tracks] = load_tracks
    out: Found = []
    for file in files:
        try:
            if file.stat().st_size > _LARGEST:
                raise InputError("larger than can be read at once")
            tracks = tracks_of_session(file) if is_session(file) else reader(file)
        except (SeekTrackError, OSError) as error:
            left_out.add(file, "", "no tracks that can be read")
            if len(files) == 1:
                raise InputError(
                    f"{file} holds no tracks: {error}", hint=f"--data takes {LAYOUTS}"
                ) from error
            continue
        seen = tuple(
            replace(t, observations=tuple(replace(o, score=1.0) for o in t.observations)) for t in tracks
        )
        out.append((replace(tracks, tracks=seen), file))
    return out
