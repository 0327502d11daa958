"""What ten minutes of `seektrack train --data` bring where the pocket models are strangers, recipe by recipe.

Umbrellas, teapots and snails in grey scans: pocket training sees neither the categories nor the style.
Each recipe is one call of `seektrack train sam2` or `seektrack train clip`, in a process of its own, stopped
by the clock; what it leaves is measured on benchmark scenes that no training touches, before and after:

- J&F of every object over clips of 24 frames, from its box on the first frame (SAM 2);
- R@1 text → crop: a name asked of ten crops of which one shows it; the crop named among all 21 categories;
  R@1 text → frame: a sentence asked of frames that all show something else (CLIP);
- and what is forgotten: J&F on plain clips, 108-way names of plain crops.

    python benchmarks/finetuning.py                       # short: does it run
    python benchmarks/finetuning.py --minutes 10 --scenes 200 --clips 24 --crops 300 --out runs/ft

Interrupted, the same command goes on, inside a training too; what `--out` holds for the same call is not run
again. A table in Markdown is printed, and kept as `table.md`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from seektrack.encoders import load_encoder
from seektrack.evaluation.finetuning import (
    STRANGE,
    change,
    collect_scans,
    follow_scores,
    scans,
    text_scores,
)
from seektrack.evaluation.pocket_sam2 import EngineFollower
from seektrack.evaluation.pocket_set import collect
from seektrack.pipeline import parse_model
from seektrack.segmentation import load_sam2
from seektrack.world import SceneSettings, vocabulary

RECIPES = {
    "sam2": ("frozen-image", "head", "lora", "full"),
    "clip": ("frozen-image", "frozen-text", "head", "lora", "full"),
}
WORLD = f"style=scan,categories={'+'.join(STRANGE)}"
Figures = dict[str, list[float]]


def command(part: str, recipe: str, out: Path, chosen: argparse.Namespace) -> list[str]:
    """The training as one types it."""
    given = ["train", part, "--recipe", recipe, "--model", model(part, chosen), "--out", str(out)]
    given += ["--max-minutes", str(chosen.minutes), "--patience", "0"]
    if part == "sam2":
        data = f"world:{chosen.scenes},{WORLD}"
        few = str(min(0.1, round(4 / chosen.scenes, 4)))
        given += ["--steps", "100000", "--held-out", few, "--workers", str(chosen.workers)]
        return [*given, "--data", data]
    data = f"world:{chosen.scenes},{WORLD},pictures={chosen.pictures}"
    return [*given, "--data", data, "--epochs", "100000"]


def model(part: str, chosen: argparse.Namespace) -> str:
    """What training starts from."""
    clip, sam2 = parse_model(chosen.model)
    return sam2 if part == "sam2" else clip


def weights(part: str, chosen: argparse.Namespace) -> str:
    """Hash of what training starts from; a hub id stands for itself."""
    start = model(part, chosen)
    folder = files("seektrack") / "pretrained" / part if start == "pocket" else Path(start)
    path = Path(str(folder)) / "model.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else start


def measure_sam2(folder: str, chosen: argparse.Namespace) -> Figures:
    """J&F of every object, on scans and on the plain world."""
    follow = EngineFollower(load_sam2(folder))
    plain = SceneSettings(n_frames=24)
    return {
        "J&F": follow_scores(follow, scans(24), chosen.clips).tolist(),
        "plain J&F": follow_scores(follow, plain, max(1, chosen.clips // 3)).tolist(),
    }


def measure_clip(folder: str, chosen: argparse.Namespace) -> Figures:
    """Right or wrong of every query, on scans and on the plain world."""
    encoder = load_encoder(folder, device="cpu")
    found = collect_scans(encoder.image_size, crops=chosen.crops, frames=chosen.frames)
    scores = text_scores(encoder, found)
    plain = collect(encoder.image_size, crops=chosen.crops, frames=1)
    labels = encoder.embed_texts(vocabulary()["labels"])
    named = (encoder.embed_images(plain.crops) @ labels.T).argmax(1) == plain.labels
    return {
        "R@1 crop": scores["text_to_crop_r1"].tolist(),
        "named": scores["crop_named"].tolist(),
        "R@1 frame": scores["text_to_frame_r1"].tolist(),
        "plain named": named.astype(float).tolist(),
    }


def measured(part: str, folder: str, chosen: argparse.Namespace) -> Figures:
    """Figures of a folder."""
    return measure_sam2(folder, chosen) if part == "sam2" else measure_clip(folder, chosen)


def kept(path: Path, key: dict[str, Any], make: Any) -> dict[str, Any]:
    """What a file holds for the same call, or what ``make`` gives, kept there."""
    if path.is_file():
        held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if held.get("key") == key:
            return held
    made = {"key": key, **make()}
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(made), encoding="utf-8")
    new.replace(path)
    return made


def train(
    part: str, recipe: str, folder: Path, key: dict[str, Any], chosen: argparse.Namespace
) -> dict[str, Any]:
    """Run one recipe, going on with one begun for the same key, and measure what it leaves."""
    call = command(part, recipe, folder, chosen)
    begun = folder.with_suffix(".begun")
    if not begun.is_file() or json.loads(begun.read_text(encoding="utf-8")) != key:
        call.append("--fresh")
        begun.write_text(json.dumps(key), encoding="utf-8")
    print("seektrack", *call, file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "seektrack", *call, "--json", "--quiet"],
        env={**os.environ, "OMP_NUM_THREADS": str(chosen.threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {"training": json.loads(done.stdout), "figures": measured(part, str(folder), chosen)}


def table(part: str, rows: list[tuple[str, dict[str, Any]]], before: Figures) -> str:
    """Recipes side by side, in Markdown."""
    names = list(before)
    lines = [
        f"| {part} | moving | steps | " + " | ".join(names) + " |",
        "|---|---|---|" + "---|" * len(names),
    ]
    for recipe, row in rows:
        told = [str(change(before[name], row["figures"][name])) for name in names]
        training = row["training"]
        lines.append(
            f"| {recipe} | {training['trainable']} | {training['steps']} | " + " | ".join(told) + " |"
        )
    counts = ", ".join(f"{name} {len(values)}" for name, values in before.items())
    return "\n".join([*lines, "", f"Items: {counts}.", ""])


def run(chosen: argparse.Namespace, out: Path) -> None:
    """Every recipe of every part; prints the table as far as it has come."""
    measuring = {name: getattr(chosen, name) for name in ("clips", "crops", "frames")}
    threads = f"{chosen.threads} thread" + "s" * (chosen.threads > 1)
    told = f"{chosen.minutes:g} minutes each, {threads}, {chosen.scenes} scenes\n"
    for part in chosen.parts:
        start = model(part, chosen)
        key: dict[str, Any] = {"model": weights(part, chosen), **measuring}
        before = kept(
            out / f"{part}-before.json", key, lambda p=part, m=start: {"figures": measured(p, m, chosen)}
        )["figures"]
        rows = []
        for recipe in RECIPES[part]:
            if chosen.recipes and recipe not in chosen.recipes:
                continue
            folder = out / f"{part}-{recipe}"
            call = command(part, recipe, Path(folder.name), chosen)
            own = {**key, "call": call}
            row = kept(
                out / f"{folder.name}.json",
                own,
                lambda p=part, r=recipe, f=folder, k=own: train(p, r, f, k, chosen),
            )
            rows.append((recipe, row))
        told += "\n" + table(part, rows, before)
        (out / "table.md").write_text(told, encoding="utf-8")
    print(told)


def main() -> None:
    """Read the options and go."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--recipes", nargs="+", choices=RECIPES["clip"], help="all of them when left out")
    parser.add_argument("--minutes", type=float, default=0.15, help="of each recipe")
    parser.add_argument("--scenes", type=int, default=6, help="to train on")
    parser.add_argument("--pictures", type=int, default=2, help="of each scene, for clip")
    parser.add_argument("--clips", type=int, default=2, help="to measure J&F on")
    parser.add_argument("--crops", type=int, default=40, help="to measure names on")
    parser.add_argument("--frames", type=int, default=12, help="to measure sentences on")
    parser.add_argument("--model", default="pocket", help="to start from; CLIP+SAM2, or a folder with both")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that draw clips for sam2")
    parser.add_argument("--out", type=Path, help="folder to keep trainings and figures in")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.out is not None:
        run(chosen, chosen.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(chosen, Path(folder))


if __name__ == "__main__":
    main()
