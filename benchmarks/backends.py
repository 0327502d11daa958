r"""Both back ends of a library over the same clustered vectors: writing, index, disk, memory, recall, time.

    python benchmarks/backends.py                                  # 20,000 vectors, two minutes
    python benchmarks/backends.py --vectors 10000000 --length 50000 --folder /disk/bench
    python benchmarks/backends.py --at s3://bucket/bench           # LanceDB on object storage too

Large ones go in stages, each of which goes on where it was stopped:

    python benchmarks/backends.py --vectors 10000000 --length 50000 --folder /disk/bench \
        --backend embedded --stage fill         # then build, then ask

Vectors are like those of `benchmarks/retrieval.py`, in videos of equal length. Every stage of a back end runs
in a process of its own. The filter is a window of seconds that leaves one percent. Memory is told in two
numbers: the process's own, and pages of files that the system can take back.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from retrieval import DIM, SHOT, TOPICS, queries, recall, say, unit

from seektrack.library import IndexSettings, LibraryStore, Where
from seektrack.library.whole import Picture, WholeVideo

T = TypeVar("T")
STAGES = ("fill", "build", "ask")


def films(folder: Path, vectors: int, length: int) -> Iterator[WholeVideo]:
    """Videos of frames two a second; their files are empty, but there. Pictures are made when asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(max(1, vectors // length)):
        path = folder / f"{n:06d}.mp4"
        path.touch()
        about = {
            **{"path": str(path), "size": 0, "mtime_ns": 0, "digest": str(n), "whole": "", "damage": ""},
            **{"width": 640, "height": 360, "fps": "2", "duration_s": length / 2},
            **{"n_frames": length, "settings": "", "fingerprint": "bench", "pictures": length},
        }
        yield WholeVideo(about, pictures(n, length), {})


def pictures(number: int, length: int) -> Iterator[Picture]:
    """Frames of one video, made anew at each call alike."""
    rng = np.random.default_rng([0, number])
    at_once = SHOT * 25
    for first in range(0, length, at_once):
        rows = shots(25, rng)[: length - first].astype("<f2")
        for t, row in enumerate(rows, first):
            yield t, str(Fraction(t, 2)), t / 2, 0, None, None, None, None, row.tobytes()


def shots(count: int, rng: np.random.Generator) -> np.ndarray:
    """float32 (count * SHOT, D): as `retrieval.footage`, but quicker, as ten million are many.

    Noise is cut from one long strip, each time elsewhere, and a shot drifts in one direction, as far as a
    random walk would.
    """
    topics, strip = _made_once()
    picked = rng.integers(0, len(strip), (count, 2 + SHOT))
    shot = unit(topics[rng.integers(0, TOPICS, count)] + 0.8 * strip[picked[:, 0]])
    far = 0.06 * np.sqrt(np.arange(1, SHOT + 1, dtype=np.float32))
    frames = strip[picked[:, 2:]]
    frames *= 0.25
    frames += shot[:, None]
    frames += far[None, :, None] * strip[picked[:, 1]][:, None]
    rows = frames.reshape(-1, DIM)
    rows /= np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return rows


@cache
def _made_once() -> tuple[np.ndarray, np.ndarray]:
    """Topics as in `retrieval.footage`, and every place in a strip of noise as a row (N, D)."""
    topics = unit(np.random.default_rng(7).normal(size=(TOPICS, DIM)))
    strip = np.random.default_rng(8).standard_normal(2**22, dtype=np.float32) / np.float32(np.sqrt(DIM))
    return topics, np.lib.stride_tricks.sliding_window_view(strip, DIM)


def fill(store: LibraryStore, films_at: Path, args: argparse.Namespace) -> None:
    """Write what is not there yet."""
    began, written = time.perf_counter(), 0
    for video in films(films_at, args.vectors, args.length):
        if not store.same(video):
            written += store.take(video)
    if written:
        took = time.perf_counter() - began
        print(f"{written} vectors written in {took:.0f} s, {written / took:.0f} a second")
        began = time.perf_counter()
        tidy(store)
        print(f"tidied in {time.perf_counter() - began:.0f} s")


def tidy(store: LibraryStore) -> None:
    """Compact what was written, without building an index, which is a stage of its own."""
    store._index_is_due = lambda: False  # type: ignore[attr-defined]
    store.tidy()


def build(place: str, args: argparse.Namespace) -> None:
    """Build an index of each kind, the last of which stays."""
    for kind in args.kind:
        with LibraryStore.open(place) as store:
            made = store.build_index(IndexSettings(kind=kind))
            print(
                f"{made.kind} built in {made.seconds:.0f} s; recall@10 {made.recall_at_10:.3f} on its "
                f"sample, lists {made.lists}, effort {made.effort}, rerank {made.rerank}"
            )


def ask(place: str, args: argparse.Namespace) -> None:
    """Recall and latency of the index that is there, of an exact search, and of a filtered one."""
    asked = queries(args.queries)
    with LibraryStore.open(place) as store:
        began = time.perf_counter()
        store.nearest(asked[0], 10)
        opened = time.perf_counter() - began
        manifest = store.index_manifest()
        kind = "scan" if manifest is None else manifest.kind
        took, found = timed(lambda q: store.nearest(q, 10)[1], asked)
        exact_took, exact = timed(lambda q: store.nearest(q, 10, exact=True)[1], asked)
        share = recall(found, [e - 1e-3 for e in exact])
        say(f"{kind}, 10 nearest", took, f"recall@10 {share:.3f}; first after {opened:.1f} s")
        say("exact, 10 nearest", exact_took)
        few = Where(start_s=10, end_s=10 + args.length / 200)
        say("1 % filter, 10 nearest", timed(lambda q: store.nearest(q, 10, where=few), asked)[0])
        print(memory())


def timed(run: Callable[[np.ndarray], T], asked: np.ndarray) -> tuple[tuple[float, float], list[T]]:
    """Median and 95th percentile in milliseconds, and what was found; the first is not counted."""
    run(asked[0])
    taken, found = [], []
    for query in asked:
        began = time.perf_counter()
        found.append(run(query))
        taken.append(1e3 * (time.perf_counter() - began))
    return (float(np.median(taken)), float(np.percentile(taken, 95))), found


def memory() -> str:
    """What this process takes, and took at most."""
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, mapped, most = (int(told[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile", "VmHWM"))
    return f"memory {own:.0f} MB of its own, {mapped:.0f} MB of files mapped; at most {most:.0f} MB"


def one_stage(place: str, backend: str | None, films_at: Path, args: argparse.Namespace) -> None:
    """One stage of one back end."""
    if args.stage == ["fill"]:
        with LibraryStore.open_or_create(
            place, model="bench", fingerprint="bench", dim=DIM, backend=backend
        ) as store:
            fill(store, films_at, args)
        print(memory())
    elif args.stage == ["build"]:
        build(place, args)
        print(memory())
    else:
        ask(place, args)
    if "://" not in place:
        size = sum(one.stat().st_size for one in Path(place).rglob("*") if one.is_file())
        print(f"{size / 1e6:.0f} MB on disk", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=int, default=20_000)
    parser.add_argument("--length", type=int, default=5_000, help="frames of a video")
    parser.add_argument("--queries", type=int, default=30)
    parser.add_argument("--backend", nargs="+", choices=("embedded", "lance"), default=["embedded", "lance"])
    parser.add_argument("--stage", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--kind", nargs="+", default=["auto"])
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
        one_stage(place, None if "://" in place else backend, args.folder / "films", args)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        places = [(str(folder / backend), backend) for backend in args.backend]
        for place, backend in [*places, *((at, "lance") for at in args.at)]:
            print(f"\n{backend} at {place}", flush=True)
            for stage in args.stage:
                command = [sys.executable, __file__, "--folder", str(folder), "--step", place, backend]
                command += ["--vectors", str(args.vectors), "--length", str(args.length), "--stage", stage]
                command += ["--queries", str(args.queries), "--kind", *args.kind]
                if args.large_from is not None:
                    command += ["--large-from", str(args.large_from)]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
