"""Search in a large library: exact and approximate latency, recall, filters, opening, memory.

The library is a real one: SQLite filled with vectors shaped like those of video frames (videos of shots,
frames that drift slowly within a shot, topics that recur). Queries are other shots of the same topics. One
thread, and a plain FAISS index, as most programs would use it, is timed in the same run as a yardstick.

    python benchmarks/retrieval.py                      # 60,000 vectors, under a minute
    python benchmarks/retrieval.py --vectors 1000000    # the figures of docs/benchmarks.md, half an hour

On a machine that other work shares, ``--processor-time`` counts the processor's time instead of the wall's.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import faiss
import numpy as np

from seektrack.library import IndexKind, IndexSettings, LibraryStore, Where, database
from seektrack.library.checks import frame_checksum
from seektrack.library.rows import KINDS
from seektrack.types import VideoInfo

DIM = 512
SHOT, SHOTS = 40, 5
TOPICS = 400
now = time.process_time if "--processor-time" in sys.argv else time.perf_counter
"""The clock of every figure."""


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def footage(videos: int, rng: np.random.Generator) -> np.ndarray:
    """float32 (videos, frames, D): topics, shots about them, frames that drift within a shot."""
    topics = unit(np.random.default_rng(7).normal(size=(TOPICS, DIM)))
    shots = unit(topics[rng.integers(0, TOPICS, (videos, SHOTS))] + 0.8 * noise(rng, (videos, SHOTS)))
    drift = np.cumsum(noise(rng, (videos, SHOTS, SHOT)), axis=2) * 0.06
    frames = shots[:, :, None] + drift + 0.25 * noise(rng, (videos, SHOTS, SHOT))
    return unit(frames.reshape(videos, SHOTS * SHOT, DIM))


def noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (rng.standard_normal((*shape, DIM), dtype=np.float32) / np.sqrt(DIM)).astype(np.float32)


def fill(folder: Path, vectors: int) -> None:
    """A library of about so many frames; written in bulk, as the writer commits video by video."""
    rng = np.random.default_rng(0)
    n_videos = max(1, vectors // (SHOT * SHOTS))
    films = folder.parent / f"{folder.name}-films"  # empty, but there: what is gone is not searched
    films.mkdir()
    with LibraryStore.open_or_create(folder, model="bench", fingerprint="bench", dim=DIM) as store:
        for first in range(0, n_videos, 50):
            block = footage(min(50, n_videos - first), rng).astype("<f2")
            with store.writing() as connection:
                for i, frames in enumerate(block, first):
                    info = VideoInfo(
                        str(films / f"{i:06d}.mp4"), 640, 360, Fraction(2), len(frames) / 2, len(frames)
                    )
                    Path(info.path).touch()
                    cursor = connection.execute(
                        "INSERT INTO videos (path, size, mtime_ns, digest, whole, width, height, fps,"
                        " duration_s, n_frames, settings, fingerprint, state, damage, pictures, checksum,"
                        " owner, beat_s) VALUES (?, 0, 0, '', '', 640, 360, '2', ?, ?, '', 'bench',"
                        " 'done', '', ?, 0, '', 0)",
                        (info.path, info.duration_s, info.n_frames, len(frames)),
                    )
                    connection.executemany(
                        "INSERT INTO frames (video_id, frame_index, pts, time_s, kind, vector, checksum)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?)",
                        [
                            (*place, vector, frame_checksum(*place, (None,) * 4, vector))
                            for t, row in enumerate(frames)
                            for place in [(cursor.lastrowid, t, str(Fraction(t, 2)), t / 2, 0)]
                            for vector in [row.tobytes()]
                        ],
                    )
                    database.seal_video(connection, cursor.lastrowid)
        with store.writing() as connection:
            database.served_changed(connection)


def queries(count: int) -> np.ndarray:
    """Pictures of the same topics, other shots."""
    return unit(
        footage(count, np.random.default_rng(99))[:, 0] + 0.3 * noise(np.random.default_rng(5), (count,))
    )


def percentiles(run: Callable[[np.ndarray], object], asked: np.ndarray) -> tuple[float, float]:
    """Milliseconds, median and 95th percentile."""
    for query in asked[:3]:
        run(query)
    taken = []
    for query in asked:
        began = now()
        run(query)
        taken.append(1e3 * (now() - began))
    return float(np.median(taken)), float(np.percentile(taken, 95))


def recall(found: list[np.ndarray], exact: list[np.ndarray]) -> float:
    """Of the ten nearest, by score, as frames of a still shot tie."""
    return float(np.mean([(f[:10] >= e[9] - 1e-5).mean() for f, e in zip(found, exact, strict=True)]))


def memory_mb() -> float:
    """Resident memory of this process, mapped files included."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def say(name: str, times: tuple[float, float], extra: str = "") -> None:
    print(f"{name:42s} p50 {times[0]:8.2f} ms   p95 {times[1]:8.2f} ms   {extra}", flush=True)


def measure(folder: Path, kind: IndexKind, n_queries: int) -> None:
    """One kind of index, in a process of its own so that its memory is its own."""
    asked = queries(n_queries)
    with LibraryStore.open(folder) as store:
        began = now()
        manifest = store.build_index(IndexSettings(kind=kind))
        built = now() - began
    began = now()
    store = LibraryStore.open(folder)
    store.nearest(asked[0], 10)
    opened = 1e3 * (now() - began)
    exact = [store.nearest(q, 10, exact=True)[1] for q in asked] if kind != "flat" else []
    times = percentiles(lambda q: store.nearest(q, 10), asked)
    found = [store.nearest(q, 10)[1] for q in asked]
    measured = recall(found, exact) if exact else 1.0
    say(
        f"{kind}, 10 nearest",
        times,
        f"recall@10 {measured:.3f} (on its sample {manifest.recall_at_10:.3f})   effort {manifest.effort}"
        f"   built in {built:.0f} s   opened and asked in {opened:.0f} ms",
    )
    store.close()


def lookups(folder: Path, kind: IndexKind, n_queries: int) -> None:
    """Memory of a process that only searches; then filters."""
    asked = queries(n_queries)
    before = memory_mb()
    with LibraryStore.open(folder, readonly=True) as store:
        for query in asked:
            store.nearest(query, 10)
        print(
            f"{kind}: resident memory {memory_mb():.0f} MB after {n_queries} searches, {before:.0f} MB before"
        )
        if kind != "flat":
            return
        rows = store.vectors()[1]
        share = max(1, len(rows) // 100)
        per_video = SHOT * SHOTS
        window = (0.0, per_video / 2 / 100)  # the first hundredth of every video
        for name, where in (
            ("1 % filter: a window of seconds, all videos", Where(start_s=window[0], end_s=window[1])),
            ("one video", Where(video=rows.path(len(rows) // 2))),
            ("one video, ten seconds", Where(video=rows.path(len(rows) // 2), start_s=20, end_s=30)),
            ("a kind of picture nothing has", Where(kinds=(KINDS[2],))),
        ):
            times = percentiles(lambda q, w=where: store.nearest(q, 10, where=w), asked)
            ids, scores = store.nearest(asked[0], 10, where=where)
            kept, left = store.vectors(where=where)
            truth = np.sort(kept.astype(np.float32) @ asked[0])[::-1][:10]
            right = len(ids) == len(truth) and np.allclose(scores, truth, atol=1e-4)
            say(name, times, f"{len(left)} rows ({100 * len(left) / len(rows):.2f} %), exact: {right}")
        run = np.arange(share) + len(rows) // 3
        index = store._current_index()
        say(
            "1 % filter: rows in a row", percentiles(lambda q: index.scan(q, 10, run), asked), f"{share} rows"
        )


def yardstick(folder: Path, n_queries: int) -> None:
    """The same vectors in plain FAISS indexes, without a library around them."""
    asked = queries(n_queries)
    with LibraryStore.open(folder, readonly=True) as store:
        vectors, _ = store.vectors()
        n = len(vectors)
        lists = max(1, min(round(4 * n**0.5), n // 39))
        ivf = faiss.index_factory(DIM, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
        ivf.cp.min_points_per_centroid = 1
        rng = np.random.default_rng(0)
        ivf.train(np.float32(vectors[np.sort(rng.choice(n, min(n, 40 * lists), replace=False))]))
        for start in range(0, n, 16384):
            ivf.add(np.float32(vectors[start : start + 16384]))
        ivf.nprobe = 32
        exact = [store.nearest(q, 10, exact=True)[1] for q in asked]
        times = percentiles(lambda q: ivf.search(q[None], 10), asked)
        by_position = [ivf.search(q[None], 10)[1][0] for q in asked]
        found = [np.float32(vectors[p[p >= 0]]) @ q for p, q in zip(by_position, asked, strict=True)]
        share = np.mean([(f >= e[9] - 1e-5).sum() / 10 for f, e in zip(found, exact, strict=True)])
        say("yardstick: FAISS IVF-SQ8, nprobe 32", times, f"recall@10 {share:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=int, default=60_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--kinds", nargs="+", default=["flat", "ivf-pq", "ivf-sq8", "hnsw"])
    parser.add_argument("--folder", type=Path, help="keep the library here and use it again")
    parser.add_argument("--processor-time", action="store_true", help="where other work shares the machine")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    faiss.omp_set_num_threads(1)
    if args.step:
        step, kind = args.step
        if step == "yardstick":
            yardstick(args.folder, args.queries)
        else:
            {"measure": measure, "lookups": lookups}[step](args.folder, kind, args.queries)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary) / "library"
        if not (folder / database.FILE_NAME).exists():
            began = now()
            fill(folder, args.vectors)
            print(f"filled a library of {args.vectors} vectors in {now() - began:.0f} s")
        base = [sys.executable, __file__, "--folder", str(folder), "--queries", str(args.queries)]
        base += ["--processor-time"] * args.processor_time + ["--step"]
        for kind in args.kinds:
            subprocess.run([*base, "measure", kind], check=True)
            subprocess.run([*base, "lookups", kind], check=True)
        subprocess.run([*base, "yardstick", "-"], check=True)


if __name__ == "__main__":
    main()
