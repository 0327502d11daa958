"""Both back ends of a library over the same clustered vectors: writing, index, disk, memory, recall, latency.

    python benchmarks/backends.py                                  # 20,000 vectors, two minutes
    python benchmarks/backends.py --vectors 10000000 --kind ivf-sq8 ivf-pq --folder /disk/bench
    python benchmarks/backends.py --at s3://bucket/bench           # LanceDB on object storage too

Vectors are those of `benchmarks/retrieval.py`, in videos of 5,000 frames. Every back end is measured in a
process of its own. The filter is a window of seconds that leaves one percent.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from retrieval import DIM, footage, memory_mb, percentiles, queries, recall, say

from seektrack.library import IndexSettings, LibraryStore, Where
from seektrack.library.whole import Picture, WholeVideo

LENGTH = 5_000


def films(folder: Path, vectors: int) -> Iterator[WholeVideo]:
    """Videos of frames two a second; their files are empty, but there."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for n in range(max(1, vectors // LENGTH)):
        frames = footage(LENGTH // 200, rng).reshape(-1, DIM).astype("<f2")
        path = folder / f"{n:06d}.mp4"
        path.touch()
        pictures: list[Picture] = [
            (t, str(Fraction(t, 2)), t / 2, 0, None, None, None, None, row.tobytes())
            for t, row in enumerate(frames)
        ]
        about = {
            **{"path": str(path), "size": 0, "mtime_ns": 0, "digest": str(n), "whole": "", "damage": ""},
            **{"width": 640, "height": 360, "fps": "2", "duration_s": len(frames) / 2},
            **{"n_frames": len(frames), "settings": "", "fingerprint": "bench", "pictures": len(frames)},
        }
        yield WholeVideo(about, pictures, {})


def measure(place: str, backend: str | None, films_at: Path, args: argparse.Namespace) -> None:
    """Fill one library where it is empty, then ask it."""
    with LibraryStore.open_or_create(
        place, model="bench", fingerprint="bench", dim=DIM, backend=backend
    ) as store:
        began = time.perf_counter()
        written = sum(store.take(video) for video in films(films_at, args.vectors) if not store.same(video))
        if written:
            took = time.perf_counter() - began
            print(f"{written} vectors written in {took:.0f} s, {written / took:.0f} a second")
        began = time.perf_counter()
        store.tidy()
        print(f"tidied in {time.perf_counter() - began:.0f} s; {store.stats().bytes / 1e6:.0f} MB")
    asked = queries(args.queries)
    for kind in args.kind:
        with LibraryStore.open(place) as store:
            made = store.build_index(IndexSettings(kind=kind))
            print(
                f"{made.kind} built in {made.seconds:.0f} s; {store.stats().bytes / 1e6:.0f} MB; recall@10 on"
                f" its sample {made.recall_at_10:.3f}, lists {made.lists}, effort {made.effort}, rerank "
                f"{made.rerank}"
            )
        with LibraryStore.open(place) as store:
            began = time.perf_counter()
            store.nearest(asked[0], 10)
            opened = time.perf_counter() - began
            exact = [store.nearest(q, 10, exact=True)[1] for q in asked]
            found = [store.nearest(q, 10)[1] for q in asked]
            say(
                f"{kind}, 10 nearest",
                percentiles(lambda q, s=store: s.nearest(q, 10), asked),
                f"recall@10 {recall(found, [e - 1e-3 for e in exact]):.3f}; first after {opened:.1f} s",
            )
            if kind == args.kind[-1]:
                say("exact, 10 nearest", percentiles(lambda q, s=store: s.nearest(q, 10, exact=True), asked))
                few = Where(start_s=10, end_s=10 + LENGTH / 200)
                say(
                    "1 % filter, 10 nearest",
                    percentiles(lambda q, s=store, w=few: s.nearest(q, 10, where=w), asked),
                )
            print(f"resident memory {memory_mb():.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=30)
    parser.add_argument("--kind", nargs="+", default=["ivf-sq8"])
    parser.add_argument("--large-from", type=int, help="treat libraries of so many vectors as large ones")
    parser.add_argument("--folder", type=Path, help="keep the libraries here and use them again")
    parser.add_argument("--at", action="append", default=[], help="an address to keep one more at")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.large_from is not None:
        from seektrack.library import reader
        from seektrack.library.lance import reader as lance_reader

        reader.INDEXED_FROM, lance_reader.SCANNED_UP_TO = args.large_from, args.large_from - 1
    if args.step:
        place, backend = args.step
        measure(place, None if "://" in place else backend, args.folder / "films", args)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        places = [(str(folder / "embedded"), "embedded"), (str(folder / "lance"), "lance")]
        for place, backend in [*places, *((at, "lance") for at in args.at)]:
            print(f"\n{backend} at {place}", flush=True)
            command = [sys.executable, __file__, "--folder", str(folder), "--step", place, backend]
            command += ["--vectors", str(args.vectors), "--queries", str(args.queries), "--kind", *args.kind]
            if args.large_from is not None:
                command += ["--large-from", str(args.large_from)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
