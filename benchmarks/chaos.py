"""An archive indexed by workers that keep dying, and by a driver that is killed: is the library the same?

    python benchmarks/chaos.py --videos 4 --kills 3 --driver-kills 1

Draws videos, indexes them in one process, then by ``seektrack index --workers``, killing a worker with
SIGKILL every few seconds and the driver as often as asked; then compares every vector.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from seektrack.library import LibraryStore
from seektrack.video import VideoWriter


def draw(path: Path, seed: int, frames: int) -> None:
    """A film of changing blocks."""
    rng = np.random.default_rng(seed)
    with VideoWriter(path, width=128, height=96, fps=10) as writer:
        for _ in range(frames):
            writer.write(np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8))


def holds(folder: Path) -> dict[str, bytes]:
    """Vectors of each video, to the bit."""
    with LibraryStore.open(folder, readonly=True) as store:
        store.verify()
        vectors, rows = store.vectors()
        return {
            path: vectors[[rows.path(i) == path for i in range(len(rows))]].tobytes()
            for path in sorted(store.served().values())
        }


def below(pid: int) -> list[int]:
    """Processes started by a process, and by those."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents.setdefault(int((entry / "stat").read_text().rpartition(")")[2].split()[1]), []).append(
                int(entry.name)
            )
        except (OSError, ValueError, IndexError):
            continue
    found, todo = [], [pid]
    while todo:
        todo += (children := parents.get(todo.pop(), []))
        found += children
    return found


def workers_of(pid: int) -> list[int]:
    """Workers of a driver that have begun."""
    found = []
    for child in below(pid):
        try:
            name = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if name.startswith(b"ray::Worker"):
            found.append(child)
    return found


def main() -> None:
    """Print what was killed and whether the library is the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=4)
    parser.add_argument("--frames", type=int, default=160)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--driver-kills", type=int, default=1)
    parser.add_argument("--every", type=float, default=4.0, help="seconds between kills, about")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as base:
        films = Path(base) / "films"
        films.mkdir()
        for i in range(given.videos):
            draw(films / f"{i}.mp4", i, given.frames)
        command = [sys.executable, "-m", "seektrack", "index", str(films), "--sampling", "every=1"]
        command += ["--regions", "none", "--quiet", "--library"]
        subprocess.run([*command, f"{base}/one"], check=True)
        shared = [*command, f"{base}/many", "--workers", str(given.workers)]
        kills, driver_kills, runs = given.kills, given.driver_kills, 0
        status = None
        while status is None or status < 0:
            driver = subprocess.Popen(shared)
            runs += 1
            while (status := driver.poll()) is None:
                time.sleep(given.every * (0.5 + chance.random()))
                alive = workers_of(driver.pid)
                if driver_kills and kills <= given.kills // 2 and alive:
                    driver_kills -= 1
                    driver.send_signal(signal.SIGKILL)
                elif kills and alive:
                    kills -= 1
                    os.kill(chance.choice(alive), signal.SIGKILL)
        one, many = holds(Path(base) / "one"), holds(Path(base) / "many")
        same = one == many
        print(
            f"{given.kills - kills} workers and {given.driver_kills - driver_kills} drivers killed, "
            f"{runs} runs, status {status}: {len(many)} videos, {'the same' if same else 'ANOTHER'} library"
        )
        sys.exit(0 if same and status == 0 else 1)


if __name__ == "__main__":
    main()
