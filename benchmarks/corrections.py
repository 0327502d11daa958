"""What one click is worth, what it costs in a long film, and whether a killed run ends the same.

Clips are staged by the procedural world and followed from the true masks of their first frame. On the first
bad frame of each object one click is given: on the object where less than half of it is held, else in the
middle of the largest error. A true mask on that frame is the measure of what a correction could do there.

    python benchmarks/corrections.py clips --conditions occluded returning --clips 4
    python benchmarks/corrections.py prompts --conditions occluded returning --clips 4
    python benchmarks/corrections.py long --frames 2000 --objects 10
    python benchmarks/corrections.py kills --moments 20
    python benchmarks/corrections.py clips --quick
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack import (
    Correction,
    Mask,
    Observation,
    Prompt,
    Track,
    TrackingSession,
    Tracks,
    open_session,
    start_session,
)
from seektrack.evaluation.footage import write_staged
from seektrack.outputs import load_tracks
from seektrack.pipeline import Models
from seektrack.video import VideoWriter
from seektrack.world import SceneSettings, TruthRecorder, frames, sample_scene
from seektrack.world.staged import CONDITIONS, stage

LEAST_AREA = 40
"""Pixels of a true mask from which on a frame counts."""
FIRST_CLIP = 200
"""Clips from here on were not looked at while rules were made."""
Pixels = NDArray[np.bool_]


def middle(pixels: Pixels) -> tuple[float, float]:
    """The point ``(x, y)`` deepest inside."""
    depth = cv2.distanceTransform(np.pad(pixels.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(x) + 0.5, float(y) + 0.5


def click(held: Pixels, true: Pixels) -> dict[str, Any]:
    """What a person would click."""
    if (held & true).sum() < 0.5 * true.sum():
        return {"positive": (middle(true & ~held),)}
    missing, wrong = _largest(true & ~held), _largest(held & ~true)
    return (
        {"positive": (middle(missing),)} if missing.sum() >= wrong.sum() else {"negative": (middle(wrong),)}
    )


def _largest(pixels: Pixels) -> Pixels:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pixels.astype(np.uint8))
    return pixels if count < 2 else labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def by_frame(tracks: Tracks, true: Track) -> dict[int, float]:
    """J of an object on every frame it shows on."""
    track = next((t for t in tracks if t.obj_id == true.obj_id), None)
    out = {}
    for o in true.observations:
        if o.mask is None or o.mask.area < LEAST_AREA:
            continue
        told = None if track is None else track.at(o.frame_index)
        seen = told is not None and told.visible and told.mask is not None
        out[o.frame_index] = (
            told.mask.iou(o.mask) if seen and told is not None and told.mask is not None else 0.0
        )
    return out


def first_bad(values: dict[int, float]) -> int | None:
    """The first frame of several below 0.5 after three that were not."""
    order = sorted(values)
    for k in range(3, len(order) - 5):
        before, after = order[k - 3 : k], order[k : k + 5]
        good = all(values[f] >= 0.5 for f in before)
        if good and values[order[k]] < 0.5 and sum(values[f] < 0.5 for f in after) >= 3:
            return order[k]
    return None


def correct(session: TrackingSession, followed: Tracks, correction: Correction) -> tuple[Tracks, Mask, int]:
    """The tracks after a correction and its repair, the mask it gave, and the frames that changed."""
    mask = session.correct(correction).mask
    for _ in session.propagate():
        pass
    after = session.tracks
    session.undo()
    if session.tracks != followed:
        raise SystemExit("undoing a correction does not bring the tracks back")
    for track in followed:
        if track.obj_id != correction.obj_id and next(t for t in after if t.obj_id == track.obj_id) != track:
            raise SystemExit(f"object {track.obj_id} was touched by a correction of {correction.obj_id}")
    return after, mask, len(_changed(followed, after))


def _changed(before: Tracks, after: Tracks) -> list[int]:
    held = {(t.obj_id, o.frame_index): _said(o) for t in before for o in t.observations}
    now = {(t.obj_id, o.frame_index): _said(o) for t in after for o in t.observations}
    return sorted({f for (i, f) in held.keys() | now.keys() if held.get((i, f)) != now.get((i, f))})


def _said(o: Observation) -> tuple[Any, ...]:
    return o.box, o.visible, None if o.mask is None else o.mask.counts


def clips(
    models: Models, conditions: Sequence[str], first: int, count: int, n_frames: int, *, bare: bool
) -> None:
    """One click on the first bad frame of every object, against a true mask there."""
    rows: list[list[float]] = []
    print("clip object frame | J there: before, click | to the end: before, click, mask | earlier | changed")
    for condition in conditions:
        for number in range(first, first + count):
            with tempfile.TemporaryDirectory() as folder:
                rows += _clip(models, condition, number, n_frames, Path(folder) / "clip.mp4", bare=bare)
    if not rows:
        print("no object had a first bad frame")
        return
    mean = np.mean(rows, axis=0)
    share = (mean[3] - mean[2]) / max(mean[4] - mean[2], 1e-9)
    print(f"{len(rows)} corrections: J on the frame {mean[0]:.3f} -> {mean[1]:.3f}")
    print(
        f"to the end {mean[2]:.3f} -> {mean[3]:.3f} (click), {mean[4]:.3f} (true mask): {share:.0%} of that"
    )
    print(
        f"earlier frames {mean[5]:.3f} -> {mean[6]:.3f} (click), {mean[7]:.3f} (true mask); others untouched"
    )


def _clip(
    models: Models, condition: str, number: int, n_frames: int, film: Path, *, bare: bool
) -> list[list[float]]:
    truth = write_staged(stage(condition, number, n_frames=n_frames), film)
    asked = _pointed(truth)
    if not asked:
        return []
    with start_session(film, prompts=asked, model=models) as session:
        followed = session.follow()
        if not bare:
            return _corrected(session, followed, truth, f"{condition}-{number}")
    with start_session(film, tracks=followed, model=models) as session:
        return _corrected(session, followed, truth, f"{condition}-{number}")


def _pointed(truth: Tracks) -> list[Prompt]:
    """The true masks of the first frame."""
    return [
        Prompt(t.obj_id, 0, mask=o.mask)
        for t in truth
        if (o := t.at(0)) is not None and o.mask is not None and o.mask.area >= LEAST_AREA
    ]


def _corrected(session: TrackingSession, followed: Tracks, truth: Tracks, name: str) -> list[list[float]]:
    """A click and a true mask on the first bad frame of every object of one clip."""
    rows = []
    for true in truth:
        track = next((t for t in followed if t.obj_id == true.obj_id), None)
        values = by_frame(followed, true)
        bad = first_bad(values) if track is not None else None
        there = None if bad is None else true.at(bad)
        if track is None or bad is None or there is None or there.mask is None:
            continue
        told = track.at(bad)
        pixels = there.mask.to_array()
        seen = told is not None and told.visible and told.mask is not None
        held = told.mask.to_array() if seen and told is not None and told.mask is not None else pixels & False
        said = Correction(bad, true.obj_id, **click(held, pixels))
        clicked, mask, changed = correct(session, followed, said)
        given, _, _ = correct(session, followed, Correction(bad, true.obj_id, mask=there.mask))
        three = [values, by_frame(clicked, true), by_frame(given, true)]
        later = [float(np.mean([v[f] for f in v if f >= bad])) for v in three]
        earlier = [float(np.mean([v[f] for f in v if f < bad])) for v in three]
        rows.append([values[bad], mask.iou(there.mask), *later, *earlier])
        told_row = " ".join(f"{v:.2f}" for v in rows[-1])
        print(f"{name} {true.obj_id} {bad} | {told_row} | {changed}", flush=True)
    return rows


def prompts(models: Models, conditions: Sequence[str], first: int, count: int, n_frames: int) -> None:
    """One click on every fourth bad frame of every object: is it obeyed, and what is the mask worth."""
    rows: list[list[float]] = []
    for condition in conditions:
        for number in range(first, first + count):
            with tempfile.TemporaryDirectory() as folder:
                film = Path(folder) / "clip.mp4"
                truth = write_staged(stage(condition, number, n_frames=n_frames), film)
                asked = _pointed(truth)
                if asked:
                    with start_session(film, prompts=asked, model=models) as session:
                        rows += answers(session, session.follow(), truth)
            print(f"{condition}-{number}: {len(rows)} clicks so far", flush=True)
    if not rows:
        print("no bad frame")
        return
    before, after, obeyed = np.array(rows).T
    print(
        f"{len(rows)} clicks: {obeyed.mean():.0%} of the clicked pixels right,"
        f" J {before.mean():.3f} -> {after.mean():.3f}"
    )
    print(f"lower by more than 0.05: {np.mean(after < before - 0.05):.0%}")


def answers(session: TrackingSession, followed: Tracks, truth: Tracks) -> list[list[float]]:
    """J before and after one click, and whether the clicked pixel is right, on bad frames of every object."""
    rows = []
    for true in truth:
        values = by_frame(followed, true)
        track = next((t for t in followed if t.obj_id == true.obj_id), None)
        for f in [f for f, value in values.items() if value < 0.7][::4] if track is not None else ():
            there, told = true.at(f), None if track is None else track.at(f)
            assert there is not None and there.mask is not None
            pixels = there.mask.to_array()
            seen = told is not None and told.visible and told.mask is not None
            held = (
                told.mask.to_array()
                if seen and told is not None and told.mask is not None
                else pixels & False
            )
            where = click(held, pixels)
            mask = session.correct(Correction(f, true.obj_id, **where)).mask
            session.undo()
            ((kind, ((x, y),)),) = where.items()
            right = bool(mask.to_array()[int(y), int(x)]) == (kind == "positive")
            rows.append([values[f], mask.iou(there.mask), float(right)])
    return rows


def write_long(film: Path, n_frames: int, n_objects: int, seed: int) -> Tracks:
    """A scene of many objects, shown forwards and backwards until the film is long, and its truth."""
    settings = SceneSettings(
        n_frames=40, actors=(n_objects, n_objects), occluders=0, object_size=(11.0, 20.0), speed=(0.3, 1.2)
    )
    scene = sample_scene(seed, settings)
    recorder = TruthRecorder(scene, fps=Fraction(25), path=str(film))
    pictures = []
    for t, (picture, ids, area) in enumerate(frames(scene)):
        pictures.append(picture)
        recorder.add(t, ids, area)
    piece = recorder.tracks()
    there_and_back = [*range(40), *range(38, 0, -1)]
    shown = [there_and_back[k % len(there_and_back)] for k in range(n_frames)]
    with VideoWriter(film, width=settings.width, height=settings.height, fps=Fraction(25), crf=18) as writer:
        for k, source in enumerate(shown):
            writer.write(pictures[source], Fraction(k, 25))
    tracks = tuple(
        replace(
            t,
            observations=tuple(
                replace(o, frame_index=k, time_s=k / 25)
                for k, f in enumerate(shown)
                if (o := t.at(f)) is not None
            ),
        )
        for t in piece
    )
    info = replace(piece.video, n_frames=n_frames, duration_s=n_frames / 25)
    return Tracks(info, "", tracks, {k: k / 25 for k in range(n_frames)})


def long(models: Models, n_frames: int, n_objects: int, wrong: int) -> None:
    """A correction in the middle of a long film of many objects."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "long.mp4"
        truth = write_long(film, n_frames, n_objects, seed=60_001)
        first = max(truth, key=lambda t: sum(o.mask.area for o in t.observations[:40] if o.mask))
        at = n_frames // 2
        span = range(at - wrong // 2, at + wrong // 2)
        faulty = _planted(truth, first, span)
        models.sam2  # noqa: B018  # loaded before the clock starts
        path = Path(folder) / "long.session"
        with start_session(film, tracks=faulty, path=path, model=models) as session:
            session._check_networks()
            true = first.at(at)
            assert true is not None and true.mask is not None
            said = Correction(at, first.obj_id, positive=(middle(true.mask.to_array()),))
            session.frame(at)
            clock, cpu = time.perf_counter(), time.process_time()
            mask = session.correct(said).mask
            wall, used = 1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - cpu)
            print(
                f"{len(faulty)} objects, {n_frames} frames: answered in {wall:.0f} ms"
                f" ({used:.0f} of processor), J {mask.iou(true.mask):.2f}"
            )
            clock, cpu = time.perf_counter(), time.process_time()
            gone_through = len(list(session.propagate()))
            changed = _changed(faulty, session.tracks)
            wall, used = time.perf_counter() - clock, time.process_time() - cpu
            print(
                f"repaired in {wall:.1f} s ({used:.1f} of processor):"
                f" went through {gone_through} frames, changed {len(changed)}, {changed[0]} to {changed[-1]};"
                f" wrong were {span[0]} to {span[-1]}"
            )
            values = by_frame(session.tracks, first)
            print(f"J on the wrong frames 0.00 -> {np.mean([values[f] for f in span if f in values]):.2f}")
            session.undo()
            print("undone: the same" if session.tracks == faulty else "undone: DIFFERENT")


def _planted(truth: Tracks, first: Track, span: range) -> Tracks:
    corner = np.zeros(truth.video.hw, dtype=bool)
    corner[:16, :16] = True
    mask = Mask.from_array(corner)
    wrong = tuple(
        replace(o, box=(0.0, 0.0, 16.0, 16.0), mask=mask) if o.frame_index in span else o
        for o in first.observations
    )
    tracks = tuple(replace(t, observations=wrong) if t is first else t for t in truth)
    return replace(truth, tracks=tracks)


def kills(moments: int, n_frames: int, runtime: str) -> None:
    """Runs killed by SIGKILL at random moments and resumed from the command line."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "clip.mp4"
        truth = write_staged(stage("occluded", FIRST_CLIP, n_frames=n_frames), film)
        boxes = [t.observations[0] for t in truth if t.observations][:2]
        asked = [a for o in boxes for a in ("--box", ",".join(f"{v:g}" for v in o.box) + f"@{o.frame_index}")]
        how = ["--runtime", runtime]
        clock = time.perf_counter()
        whole = _tracked([str(film), *asked, *how], Path(folder, "whole.session"), Path(folder, "whole"))
        took = time.perf_counter() - clock
        rng, same, followed_on = random.Random(0), 0, 0
        for k in range(moments):
            file, out = Path(folder, f"{k}.session"), Path(folder, f"out-{k}")
            running = subprocess.Popen(
                _command([str(film), *asked, *how], file, out), stderr=subprocess.DEVNULL
            )
            time.sleep(rng.uniform(0.0, took))
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
            arguments = how if file.exists() else [str(film), *asked, *how]
            followed_on += file.exists()
            same += _tracked(arguments, file, out) == whole
            print(f"killed {k + 1} of {moments}: {same} ended the same", flush=True)
        print(f"{same} of {moments} ended the same as the run that was let be; {followed_on} had a session")


def _command(arguments: Sequence[str], file: Path, out: Path) -> list[str]:
    code = "import sys; from seektrack.cli import main; main(sys.argv[1:])"
    more = ["--session", str(file), "-o", str(out), "--no-overlay", "-q", "-f", "json"]
    return [sys.executable, "-c", code, "track", *arguments, *more]


def _tracked(arguments: Sequence[str], file: Path, out: Path) -> Tracks:
    subprocess.run(_command(arguments, file, out), check=True, stdout=subprocess.DEVNULL)
    with open_session(file) as session:
        held = session.tracks
    if [_said(o) for t in load_tracks(out / "tracks.json") for o in t.observations] != [
        _said(o) for t in held for o in t.observations
    ]:
        raise SystemExit("what was written is not what the session holds")
    return held


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("clips", "prompts", "long", "kills"))
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS), choices=CONDITIONS)
    parser.add_argument("--clips", type=int, default=4, help="of each condition")
    parser.add_argument("--first", type=int, default=FIRST_CLIP, help="number of the first clip")
    parser.add_argument(
        "--bare", action="store_true", help="tracks are taken over, without what was pointed at"
    )
    parser.add_argument("--length", type=int, default=48, help="frames of a clip")
    parser.add_argument("--frames", type=int, default=2000, help="of the long film")
    parser.add_argument("--objects", type=int, default=10, help="in the long film")
    parser.add_argument("--wrong", type=int, default=20, help="frames that are planted wrong in it")
    parser.add_argument("--moments", type=int, default=20, help="at which a run is killed")
    parser.add_argument("--runtime", default="torch", help="of the runs that are killed: torch or onnx")
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--quick", action="store_true", help="little of everything")
    args = parser.parse_args()
    if args.quick:
        args.conditions, args.clips, args.frames, args.objects, args.moments = ["occluded"], 1, 120, 4, 2
    if args.part == "clips":
        clips(Models(args.model), args.conditions, args.first, args.clips, args.length, bare=args.bare)
    elif args.part == "prompts":
        prompts(Models(args.model), args.conditions, args.first, args.clips, args.length)
    elif args.part == "long":
        long(Models(args.model), args.frames, args.objects, args.wrong)
    else:
        kills(args.moments, args.length, args.runtime)


if __name__ == "__main__":
    main()
