"""A library that follows the disk: many files looked at again without change, and a folder that was moved.

    python benchmarks/rescan.py
    python benchmarks/rescan.py --files 10000 --moved 1000 --json

Makes tiny videos that differ by a few bytes, puts them into libraries without decoding them, and indexes the
folders again: as they are, and after a rename. Nothing may be embedded. Prints seconds, those of the
processor, and the load of the machine before.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack import Library
from seektrack.encoders import register_encoder
from seektrack.library import FrameRow, LibraryStore
from seektrack.types import VideoInfo
from seektrack.video import Sampling, VideoWriter

FOLDERS = 100


class Counting:
    """An encoder that counts what it is asked for."""

    name, dim, fingerprint, logit_scale, image_size = "counting", 8, "counting-1", 30.0, 8
    embedded = 0

    def embed_images(self, images: list[NDArray[np.uint8]], *, batch_size: int = 32) -> NDArray[np.float32]:
        """Unit vectors, counted."""
        Counting.embedded += len(images)
        return np.full((len(images), 8), 8**-0.5, np.float32)

    def embed_texts(self, texts: list[str], *, batch_size: int = 64) -> NDArray[np.float32]:
        """Unit vectors."""
        return np.full((len(texts), 8), 8**-0.5, np.float32)


def films(folder: Path, count: int) -> list[Path]:
    """So many MP4 of one frame, each with another free box at its end, a hundred to a folder."""
    folder.mkdir(parents=True)
    with VideoWriter(folder / "0.mp4", width=16, height=16, fps=10) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))
    whole = (folder / "0.mp4").read_bytes()
    (folder / "0.mp4").unlink()
    made = []
    for i in range(count):
        path = folder / f"{i // FOLDERS:04d}" / f"{i:06d}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(whole + struct.pack(">I4sQ", 16, b"free", i))
        made.append(path)
    return made


def fill(library: Path, paths: list[Path]) -> None:
    """Put films into a library as indexing leaves them, without decoding one."""
    settings = f"{Sampling.parse('adaptive')} regions=none"
    with LibraryStore.create(library, model="counting", fingerprint="counting-1", dim=8) as store:
        for path in paths:
            with store.begin_video(
                path, VideoInfo(str(path), 16, 16, Fraction(10), 0.1, 1), settings=settings
            ) as handle:
                handle.append([FrameRow(0, Fraction(0), np.full(8, 8**-0.5))])
                handle.finish()


def again(library: Path, folder: Path) -> dict[str, float]:
    """Index a folder again; what that found, and how long it took."""
    Counting.embedded = 0
    with Library(library, model="counting") as opened:
        began, worked = time.perf_counter(), time.process_time()
        report = opened.index(folder, regions="none")
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
    return {
        "unchanged": report.skipped,
        "moved": len(report.moved),
        "indexed": report.indexed,
        "failed": len(report.failed),
        "embedded": Counting.embedded,
        "seconds": round(seconds, 2),
        "processor seconds": round(worked, 2),
    }


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--moved", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    register_encoder("counting")(lambda *, device, dtype: Counting())  # noqa: PLW0108
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as held:
        room = Path(held)
        fill(room / "lib", films(room / "films", asked.files))
        unchanged = again(room / "lib", room / "films")
        fill(room / "lib2", films(room / "before", asked.moved))
        (room / "before").rename(room / "after")
        moved = again(room / "lib2", room / "after")
    if asked.json:
        print(json.dumps({"load": load, "rescanned": unchanged, "moved": moved}))
        return
    print(f"load {load:.1f} before")
    for name, row in (("rescanned", unchanged), ("moved", moved)):
        print(f"{name:10s} " + ", ".join(f"{value} {key}" for key, value in row.items()))


if __name__ == "__main__":
    main()
