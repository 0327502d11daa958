"""What an afternoon of corrections, or twenty captions a class, teach: the same things elsewhere.

Scenes of a style and of things the pocket models never met (grey scans of umbrellas, teapots, snails) are
written as films. ``sam2``: ten are followed in sessions from a box around each object, and put right as a
person would: on an object's worst frame a box, then clicks where it is wrong, until it is right or enough was
clicked; the frames around are repaired; then its next worst frame. The truth decides where is clicked and is
given to nothing else. What the sessions then hold is what ``seektrack train sam2 --data`` learns from; J&F of
every object of other scenes of that style is measured before and after. ``clip``: twenty crops a class, their
captions and ``seektrack train clip --data``; names asked of other crops. ``films`` corrects films with masks
beside their frames instead (NAME/00000.jpg and .png) and measures on others.

    python benchmarks/put_right.py sam2 --minutes 10 --out runs/right
    python benchmarks/put_right.py clip --minutes 5 --out runs/right
    python benchmarks/put_right.py films --films FOLDER --scenes 8 --minutes 10 --out runs/right
    python benchmarks/put_right.py sam2 --paint --minutes 10 --out runs/painted
    python benchmarks/put_right.py sam2 --camera thermal --paint --minutes 10 --out runs/thermal
    python benchmarks/put_right.py sam2 --quick

``--camera``: coloured scenes of everyday things instead, as such a camera shows them.
``--paint``: where clicks do not help, the person paints the object's outline, with some ten corners.

Interrupted, the same command goes on with the films that are left, and inside the training.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from cameras import CAMERAS
from corrections import LEAST_AREA, by_frame, click
from PIL import Image

from seektrack import (
    Correction,
    Mask,
    Observation,
    Prompt,
    Track,
    TrackingSession,
    Tracks,
    start_session,
)
from seektrack.encoders import load_encoder
from seektrack.evaluation.finetuning import Change, change, collect_scans, follow_scores, scans, text_scores
from seektrack.evaluation.footage import write_scene
from seektrack.evaluation.pocket_sam2 import EngineFollower
from seektrack.geometry import crop_square, mask_to_box
from seektrack.pipeline import Models
from seektrack.segmentation import load_sam2
from seektrack.training.datasets import MaskClip, masks_beside
from seektrack.training.sam2.follow import FollowValidator
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds
from seektrack.world.languages import noun_phrase

FIRST_SCENE = 60_000
"""Of the training split: no recipe draws so far."""
GOOD, CONTENT = 0.8, 0.75
"""J from which on a person lets a frame be: one who clicks, and one who paints."""
CROP_MARGIN = 0.45
CLICKS = 5
"""Corrections of a frame, the box among them, after which a person gives up."""
CLICKS_FIRST = 3
"""The same, after which a person who paints does so."""
CORNER = 0.03
"""How far a painted outline is off at most, as a share of its length."""


def sessions(
    films: Sequence[tuple[Path, Tracks]], out: Path, models: Models, rounds: int, *, paint: bool
) -> None:
    """Follow films in sessions and put them right; beside each what it was and became, as JSON."""
    for film, truth in films:
        path, told = out / f"{film.stem}.session", out / f"{film.stem}.told.json"
        if told.exists():
            continue
        path.unlink(missing_ok=True)
        firsts = [next((o for o in t.observations if _counts(o)), None) for t in truth]
        prompts = [
            Prompt(t.obj_id, o.frame_index, box=o.box) for t, o in zip(truth, firsts, strict=True) if o
        ]
        if not prompts:
            told.write_text("[[], [], 0]", encoding="utf-8")
            continue
        with start_session(film, prompts=prompts, path=path, model=models) as session:
            session.follow()
            before = _means(session.tracks, truth)
            made = sum(_put_right(session, t, paint) for _ in range(rounds) for t in truth)
            after = _means(session.tracks, truth)
            for track in truth:
                if track.label and any(t.obj_id == track.obj_id for t in session.tracks):
                    session.rename(track.obj_id, track.label)
        told.write_text(json.dumps([before, after, made]), encoding="utf-8")
        print(f"{film.stem}: J {np.mean(before):.3f} -> {np.mean(after):.3f}, {made} corrections", flush=True)


def _counts(o: Observation) -> bool:
    return o.mask is not None and o.mask.area >= LEAST_AREA


def _means(tracks: Tracks, truth: Tracks) -> list[float]:
    return [float(np.mean(list(values.values()))) for t in truth if (values := by_frame(tracks, t))]


def _put_right(session: TrackingSession, true: Track, paint: bool) -> int:
    """Correct an object's worst frame that was not corrected yet; how many corrections it took."""
    if all(track.obj_id != true.obj_id for track in session.tracks):
        return 0  # never found at all
    values, good = by_frame(session.tracks, true), CONTENT if paint else GOOD
    told = {
        e.what["frame_index"]
        for e in session.edits
        if e.kind == "correct" and e.what["obj_id"] == true.obj_id
    }
    bad = [frame for frame, j in values.items() if j < good and frame not in told]
    if not bad:
        return 0
    frame = min(bad, key=lambda f: values[f])
    there = true.at(frame)
    assert there is not None and there.mask is not None
    pixels, said = there.mask.to_array(), Correction(frame, true.obj_id, box=there.box)
    made, most = 0, CLICKS_FIRST + 1 if paint else CLICKS
    while made < most:
        held, made = session.correct(said).mask, made + 1
        if held.iou(there.mask) >= good:
            break
        said = Correction(frame, true.obj_id, **click(held.to_array(), pixels))
        if paint and made == CLICKS_FIRST:
            said = Correction(frame, true.obj_id, mask=painted(pixels))
    for _ in session.propagate():
        pass
    return made


def painted(pixels: np.ndarray) -> Mask:
    """An object as a person paints it: its outlines with few corners, specks left out."""
    outlines, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(cv2.contourArea(o) for o in outlines)
    kept = [o for o in outlines if cv2.contourArea(o) >= 0.2 * largest]
    few = [cv2.approxPolyDP(o, CORNER * cv2.arcLength(o, closed=True), closed=True) for o in kept]
    out = np.zeros(pixels.shape, np.uint8)
    cv2.fillPoly(out, few, 1)
    return Mask.from_array(out > 0)


def seektrack(*arguments: str, threads: int = 1) -> dict[str, Any]:
    """Run a command as one types it; what it tells as JSON."""
    print("seektrack", *arguments, file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "seektrack", *arguments, "--json", "--quiet"],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return told | {"processor_s": round(used.ru_utime + used.ru_stime)}


def scan_films(
    folder: Path, count: int, n_frames: int, camera: str | None, first: int
) -> Iterator[tuple[Path, Tracks]]:
    """Scenes of the training split as films, with their truth."""
    for seed in seeds(Split.TRAIN, count, start=FIRST_SCENE + first):
        film, look = folder / f"{seed}.mp4", CAMERAS[camera](seed) if camera else None
        yield film, write_scene(sample_scene(seed, style_of(camera, n_frames)), film, look=look)


def style_of(camera: str | None, n_frames: int) -> SceneSettings:
    """The scenes that are filmed."""
    return SceneSettings(style="rich", n_frames=n_frames) if camera else scans(n_frames)


def real_films(clips: Sequence[MaskClip], folder: Path) -> Iterator[tuple[Path, Tracks]]:
    """Films with masks, as a session opens them, and their truth."""
    for clip in clips:
        with clip.open() as video:
            info, film = video.info, Path(video.info.path)
            tracks: dict[int, list[Observation]] = {}
            times = {}
            for frame in video:
                times[frame.index] = frame.time_s
                known = clip.annotation(frame.index)
                for obj_id, mask in () if known is None else known.masks.items():
                    box = mask_to_box(mask.to_array())
                    if box is not None:
                        tracks.setdefault(obj_id, []).append(
                            Observation(frame.index, frame.time_s, box, mask, 1.0)
                        )
        found = tuple(Track(i, clip.categories.get(i, ""), 1.0, tuple(seen)) for i, seen in tracks.items())
        yield film, Tracks(replace(info), "", found, times)


def learn_from(films: list[tuple[Path, Tracks]], home: Path, chosen: argparse.Namespace) -> Path:
    """Correct films and train on the sessions; the folder of the result."""
    corrected, out = home / "corrected", home / "segmenter"
    corrected.mkdir(parents=True, exist_ok=True)
    sessions(films, corrected, Models(chosen.model), chosen.rounds, paint=chosen.paint)
    told = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(corrected.glob("*.told.json"))]
    before, after = ([value for one in told for value in one[i]] for i in (0, 1))
    print(
        f"{len(told)} films put right by {sum(one[2] for one in told)} corrections:"
        f" J of what the sessions hold {change(before, after)}, {len(before)} objects"
    )
    if not chosen.minutes:
        raise SystemExit(0)
    figures = seektrack(
        "train", "sam2", "--data", str(corrected), "--recipe", chosen.recipe,
        "--minutes", str(chosen.minutes), "--steps", str(chosen.steps), "--frames", str(chosen.window),
        "--held-out", chosen.held_out,
        "--patience", "0", "--workers", "0", "--out", str(out), "--model", chosen.model,
        *(["--fresh"] if chosen.fresh else []), *chosen.more,
        threads=chosen.threads,
    )  # fmt: skip
    print("trained: " + json.dumps({k: v for k, v in figures.items() if k not in ("folder", "report")}))
    return out


def sam2(home: Path, chosen: argparse.Namespace) -> Change:
    """Scans put right, and other scans measured."""
    films = home / "films"
    films.mkdir(parents=True, exist_ok=True)
    made = list(scan_films(films, chosen.scenes, chosen.length, chosen.camera, 1000 * chosen.seed))
    out = learn_from(made, home, chosen)
    models = [EngineFollower(load_sam2(name)) for name in (chosen.model, str(out))]
    camera, style = CAMERAS.get(chosen.camera), style_of(chosen.camera, 24)
    found = change(*(follow_scores(one, style, chosen.clips, look=camera) for one in models))
    plain = SceneSettings(n_frames=24)
    print("plain clips:", change(*(follow_scores(one, plain, max(1, chosen.clips // 3)) for one in models)))
    return found


def films(home: Path, chosen: argparse.Namespace) -> Change:
    """Real films put right, and others measured."""
    every = masks_beside(chosen.films)
    order = np.random.default_rng(chosen.seed).permutation(len(every)).tolist()
    mine, others = order[: chosen.scenes], order[chosen.scenes : chosen.scenes + chosen.clips]
    print("corrected:", ", ".join(every.keys[i] for i in mine))
    out = learn_from(list(real_films([every[i] for i in mine], home)), home, chosen)
    watched = FollowValidator([every[i] for i in others], frames=24)
    scores = []
    for model in (chosen.model, str(out)):
        scores.append([(one.j + one.f) / 2 for one in watched.each(load_sam2(model))])
    for i, before, after in zip(others, *scores, strict=False):
        print(f"{every.keys[i]}: {before:.3f} -> {after:.3f}")
    return change(*scores)


def clip(home: Path, chosen: argparse.Namespace) -> dict[str, Change]:
    """Twenty captions a class, and other crops named."""
    pictures, out = home / "pictures", home / "encoder"
    pictures.mkdir(parents=True, exist_ok=True)
    write_pictures(pictures, chosen.captions)
    figures = seektrack(
        "train", "clip", "--data", str(pictures), "--recipe", chosen.recipe, "--minutes", str(chosen.minutes),
        *(["--epochs", str(chosen.epochs)] if chosen.epochs else []), "--out", str(out),
        "--model", chosen.model,
        *(["--fresh"] if chosen.fresh else []), *chosen.more,
        threads=chosen.threads,
    )  # fmt: skip
    print("trained: " + json.dumps({k: v for k, v in figures.items() if k not in ("folder", "report")}))
    found = [load_encoder(model, device="cpu") for model in (chosen.model, str(out))]
    asked = collect_scans(found[0].image_size, crops=chosen.crops, frames=4)
    before, after = (text_scores(encoder, asked) for encoder in found)
    return {name: change(before[name], after[name]) for name in ("text_to_crop_r1", "crop_named")}


def write_pictures(folder: Path, count: int) -> None:
    """Crops of ``count`` objects of each class with their names: captions.csv."""
    held: dict[str, int] = {}
    rows = []
    classes = scans().categories or ()
    for seed in seeds(Split.TRAIN, 5000, start=FIRST_SCENE):
        if len(held) == len(classes) and min(held.values()) >= count:
            break
        shown = render(sample_scene(seed, scans()))
        for actor in shown.scene.actors:
            name = str(actor.category)
            mask = shown.ids[0] == actor.obj_id
            box = mask_to_box(mask)
            if name not in classes or box is None or mask.sum() < 80 or held.get(name, 0) >= count:
                continue
            held[name] = held.get(name, 0) + 1
            file = f"{name}-{held[name]:02d}.png"
            Image.fromarray(crop_square(shown.frames[0], box, 96, margin=CROP_MARGIN)).save(folder / file)
            rows.append((file, noun_phrase(name, None, "en")))
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "caption"), *rows])


def main() -> None:
    """Read the options and go."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("sam2", "clip", "films"))
    parser.add_argument("--films", type=Path, help="folder of films with masks beside their frames")
    parser.add_argument("--camera", choices=tuple(CAMERAS), help="what films the scenes; scans without it")
    parser.add_argument("--scenes", type=int, default=10, help="films that are put right")
    parser.add_argument("--rounds", type=int, default=2, help="frames of each object put right at most")
    parser.add_argument("--paint", action="store_true", help="outlines where clicks do not help")
    parser.add_argument("--length", type=int, default=12, help="frames of a drawn film")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training; 0 stops before it")
    parser.add_argument("--recipe", default=None)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--window", type=int, default=4, help="frames of a stretch in a step")
    parser.add_argument("--held-out", default="0.1")
    parser.add_argument("--clips", type=int, default=12, help="to measure J&F on")
    parser.add_argument("--captions", type=int, default=20, help="of each class")
    parser.add_argument("--epochs", type=int, help="the command's own number when left out")
    parser.add_argument("--crops", type=int, default=300, help="to measure names on")
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--seed", type=int, default=0, help="other scenes, or other films, are put right")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="train anew")
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument(
        "--more", nargs=argparse.REMAINDER, default=[], help="further options of the training"
    )
    parser.add_argument("--out", type=Path, help="folder to keep sessions and trainings in")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.scenes, chosen.rounds, chosen.minutes, chosen.clips, chosen.crops, chosen.epochs = (
            3,
            1,
            0.3,
            1,
            30,
            2,
        )
    chosen.recipe = chosen.recipe or ("lora" if chosen.part == "clip" else "full")
    torch.set_num_threads(chosen.threads)
    parts: dict[str, Callable[[Path, argparse.Namespace], Any]] = {"sam2": sam2, "clip": clip, "films": films}
    with tempfile.TemporaryDirectory() as folder:
        home = (chosen.out or Path(folder)) / chosen.part
        found = parts[chosen.part](home, chosen)
    for name, one in (found if isinstance(found, dict) else {"J&F": found}).items():
        print(f"{name}: {one}, {one.items} items")


if __name__ == "__main__":
    main()
