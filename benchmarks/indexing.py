"""Indexing: its speed against the bare encoder, and what adaptive sampling saves with a fixed camera.

    python benchmarks/indexing.py                                   # both, short
    python benchmarks/indexing.py speed --model base-geometry       # a ViT-B/32 with random weights
    python benchmarks/geometry.py clip-b16 --to B16                 # a ViT-B/16 with random weights
    python benchmarks/indexing.py towers --model B16 --forms bf16 B16-ONNX B16-INT8
    python benchmarks/indexing.py adaptive --minutes 6 --regions objects

Speed: pairs of one pass of the encoder over pictures already in memory and one run of the indexer over the
same pictures in an H.264 file, decoding, storing and committing included; the ratio is the median of pairs.

Towers: pictures in memory to vectors, preprocessing included, by transformers' own processor and model in
fp32 and by forms of the same weights (``fp32``, ``bf16`` by torch, or folders of graphs), in turn; processor
time.

Adaptive: one fixed camera, a street where now and then a thing comes by or parks, sensor noise all the time.
The same clip is indexed at four frames a second and adaptively (which takes four a second at most); a visit
is recalled when its label finds a moment that overlaps it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from seektrack.encoders import ImageSettings, load_encoder, register_encoder
from seektrack.encoders.clip import ClipEncoder
from seektrack.pipeline import Library
from seektrack.types import Moment
from seektrack.video import VideoWriter, open_video
from seektrack.world import SceneSettings, Split, frames, sample_scene, seeds

FPS = 12
VISIT_S, CYCLE_S = 3, 30
_GRAIN: dict[int, np.ndarray] = {}
CASTS = (
    ("car", "red"),
    ("dog", "yellow"),
    ("boat", "blue"),
    ("bus", "green"),
    ("cat", "white"),
    ("car", "black"),
)


@register_encoder("base-geometry")
def base_geometry(*, device: str | None, dtype: str | None) -> ClipEncoder:
    """CLIP ViT-B/32 with random weights: as slow as the real one."""
    from transformers import CLIPConfig, CLIPModel

    pocket = load_encoder("pocket")
    assert isinstance(pocket, ClipEncoder)
    settings = ImageSettings.for_size(224, family="clip")
    return ClipEncoder(
        name="base-geometry",
        model=CLIPModel(CLIPConfig()),
        tokenizer=pocket.tokenizer,
        settings=settings,
        fingerprint="random",
        device=torch.device("cpu"),
        dtype=torch.float32,
    )


def speed(model: str, *, images: int, pairs: int, side: int) -> None:
    """Print the indexer's images a second over the bare encoder's."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        scene = sample_scene(
            seeds(Split.BENCHMARK, 1)[0], SceneSettings(height=side, width=side, n_frames=images)
        )
        with VideoWriter(clip, width=side, height=side, fps=25) as writer:
            for picture, _, _ in frames(scene):
                writer.write(noisy(picture, rng))
        held = [frame.image for frame in open_video(clip)]
        with Library(Path(folder) / "warm", model=model) as library:
            encoder = library.models.encoder
            encoder.embed_images(held[:8])
            library.index(clip, sampling=f"every={images // 4}", regions="none")
            models = library.models
        ratios, rates, shares = [], [], []
        for i in range(pairs):
            began = time.perf_counter()
            cpu = time.process_time()
            encoder.embed_images(held)
            bare, bare_cpu = time.perf_counter() - began, time.process_time() - cpu
            library = Library(Path(folder) / f"lib{i}", model=model)
            library.models = models
            with library:
                began, cpu = time.perf_counter(), time.process_time()
                report = library.index(clip, sampling="every=1", regions="none")
                whole, whole_cpu = time.perf_counter() - began, time.process_time() - cpu
            assert report.frames == images
            ratios.append(bare / whole)
            shares.append(bare_cpu / whole_cpu)
            rates.append((images / bare, images / whole))
    bare_rate, rate = (median(r) for r in zip(*rates, strict=True))
    print(
        f"{model}: {side}x{side}, {images} images: encoder alone {bare_rate:.0f}/s, indexing {rate:.0f}/s, "
        f"ratio {median(ratios):.2f} (of {pairs} pairs: {', '.join(f'{r:.2f}' for r in sorted(ratios))}); "
        f"of its processor time, both threads, {median(shares):.2f} is the encoder's"
    )


def towers(model: str, forms: Sequence[str], *, images: int, pairs: int) -> None:
    """Print images a second of each form over transformers' fp32, and how near the vectors are."""
    from transformers import AutoModel, CLIPImageProcessorPil

    scene = sample_scene(seeds(Split.BENCHMARK, 1)[0], SceneSettings(n_frames=images))
    held = [picture for picture, _, _ in frames(scene)]
    reference, processor = AutoModel.from_pretrained(model).eval(), CLIPImageProcessorPil()

    def theirs(pictures: Sequence[np.ndarray]) -> np.ndarray:
        pixels = processor(list(pictures), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            rows = reference.get_image_features(pixel_values=pixels).pooler_output.numpy()
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    ways = {"transformers": theirs}
    for form in forms:
        dtype = {"fp32": "float32", "bf16": "bfloat16"}.get(form)
        ways[form] = load_encoder(
            model if dtype else form, device="cpu" if dtype else None, dtype=dtype
        ).embed_images
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(pairs + 1):
        rows = {}
        for name, embed in ways.items():
            began = time.process_time()
            rows[name] = embed(held)
            if turn:
                spent[name].append((time.process_time() - began) / images)
    for name, own in spent.items():
        ratio = median(t / o for t, o in zip(spent["transformers"], own, strict=True))
        near = float((rows["transformers"] * rows[name]).sum(1).min())
        print(f"{name[-30:]:30s} {1 / median(own):8.2f} images/s, ratio {ratio:.2f}, least cosine {near:.5f}")


@dataclass(frozen=True)
class Visit:
    """When a thing is in view."""

    label: str
    start_s: float
    end_s: float

    def found(self, moments: Sequence[Moment]) -> bool:
        """Whether a moment overlaps the visit."""
        return any(m.start_s < self.end_s and m.end_s > self.start_s for m in moments)


def noisy(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture with the noise of a sensor: a cut of one field, elsewhere each time."""
    side = picture.shape[0]
    if side not in _GRAIN:
        _GRAIN[side] = (
            np.random.default_rng(3).normal(0, 2, (side + 64, side + 64, 3)).round().astype(np.int16)
        )
    x, y = rng.integers(0, 64, 2)
    return (picture + _GRAIN[side][y : y + side, x : x + side]).clip(0, 255).astype(np.uint8)


def fixed_camera(path: Path, *, minutes: float) -> list[Visit]:
    """A street seen by one camera: a visit of three seconds in thirty; every second visitor parks."""
    rng = np.random.default_rng(1)
    n = VISIT_S * FPS
    settings = SceneSettings(
        n_frames=n,
        actors=(0, 0),
        rough=0,
        occluders=0,
        street_only=True,
        object_size=(18.0, 50.0),
        look_alikes=0,
    )
    street = seeds(Split.BENCHMARK, 1)[0]
    visits: list[Visit] = []
    with VideoWriter(path, width=256, height=256, fps=FPS) as writer:
        empty = next(iter(frames(replace(sample_scene(street, settings), actors=()))))[0]
        for i in range(max(1, round(minutes * 60 / CYCLE_S))):
            cast = CASTS[i % len(CASTS)]
            scene = sample_scene(seeds(Split.BENCHMARK, 40)[i % 39 + 1], replace(settings, cast=(cast,)))
            start = i * CYCLE_S
            seen = []
            for picture, ids, _ in frames(replace(scene, seed=street)):
                writer.write(noisy(picture, rng))
                seen.append((ids > 0).sum() > 300)
            parks = bool(i % 2 and seen[-1])
            still = picture if parks else empty
            for _ in range((CYCLE_S - VISIT_S) * FPS):
                writer.write(noisy(still, rng))
            shown = np.flatnonzero(seen)
            if len(shown) >= FPS // 2:
                end = CYCLE_S if parks else (shown[-1] + 1) / FPS
                visits.append(Visit(f"a {cast[1]} {cast[0]}", start + shown[0] / FPS, start + end))
    return visits


def adaptive(model: str, *, minutes: float, regions: str) -> None:
    """Print encodings and recall of dense and adaptive sampling."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "street.mp4"
        visits = fixed_camera(clip, minutes=minutes)
        taken = {}
        for sampling in ("fps=4", "adaptive"):
            with Library(Path(folder) / sampling, model=model) as library:
                began = time.perf_counter()
                report = library.index(clip, sampling=sampling, regions=regions)
                seconds = time.perf_counter() - began
                found = {label: library.search(label, k=50) for label in {v.label for v in visits}}
            recalled = sum(v.found(found[v.label]) for v in visits)
            taken[sampling] = report.frames
            print(
                f"{sampling}: {report.frames} frames of {minutes:g} min encoded with {regions}, "
                f"{seconds:.1f} s, {recalled} of {len(visits)} visits recalled",
                flush=True,
            )
        print(f"encodings: {taken['fps=4'] / taken['adaptive']:.1f} times fewer")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", nargs="?", choices=("speed", "towers", "adaptive", "all"), default="all")
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--forms", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("--regions", default="tiles")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.what in ("speed", "all"):
        speed(asked.model, images=asked.images, pairs=asked.pairs, side=asked.side)
    if asked.what == "towers":
        towers(asked.model, asked.forms, images=asked.images, pairs=asked.pairs)
    if asked.what in ("adaptive", "all"):
        adaptive(asked.model, minutes=asked.minutes, regions=asked.regions)


if __name__ == "__main__":
    main()
