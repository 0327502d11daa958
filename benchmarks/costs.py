"""What an archive costs, by a model whose coefficients are measured here, tested on archives within reach.

    python benchmarks/costs.py                                   # coefficients, and the test at three sizes
    python benchmarks/costs.py --hours 1000000 --core-hour 0.04 --gb-month 0.023

Indexing takes, in processor seconds: films x a film + frames x decoding + pictures x (embedding + writing).
The library takes bytes a picture on the disk. A question takes seconds a million pictures where all are
weighed. Each coefficient is measured by itself; then archives of three sizes are indexed, and what that took
is set beside what the model said. Prices are those you give; they are in no currency.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

from seektrack.library import FrameRow, LibraryStore, reader
from seektrack.pipeline import Library, Models
from seektrack.types import VideoInfo
from seektrack.video import VideoWriter, open_video

FPS, SIZE = 25, (360, 640)
HOW = {"sampling": "fps=1", "regions": "none"}


def draw(path: Path, seconds: int, seed: int) -> Path:
    """A film of blocks that move, with a cut every four seconds."""
    rng = np.random.default_rng(seed)
    with VideoWriter(path, width=SIZE[1], height=SIZE[0], fps=FPS) as writer:
        for t in range(seconds * FPS):
            if t % (4 * FPS) == 0:
                ground = np.kron(rng.integers(60, 200, (9, 16, 3)), np.ones((40, 40, 1))).astype(np.uint8)
            image = ground.copy()
            x = 20 + (7 * t) % (SIZE[1] - 120)
            image[120:220, x : x + 100] = (220, 40, 30)
            writer.write(image)
    return path


def opened(folder: Path, models: Models) -> Library:
    """A new library that uses networks which are loaded."""
    library = Library(folder, model=models.name)
    library.models = models
    return library


def took(run) -> float:
    """Processor seconds."""
    began = time.process_time()
    run()
    return time.process_time() - began


def size_of(folder: Path) -> int:
    """Bytes of a library."""
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


def coefficients(base: Path, models: Models, dim: int) -> dict[str, float]:
    """Measured one by one."""
    film = draw(base / "measured.mp4", 12, 99)
    with open_video(film) as source:
        list(source.pictures())  # the first pass finds the frames
        decode = took(lambda: [p.index for p in source.pictures()]) / (12 * FPS)
        images = [source.frame_at(t * FPS).image for t in range(12)] * 4
    models.encoder.embed_images(images[:4])
    embed = took(lambda: models.encoder.embed_images(images)) / len(images)

    rows = np.random.default_rng(0).normal(size=(20_000, dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    folder = base / "written"
    with LibraryStore.create(folder, model="m", fingerprint="f", dim=dim) as store:
        empty = size_of(folder)
        info = VideoInfo(str(film), SIZE[1], SIZE[0], Fraction(FPS), 20_000.0, 20_000 * FPS)

        def write() -> None:
            with store.begin_video(film, info) as handle:
                handle.append([FrameRow(FPS * t, Fraction(t), row) for t, row in enumerate(rows)])
                handle.finish()

        written = took(write) / len(rows)
        reader.INDEXED_FROM = len(rows)  # as a large library is searched
        store.nearest(rows[0], 10)
        weigh = took(lambda: [store.nearest(q, 10) for q in rows[:20]]) / 20 / len(rows)
    per_picture = (size_of(folder) - empty) / len(rows)
    short = draw(base / "short.mp4", 1, 98)
    with opened(base / "one", models) as library:
        library.index(draw(base / "before.mp4", 1, 97), **HOW)
        alone = took(lambda: library.index(short, **HOW))
    each = max(alone - FPS * decode - embed - written, 0.0)
    return {
        **{"film": each, "decode": decode, "embed": embed, "write": written},
        **{"weigh": weigh, "bytes": per_picture},
    }


def indexing(c: dict[str, float], films: float, frames: float, pictures: float) -> float:
    """Processor seconds by the model."""
    return films * c["film"] + frames * c["decode"] + pictures * (c["embed"] + c["write"])


def tested(base: Path, models: Models, c: dict[str, float], sizes: list[int], seconds: int) -> None:
    """Set the model beside archives that are indexed."""
    films = [draw(base / f"{n}.mp4", seconds, n) for n in range(max(sizes))]
    for count in sizes:
        with opened(base / f"archive{count}", models) as library:
            spent = took(lambda some=films[:count], to=library: to.index(some, **HOW))
            held = library.stats()
        said = indexing(c, count, count * seconds * FPS, held.vectors)
        print(
            f"{count:3d} films of {seconds} s, {held.vectors} pictures: {said:.2f} s said, "
            f"{spent:.2f} s taken, {said / spent:.2f}",
            flush=True,
        )


def archive(c: dict[str, float], given: argparse.Namespace) -> None:
    """What an archive of so many hours would take."""
    seconds = 3600.0 * given.hours
    films, frames, pictures = seconds / given.film_s, seconds * given.fps, seconds * given.per_second
    cores = indexing(c, films, frames, pictures) / 3600
    gigabytes = pictures * c["bytes"] / 1e9
    rates = f"{given.fps:g} frames/s, {given.per_second:g} pictures/s"
    print(f"\n{given.hours:,} hours, {rates}: {pictures:.3g} pictures")
    parts = {
        "films": films * c["film"],
        "decoding": frames * c["decode"],
        "embedding": pictures * c["embed"],
        "writing": pictures * c["write"],
    }
    for name, part in parts.items():
        print(f"  {name:10s} {part / 3600:12,.0f} core-hours  {part / 36 / cores:5.1f} %")
    days = cores / given.cores / 24
    print(f"  {'in all':10s} {cores:12,.0f} core-hours; {given.cores} cores: {days:,.1f} days")
    print(f"  one writer alone: {pictures * c['write'] / 86400:,.1f} days")
    weighing = pictures * c["weigh"]
    print(f"  library: {gigabytes:,.0f} GB; weighing all for one question: {weighing:,.1f} core-seconds")
    if given.core_hour or given.gb_month:
        once, month = cores * given.core_hour, gigabytes * given.gb_month
        print(f"  indexing once {once:,.0f}, keeping {month:,.0f} a month")


def main() -> None:
    """Print the coefficients, the test, and the archive that was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--seconds", type=int, default=16, help="of a film of the test")
    parser.add_argument("--hours", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--per-second", type=float, default=1.0, help="pictures kept of a second")
    parser.add_argument("--film-s", type=float, default=3600.0, help="seconds of a film")
    parser.add_argument("--cores", type=int, default=1000)
    parser.add_argument("--core-hour", type=float, default=0.0)
    parser.add_argument("--gb-month", type=float, default=0.0)
    given = parser.parse_args()
    models = Models(given.model)
    dim = models.encoder.embed_images([np.zeros((*SIZE, 3), np.uint8)]).shape[1]
    with tempfile.TemporaryDirectory() as folder:
        c = coefficients(Path(folder), models, dim)
        print(
            f"a film {1e3 * c['film']:.0f} ms; a frame decoded {1e3 * c['decode']:.2f} ms; a picture "
            f"embedded {1e3 * c['embed']:.1f} ms, written {1e6 * c['write']:.0f} us, {c['bytes']:.0f} bytes, "
            f"weighed {1e9 * c['weigh']:.0f} ns ({dim} numbers)",
            flush=True,
        )
        tested(Path(folder), models, c, given.sizes, given.seconds)
    for hours in given.hours:
        archive(c, argparse.Namespace(**{**vars(given), "hours": hours}))


if __name__ == "__main__":
    main()
