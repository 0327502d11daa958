"""A server under ten people: questions, clicks beside a batch job, fifty requests at once, memory.

The library is a real one filled with vectors of made-up frames; the film is drawn, 1280x720. The server is
``seektrack serve`` as a process of its own, asked over HTTP from this one.

    python benchmarks/serving.py                       # 20,000 frames, some minutes
    python benchmarks/serving.py --frames 100000 --requests 1000 --sessions 50
    python benchmarks/serving.py --frames 100000 --questions   # in this process, by processor time

On a machine that other work shares only processor time means something: what the server took stands behind
the times, and ``--questions`` counts that alone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from seektrack.encoders import contrast_texts, embed_queries
from seektrack.library import DistanceShelf, FrameRow, LibraryStore, TurnTimes
from seektrack.pipeline import Library, Models
from seektrack.types import VideoInfo
from seektrack.video import VideoWriter

PER_VIDEO, SHOT = 200, 20
QUESTIONS = ("a red car", "a dog", "two boats", "a blue bus at night", "a man with a dog", "trees -people")
ORDERED = "a red car -> a dog"


def fill(folder: Path, frames: int, per_video: int = PER_VIDEO) -> None:
    """A library of so many whole frames, of the pocket encoder: shots of what is asked for and of others."""
    encoder = Models().encoder
    rng = np.random.default_rng(0)
    known = embed_queries(encoder, [*QUESTIONS[:-1], *contrast_texts(encoder)])
    topics = np.concatenate([known, rng.standard_normal((300, encoder.dim)) / encoder.dim**0.5])
    with LibraryStore.create(
        folder, model="pocket", fingerprint=encoder.fingerprint, dim=encoder.dim
    ) as store:
        for n in range(max(1, frames // per_video)):
            shots = topics[rng.integers(0, len(topics), per_video // SHOT)].repeat(SHOT, axis=0)
            rows = shots + 0.3 * rng.standard_normal(shots.shape) / encoder.dim**0.5
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            info = VideoInfo(f"bench://{n}", 640, 360, Fraction(2), len(rows) / 2, len(rows))
            far = rng.uniform(0.4, 1.05, len(rows) // SHOT).repeat(SHOT)
            with store.begin_video(info.path, info, settings="bench") as handle:
                handle.append([FrameRow(i, Fraction(i, 2), row) for i, row in enumerate(rows)])
                turns = TurnTimes({i: i / 2 - 0.1 for i in range(0, len(rows), SHOT)})
                handle.finish(turns=turns)
            DistanceShelf(store).put(info.path, dict(enumerate(far.tolist())), "bench")


def draw(path: Path, frames: int) -> None:
    """A square and a disc that cross a noisy ground, 1280x720."""
    rng = np.random.default_rng(1)
    ground = rng.integers(60, 120, (720, 1280, 3), dtype=np.uint8)
    rows, columns = np.mgrid[:720, :1280]
    with VideoWriter(path, width=1280, height=720, fps=25) as writer:
        for n in range(frames):
            picture = ground.copy()
            picture[200:380, 100 + 4 * n : 300 + 4 * n] = (200, 40, 30)
            picture[(rows - 500) ** 2 + (columns - 1100 + 4 * n) ** 2 < 90**2] = (30, 60, 200)
            writer.write(picture)


@contextlib.contextmanager
def server(folder: Path) -> Iterator[tuple[httpx.Client, int]]:
    """A server on the library of a folder: a client of it, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "seektrack", "serve", str(folder / "library"), "--port", str(port)]
    process = subprocess.Popen([*command, "--root", str(folder), "--quiet"])
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=300)
    try:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if client.get("/health").status_code == 200:
                    break
            time.sleep(0.1)
        yield client, process.pid
    finally:
        client.close()
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def told(what: str, seconds: list[float], processor_s: float | None = None) -> None:
    """Print median and 95th percentile, and the processor time of one."""
    p50, p95 = (1000 * float(np.percentile(seconds, q)) for q in (50, 95))
    took = "" if processor_s is None else f"   processor {1000 * processor_s / len(seconds):5.0f} ms each"
    print(f"{what:<58} p50 {p50:7.0f} ms   p95 {p95:7.0f} ms   n {len(seconds)}{took}", flush=True)


def processor_s(pid: int) -> float:
    """Processor time a process has taken, all its threads together."""
    held = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(held[11]) + int(held[12])) / os.sysconf("SC_CLK_TCK")


def timed(call: Callable[[int], Any], count: int) -> list[float]:
    """Seconds of each call, one after the other."""
    took = []
    for n in range(count):
        began = time.perf_counter()
        call(n)
        took.append(time.perf_counter() - began)
    return took


def questions(library: Path, frames: int, count: int) -> None:
    """Processor time of one question after the other, in this process, without HTTP around it."""
    with Library(library) as opened:
        for text in (*QUESTIONS, ORDERED):
            opened.search(text)
            took = []
            for _ in range(count):
                began = time.process_time()
                opened.search(text)
                took.append(time.process_time() - began)
            told(f"{frames} frames, processor: {text}", took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--film", type=int, default=40, help="frames of the film")
    parser.add_argument("--count", type=int, default=20, help="questions and clicks of each kind")
    parser.add_argument("--requests", type=int, default=200, help="over which memory is watched")
    parser.add_argument("--sessions", type=int, default=10, help="over which memory is watched")
    parser.add_argument("--questions", action="store_true", help="questions alone, by processor time")
    parser.add_argument("--per-video", type=int, default=PER_VIDEO, help="frames of each film")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "library", asked.frames, asked.per_video)
        if asked.questions:
            questions(folder / "library", asked.frames, asked.count)
            return
        draw(folder / "film.mp4", asked.film)
        with server(folder) as (client, pid):
            measure(client, pid, asked)


def measure(client: httpx.Client, pid: int, asked: argparse.Namespace) -> None:
    """Ask, click, and watch the memory."""

    def question(n: int) -> None:
        body = {"text": QUESTIONS[n % len(QUESTIONS)]}
        client.post("/libraries/library/search", json=body).raise_for_status()

    def click(frame: int) -> None:
        prompt = {"frame_index": frame, "points": [[200.0 + 4 * frame, 290.0]]}
        client.post("/segment", json={"video": "film.mp4", "prompts": [prompt]}).raise_for_status()

    def measured(what: str, call: Callable[[int], Any], count: int) -> None:
        began = processor_s(pid)
        seconds = timed(call, count)
        told(what, seconds, processor_s(pid) - began)

    timed(question, len(QUESTIONS))
    click(0)
    measured(f"question to moments, {asked.frames} frames, warm", question, asked.count)
    measured("click to mask at 720p, a frame not seen before", click, min(asked.count, asked.film))
    measured("click to mask at 720p, the same frame again", lambda n: click(asked.film - 1), asked.count)

    boxes = [[100.0, 200.0, 300.0, 380.0], [1010.0, 410.0, 1190.0, 590.0]]
    prompts = [{"obj_id": n, "box": box} for n, box in enumerate(boxes)]
    job = client.post("/track_objects", json={"video": "film.mp4", "prompts": prompts}).json()["id"]
    while client.get(f"/jobs/{job}").json()["state"] == "queued":
        time.sleep(0.05)
    beside = timed(lambda n: click(n % 8), asked.count)
    state = client.get(f"/jobs/{job}").json()["state"]
    told(f"click to mask at 720p beside a batch job ({state} at the end)", beside)
    told("question to moments after it", timed(question, asked.count))
    client.post(f"/jobs/{job}/cancel")

    took: list[float] = []
    lock = threading.Lock()

    def one(n: int) -> None:
        began = time.perf_counter()
        question(n)
        with lock:
            took.append(time.perf_counter() - began)

    began = processor_s(pid)
    with ThreadPoolExecutor(50) as many:
        list(many.map(one, range(50)))
    told("question to moments, 50 at once", took, processor_s(pid) - began)

    before = memory_mb(pid)
    timed(question, asked.requests)
    after = memory_mb(pid)
    print(f"memory over {asked.requests} requests: {before:.0f} to {after:.0f} MiB", flush=True)
    each = max(1, asked.sessions // 10)
    told_mb = [after]
    for n in range(1, asked.sessions + 1):
        session = client.post("/sessions", json={"video": "film.mp4"}).json()["id"]
        fix = {"frame_index": 0, "positive": [[200.0, 290.0]]}
        client.post(f"/sessions/{session}/corrections", json=fix).raise_for_status()
        if n % each == 0:
            told_mb.append(memory_mb(pid))
    held = " ".join(f"{one:.0f}" for one in told_mb)
    print(f"memory over {asked.sessions} sessions, every {each}: {held} MiB", flush=True)


if __name__ == "__main__":
    main()
