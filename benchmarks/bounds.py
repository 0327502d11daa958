"""How near moments end to where the thing ends, and what that costs while frames are sampled.

    python benchmarks/bounds.py
    python benchmarks/bounds.py --height 720 --json

A shot of 4 s, bright and moving, is cut into 24 s of grey; the library is asked for it under some samplings.
Prints the error of both ends, the pictures decoded with and without looking for turns, and the processor time
of the whole sampling pass with over without, the median of three.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack import Library
from seektrack.encoders import Vocabulary, register_encoder
from seektrack.video import Sampling, VideoWriter, open_video, sample
from seektrack.video.turns import Turns

FPS, BEGINS_S, ENDS_S, LENGTH_S = 25, 10.12, 14.12, 24.0
SAMPLINGS = ("adaptive", "fps=2", "fps=0.5", "every=40", "adaptive=0.04,gap=20,fps=1")


class Brightness:
    """Knows bright pictures from dark ones."""

    name, dim, fingerprint, logit_scale, image_size = "brightness", 2, "brightness-1", 30.0, 8
    vocabulary = Vocabulary(("a lamp", "a cellar"), ("a cellar",))

    def embed_images(self, images: list[NDArray[np.uint8]], *, batch_size: int = 32) -> NDArray[np.float32]:
        """Bright, or not."""
        return np.array([[1, 0] if image[::8, ::8].mean() > 110 else [0, 1] for image in images], np.float32)

    def embed_texts(self, texts: list[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        """A lamp is bright."""
        return np.array([[1, 0] if "lamp" in text else [0, 1] for text in texts], np.float32)


def film(path: Path, height: int) -> Path:
    """Grey with noise, and the shot in it."""
    rng, width = np.random.default_rng(0), height * 16 // 9 // 2 * 2
    noise = [rng.normal(0, 3, (height, width, 1)) for _ in range(8)]
    with VideoWriter(path, width=width, height=height, fps=FPS, preset="ultrafast") as writer:
        for i in range(round(LENGTH_S * FPS)):
            bright = BEGINS_S <= i / FPS < ENDS_S
            picture = np.full((height, width, 3), 150.0 if bright else 60.0)
            if bright:
                x = (7 * i) % (width - height // 4)
                picture[height // 3 : height // 2, x : x + height // 4] = (230, 40, 40)
            writer.write((picture + noise[i % 8]).clip(0, 255).astype(np.uint8))
    return path


def cost(path: Path, sampling: str, *, turning: bool) -> tuple[int, float]:
    """Pictures decoded and processor seconds of a sampling pass."""
    decoded = 0
    with open_video(path) as source:
        inner = source._pictures_from

        def counted(first: int) -> object:
            nonlocal decoded
            for picture in inner(first):
                decoded += 1
                yield picture

        source._pictures_from = counted  # type: ignore[method-assign,assignment]
        began = time.process_time()
        for _ in sample(source, Sampling.parse(sampling), turns=Turns() if turning else None):
            pass
        return decoded, time.process_time() - began


def found(path: Path, sampling: str, folder: Path) -> tuple[float, float]:
    """Errors of both ends of the one moment, in seconds."""
    with Library(folder, model="brightness") as library:
        library.index(path, sampling=sampling, regions="none")
        (moment,) = library.search("a lamp")
    return abs(moment.start_s - BEGINS_S), abs(moment.end_s - ENDS_S)


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    register_encoder("brightness")(lambda *, device, dtype: Brightness())  # noqa: PLW0108
    rows = []
    with tempfile.TemporaryDirectory() as held:
        path = film(Path(held) / "film.mp4", asked.height)
        for n, sampling in enumerate(SAMPLINGS):
            errors = found(path, sampling, Path(held) / f"lib{n}")
            passes = [[cost(path, sampling, turning=turning) for turning in (False, True)] for _ in range(3)]
            ratio = float(np.median([after[1] / before[1] for before, after in passes]))
            plain, turning = (one[0] for one in passes[0])
            row = {"sampling": sampling, "errors_s": errors, "without": plain, "decoded": turning}
            rows.append(row | {"time": round(ratio, 3)})
    if asked.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(
            f"{row['sampling']:28s} ends off by {row['errors_s'][0]:.3f} and {row['errors_s'][1]:.3f} s; "
            f"{row['decoded']} pictures decoded, {row['without']} without; time {row['time']}"
        )


if __name__ == "__main__":
    main()
