"""A video followed in pieces against the same followed whole, on staged clips of the world.

    python benchmarks/pieces.py --conditions plain occluded --clips 1
    python benchmarks/pieces.py --clips 4 --workers 2

For each clip: IDF1 of the joined tracks and of the uncut run's against the truth of what is asked for, how
far the two agree (IDF1 of one against the other), and at how many seams an object of the truth that both
pieces found kept its id.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from seektrack.evaluation.footage import Footage, write_staged
from seektrack.metrics import frame_matches, identity
from seektrack.pipeline import Models, track_objects, track_pieces
from seektrack.types import Tracks
from seektrack.world.staged import CONDITIONS, stage


def idf1(truth: Tracks, found: Tracks) -> float:
    """By masks."""
    return identity(frame_matches(truth, found, by="mask")).idf1


def seams_kept(truth: Tracks, found: Tracks, frames: list[int], around: int) -> tuple[int, int]:
    """Objects of the truth found with one id before and behind a seam, and found on both sides at all."""
    kept = both = 0
    for seam in frames:
        for true in truth:
            sides = [
                _id_at(true, found, range(seam - around, seam)),
                _id_at(true, found, range(seam, seam + around)),
            ]
            if None not in sides:
                both += 1
                kept += sides[0] == sides[1]
    return kept, both


def _id_at(true, found: Tracks, frames: range) -> int | None:
    votes: dict[int, int] = {}
    for frame in frames:
        o = true.at(frame)
        for track, seen in found.at(frame):
            if o is not None and o.mask and seen.visible and seen.mask and seen.mask.iou(o.mask) >= 0.5:
                votes[track.obj_id] = votes.get(track.obj_id, 0) + 1
    return max(votes, key=votes.__getitem__) if votes else None


def main() -> None:
    """Print a line a clip, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS))
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--overlap", type=float, default=1.0)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--first", type=int, default=0, help="number of the first clip of a condition")
    given = parser.parse_args()
    models, rows, kept, both = Models("pocket"), [], 0, 0
    if given.workers:
        from seektrack.distributed import RayWorkers

        shared = RayWorkers(given.workers)
    else:
        shared = nullcontext()
    with shared as workers, tempfile.TemporaryDirectory() as folder:
        for condition in given.conditions:
            for number in range(given.first, given.first + given.clips):
                staged = stage(condition, number, n_frames=given.frames)
                path = Path(folder) / f"{condition}-{number}.mp4"
                truth = Footage(path, write_staged(staged, path)).showing(staged.label)
                began = time.perf_counter()
                uncut = track_objects(path, staged.label, model=models)
                between = time.perf_counter()
                cut = track_pieces(
                    path,
                    staged.label,
                    piece_s=given.seconds,
                    overlap_s=min(given.overlap, given.seconds),
                    model=models,
                    workers=workers,
                )
                took = time.perf_counter()
                seconds = given.seconds * float(truth.video.fps)
                shift = given.overlap * float(truth.video.fps) / 2
                count = max(1, int(given.frames / seconds))
                seams = [round(k * seconds + shift) for k in range(1, count)]
                k, b = seams_kept(truth, cut, seams, max(2, round(shift)))
                kept, both = kept + k, both + b
                rows.append((idf1(uncut, cut), idf1(truth, uncut), idf1(truth, cut)))
                print(
                    f"{condition:14} {number}: {len(seams)} seams, IDF1 to uncut {rows[-1][0]:.3f}, "
                    f"to truth uncut {rows[-1][1]:.3f} pieces {rows[-1][2]:.3f}, ids kept {k}/{b}, "
                    f"{between - began:.1f} s uncut, {took - between:.1f} s pieces",
                    flush=True,
                )
    means = [sum(column) / len(column) for column in zip(*rows, strict=True)]
    print(f"mean: to uncut {means[0]:.3f}, to truth uncut {means[1]:.3f} pieces {means[2]:.3f}")
    print(f"pieces over uncut, both against the truth: {means[2] / means[1]:.3f}")
    print(f"ids kept over seams: {kept} of {both}")


if __name__ == "__main__":
    main()
