"""How well objects are followed where it is hard: staged clips of the world, beside two rivals."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from seektrack import __version__
from seektrack.errors import InputError
from seektrack.evaluation.clip_scores import ClipScores, Shelf
from seektrack.evaluation.footage import write_staged
from seektrack.evaluation.kept import Kept, kept_identities
from seektrack.evaluation.rivals import grounded_frames, reference_session
from seektrack.metrics import ClearScores, HotaScores, IdentityScores, clear, frame_matches, hota, identity
from seektrack.outputs import save_tracks
from seektrack.pipeline import track_objects
from seektrack.pipeline.models import Models
from seektrack.tracking import FollowSettings
from seektrack.types import Progress, Prompt, Tracks
from seektrack.video import open_video
from seektrack.world.staged import CONDITIONS, Staged, stage

WAYS = ("text", "masks", "boxes", "reference", "bytetrack")
"""From text alone; from the true masks, or boxes, of the first frame; and the rivals: transformers' own
session from the same masks, and text grounded on every frame with ByteTrack."""
MIN_AREA = 60
"""Objects smaller than this on the first frame, in pixels, are not pointed at."""


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
    runtime: str | None = None,
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
        runtime: Who computes, see `Models`; the rival ``reference`` is computed by torch whatever is said.
        settings: How objects are followed.
        folder: Where the clips, what was found in them and the scores go; a second run with the same settings
            and version takes the scores that lie there. A temporary folder when None.
        progress: Called with ``(done, total, stage)``.

    Raises:
        InputError: An unknown condition or way, or a rival that is not installed.
    """
    chosen, asked = tuple(conditions), tuple(ways)
    for given, known, what in ((chosen, CONDITIONS, "condition"), (asked, WAYS, "way")):
        for name in given:
            if name not in known:
                raise InputError(f"no {what} {name!r}", hint=f"take some of {', '.join(known)}")
    models = Models(model, device=device, runtime=runtime)
    report = TrackingReport()
    recipe = {
        "version": __version__,
        "model": model if runtime is None else f"{model} by {runtime}",
        "frames": str(n_frames),
        "settings": repr(settings or FollowSettings()),
    }
    shelf = Shelf(None if folder is None else Path(folder), recipe)
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(folder or temporary)
        base.mkdir(parents=True, exist_ok=True)
        done, total = 0, len(chosen) * clips
        for condition in chosen:
            for number in range(first, first + clips):
                report.clips += _clip(condition, number, asked, n_frames, base, shelf, models, settings)
                done += 1
                if progress:
                    progress(done, total, f"following, {condition}")
    return report


def _clip(
    condition: str,
    number: int,
    ways: Sequence[str],
    n_frames: int,
    base: Path,
    shelf: Shelf,
    models: Models,
    settings: FollowSettings | None,
) -> list[ClipScores]:
    """Scores of all ways of one clip, which is drawn only where one is missing."""
    known = {way: shelf.find(condition, number, way) for way in ways}
    if missing := [way for way, scores in known.items() if scores is None]:
        staged = stage(condition, number, n_frames=n_frames)
        path = base / f"{condition}-{number:03d}.mp4"
        truth = write_staged(staged, path)
        for way in missing:
            scores, found = _measured(way, staged, number, path, truth, models, settings)
            result = shelf.path(condition, number, way, ".tracks.json")
            if result is not None:
                save_tracks(found, result, "json")
            shelf.put(scores)
            known[way] = scores
    return [scores for scores in known.values() if scores is not None]


def _measured(
    way: str,
    staged: Staged,
    number: int,
    path: Path,
    truth: Tracks,
    models: Models,
    settings: FollowSettings | None,
) -> tuple[ClipScores, Tracks]:
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
    scores = ClipScores(
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
    return scores, found


def _first_prompts(truth: Tracks, *, boxes: bool) -> list[Prompt]:
    """The true mask, or box, of every object that shows on the first frame, under its own id."""
    prompts = []
    for track in truth:
        seen = track.at(0)
        if seen is not None and seen.mask is not None and seen.mask.area >= MIN_AREA:
            whole = Prompt(track.obj_id, 0, mask=seen.mask, label=track.label)
            prompts.append(replace(whole, mask=None, box=seen.box) if boxes else whole)
    return prompts
