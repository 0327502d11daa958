"""How well objects are followed where it is hard: staged clips of the world, beside two rivals."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.evaluation.footage import write_staged
from seektrack.evaluation.rivals import grounded_frames, reference_session
from seektrack.metrics import (
    ClearScores,
    FrameMatch,
    HotaScores,
    IdentityScores,
    clear,
    frame_matches,
    hota,
    identity,
)
from seektrack.pipeline import track_objects
from seektrack.pipeline.models import Models
from seektrack.tracking import FollowSettings
from seektrack.types import Prompt, Track, Tracks
from seektrack.video import open_video
from seektrack.world.staged import CONDITIONS, Staged, runs, stage

Progress = Callable[[int, int, str], None]

WAYS = ("text", "masks", "boxes", "reference", "bytetrack")
"""From text alone; from the true masks, or boxes, of the first frame; and the rivals: transformers' own
session from the same masks, and text grounded on every frame with ByteTrack."""
MIN_AREA = 60
"""Objects smaller than this on the first frame, in pixels, are not pointed at."""
_COVERED = 0.3
"""Mask IoU from which an id sits on an object."""
_STRANGER = 0.1
_LONG_GAP = 4


@dataclass(frozen=True)
class Kept:
    """Whether identities outlived what the condition does to them.

    Attributes:
        returns, returned: Objects that were away or hidden and came back, and those back under their id.
        crossings, uncrossed: Pairs that crossed, and those of which both ids stayed.
        after_cut, strangers: Frames of ids after a cut, and those on which an id sat on another object.
    """

    returns: int = 0
    returned: int = 0
    crossings: int = 0
    uncrossed: int = 0
    after_cut: int = 0
    strangers: int = 0

    def __add__(self, other: Kept) -> Kept:
        names = ("returns", "returned", "crossings", "uncrossed", "after_cut", "strangers")
        return Kept(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, eq=False)
class ClipScores:
    """One clip followed one way.

    Attributes:
        condition, number, way: Which.
        mask_identity, mask_hota, mask_clear: By masks, IDF1 and MOTA at IoU 0.5.
        box_clear: MOTA by boxes, at IoU 0.5.
        kept: See `Kept`.
        seconds: The way took.
        frames: Of the clip.
    """

    condition: str
    number: int
    way: str
    mask_identity: IdentityScores
    mask_hota: HotaScores
    mask_clear: ClearScores
    box_clear: ClearScores
    kept: Kept
    seconds: float
    frames: int


@dataclass
class TrackingReport:
    """All clips that were measured."""

    clips: list[ClipScores] = field(default_factory=list)

    def figures(self) -> dict[str, dict[str, dict[str, float]]]:
        """Condition → way → figure → value; ``mean`` is the mean over conditions."""
        out: dict[str, dict[str, dict[str, float]]] = {}
        for condition in dict.fromkeys(c.condition for c in self.clips):
            ways = dict.fromkeys(c.way for c in self.clips if c.condition == condition)
            out[condition] = {
                way: _figures([c for c in self.clips if (c.condition, c.way) == (condition, way)])
                for way in ways
            }
        shown = list(out.values())
        if len(shown) > 1:
            out["mean"] = {way: _mean_of([rows[way] for rows in shown if way in rows]) for way in shown[0]}
        return out


def _figures(clips: Sequence[ClipScores]) -> dict[str, float]:
    kept = sum((c.kept for c in clips), Kept())
    figures = {
        "idf1": IdentityScores.combine([c.mask_identity for c in clips]).idf1,
        "hota": HotaScores.combine([c.mask_hota for c in clips]).hota,
        "mota": ClearScores.combine([c.mask_clear for c in clips]).mota,
        "box_mota": ClearScores.combine([c.box_clear for c in clips]).mota,
        "switches": float(ClearScores.combine([c.mask_clear for c in clips]).idsw),
        "frames_per_s": sum(c.frames for c in clips) / max(sum(c.seconds for c in clips), 1e-9),
        "clips": float(len(clips)),
    }
    if kept.returns:
        figures["returned"] = kept.returned / kept.returns
    if kept.crossings:
        figures["uncrossed"] = kept.uncrossed / kept.crossings
    if kept.after_cut:
        figures["strangers"] = kept.strangers / kept.after_cut
    return figures


def _mean_of(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


def evaluate_tracking(
    *,
    conditions: Iterable[str] = CONDITIONS,
    clips: int = 12,
    n_frames: int = 96,
    first: int = 0,
    ways: Iterable[str] = WAYS,
    model: str = "pocket",
    device: str | None = None,
    settings: FollowSettings | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> TrackingReport:
    """Follow objects through staged clips and compare with their perfect truth.

    From text, all objects of the main one's name are asked for; from masks and boxes, every named object that
    shows on the first frame.

    Args:
        conditions: Of :data:`seektrack.world.staged.CONDITIONS`.
        clips: Of each condition.
        n_frames: Frames of a clip.
        first: Number of the first clip; other numbers are other clips.
        ways: Of :data:`WAYS`.
        model: See :func:`seektrack.pipeline.parse_model`.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        settings: How objects are followed.
        folder: Where the clips go; a temporary folder when None.
        progress: Called with ``(done, total, stage)``.

    Raises:
        InputError: An unknown condition or way, or a rival that is not installed.
    """
    chosen, asked = tuple(conditions), tuple(ways)
    for given, known, what in ((chosen, CONDITIONS, "condition"), (asked, WAYS, "way")):
        for name in given:
            if name not in known:
                raise InputError(f"no {what} {name!r}", hint=f"take some of {', '.join(known)}")
    models = Models(model, device=device)
    report = TrackingReport()
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(folder or temporary)
        base.mkdir(parents=True, exist_ok=True)
        done, total = 0, len(chosen) * clips
        for condition in chosen:
            for number in range(first, first + clips):
                staged = stage(condition, number, n_frames=n_frames)
                path = base / f"{condition}-{number:03d}.mp4"
                truth = write_staged(staged, path)
                report.clips += [
                    _measured(way, staged, number, path, truth, models, settings) for way in asked
                ]
                done += 1
                if progress:
                    progress(done, total, f"following, {condition}")
    return report


def _measured(
    way: str,
    staged: Staged,
    number: int,
    path: Path,
    truth: Tracks,
    models: Models,
    settings: FollowSettings | None,
) -> ClipScores:
    prompts = _first_prompts(truth, boxes=way == "boxes")
    asked = {p.obj_id for p in prompts}
    by_text = way in ("text", "bytetrack")
    due = [t for t in truth if (t.label == staged.label if by_text else t.obj_id in asked)]
    wanted = replace(truth, tracks=tuple(due))
    began = time.monotonic()
    if way == "text":
        found = track_objects(path, staged.label, model=models, settings=settings)
    elif way in ("masks", "boxes"):
        found = track_objects(path, prompts=prompts, model=models, settings=settings)
    else:
        with open_video(path) as source:
            info, frames = source.info, list(source)
        began = time.monotonic()
        if way == "reference":
            found = reference_session(models.sam2_name, info, frames, prompts)
        else:
            found = grounded_frames(models, info, frames, staged.label)
    seconds = time.monotonic() - began
    by_mask = frame_matches(wanted, found, by="mask")
    return ClipScores(
        condition=staged.condition,
        number=number,
        way=way,
        mask_identity=identity(by_mask),
        mask_hota=hota(by_mask),
        mask_clear=clear(by_mask),
        box_clear=clear(frame_matches(wanted, found, by="box")),
        kept=kept_identities(staged, wanted, by_mask),
        seconds=seconds,
        frames=len(truth.frame_times),
    )


def _first_prompts(truth: Tracks, *, boxes: bool) -> list[Prompt]:
    """The true mask, or box, of every object that shows on the first frame, under its own id."""
    prompts = []
    for track in truth:
        seen = track.at(0)
        if seen is not None and seen.mask is not None and seen.mask.area >= MIN_AREA:
            whole = Prompt(track.obj_id, 0, mask=seen.mask, label=track.label)
            prompts.append(replace(whole, mask=None, box=seen.box) if boxes else whole)
    return prompts


def kept_identities(staged: Staged, wanted: Tracks, frames: Sequence[FrameMatch]) -> Kept:
    """What became of identities over gaps, crossings and cuts.

    Args:
        staged: The clip.
        wanted: Truth of the objects asked for.
        frames: Their overlap with what was found, one a frame from 0 on.
    """
    holders = {t.obj_id: _holders(t.obj_id, frames) for t in wanted}
    kept = Kept()
    for track in wanted:
        kept += _over_gaps(track, holders[track.obj_id])
    if staged.condition == "look-alikes":
        kept += _over_crossing(wanted, holders)
    if staged.cuts:
        kept += _over_cuts(staged, wanted, frames)
    return kept


def _holders(obj_id: int, frames: Sequence[FrameMatch]) -> NDArray[np.int64]:
    """The id that covers a true object best on each frame (T,), -1 where none does."""
    out = np.full(len(frames), -1, np.int64)
    for t, match in enumerate(frames):
        row = np.flatnonzero(match.gt_ids == obj_id)
        if len(row) and match.similarity.shape[1]:
            best = int(match.similarity[row[0]].argmax())
            if match.similarity[row[0], best] >= _COVERED:
                out[t] = match.pred_ids[best]
    return out


def _mostly(ids: NDArray[np.int64]) -> int:
    held = ids[ids >= 0]
    return int(np.bincount(held).argmax()) if len(held) else -1


def _over_gaps(track: Track, holders: NDArray[np.int64]) -> Kept:
    seen = np.zeros(len(holders), bool)
    seen[[o.frame_index for o in track.observations if o.frame_index < len(holders)]] = True
    returns = returned = 0
    for start, end in runs(~seen):
        before, after = seen[:start].sum(), seen[end:].sum()
        if end - start >= _LONG_GAP and before >= _LONG_GAP and after >= _LONG_GAP:
            returns += 1
            first = _mostly(holders[:start])
            returned += first >= 0 and first == _mostly(holders[end:])
    return Kept(returns=returns, returned=returned)


def _over_crossing(wanted: Tracks, holders: dict[int, NDArray[np.int64]]) -> Kept:
    if not {1, 2} <= holders.keys():
        return Kept()
    fifth = len(holders[1]) // 5
    before = [_mostly(holders[i][:fifth]) for i in (1, 2)]
    after = [_mostly(holders[i][-fifth:]) for i in (1, 2)]
    same = before == after and before[0] != before[1] and min(before) >= 0
    return Kept(crossings=1, uncrossed=int(same))


def _over_cuts(staged: Staged, wanted: Tracks, frames: Sequence[FrameMatch]) -> Kept:
    """Frames after the first cut on which an id of before it sits on anything but its own object."""
    first = staged.cuts[0]
    own: dict[int, dict[int, int]] = {}
    for match in frames[:first]:
        for row, gt in enumerate(match.gt_ids):
            for column, pred in enumerate(match.pred_ids):
                if match.similarity[row, column] >= _COVERED:
                    counts = own.setdefault(int(pred), {})
                    counts[int(gt)] = counts.get(int(gt), 0) + 1
    belongs = {pred: max(counts, key=lambda gt: counts[gt]) for pred, counts in own.items()}
    after = strangers = 0
    for match in frames[first:]:
        for column, pred in enumerate(match.pred_ids):
            if int(pred) not in belongs:
                continue
            after += 1
            rows = np.flatnonzero(match.gt_ids == belongs[int(pred)])
            right = len(rows) > 0 and match.similarity[rows[0], column] >= _STRANGER
            strangers += not right
    return Kept(after_cut=after, strangers=strangers)
