"""An archive indexed by workers that keep dying, and by a driver that is killed: is the library the same?

    python benchmarks/chaos.py --videos 4 --kills 3 --driver-kills 1
    python benchmarks/chaos.py --nodes 3 --kills 10 --videos 6 --frames 1500 --every 3   # a third take a node

Draws videos, indexes them in one process, then by ``seektrack index --workers``, killing a worker with
SIGKILL every few seconds and the driver as often as asked; then compares every vector. With ``--nodes`` the
workers are those of a cluster of so many nodes beside its head; one that is killed is replaced.
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


class Nodes:
    """A cluster whose nodes can be killed; none without ``count``."""

    def __init__(self, count: int) -> None:
        self.killed = 0
        self.address: str | None = None
        self._nodes: list[object] = []
        if count:
            from ray.cluster_utils import Cluster

            head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80 * 2**20}
            self._cluster = Cluster(initialize_head=True, head_node_args=head)
            self.address = self._cluster.address
            for _ in range(count):
                self._add()

    def _add(self) -> None:
        self._nodes.append(self._cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20))

    def kill_one(self, chance: random.Random) -> None:
        """Kill a node with all it runs, and put another in its place."""
        gone = self._nodes.pop(chance.randrange(len(self._nodes)))
        self._cluster.remove_node(gone, allow_graceful=False)
        self.killed += 1
        self._add()

    def close(self) -> None:
        """End it."""
        if self.address is not None:
            self._cluster.shutdown()


def main() -> None:
    """Print what was killed and whether the library is the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=4)
    parser.add_argument("--frames", type=int, default=160)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--nodes", type=int, default=0, help="of a cluster; 0: this machine alone")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--driver-kills", type=int, default=1)
    parser.add_argument("--every", type=float, default=4.0, help="seconds between kills, about")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance, nodes = random.Random(given.seed), Nodes(given.nodes)
    with tempfile.TemporaryDirectory() as base:
        films = Path(base) / "films"
        films.mkdir()
        for i in range(given.videos):
            draw(films / f"{i}.mp4", i, given.frames)
        command = [sys.executable, "-m", "seektrack", "index", str(films), "--sampling", "every=1"]
        command += ["--regions", "none", "--quiet", "--library"]
        subprocess.run([*command, f"{base}/one"], check=True)
        shared = [*command, f"{base}/many", "--workers", str(given.workers)]
        shared += ["--ray", nodes.address] if nodes.address else []
        kills, driver_kills, runs = given.kills, given.driver_kills, 0
        status = None
        while status is None or status < 0:
            driver = subprocess.Popen(shared)
            runs += 1
            while (status := driver.poll()) is None:
                time.sleep(given.every * (0.5 + chance.random()))
                alive = workers_of(os.getpid())
                if driver_kills and kills <= given.kills // 2 and alive:
                    driver_kills -= 1
                    driver.send_signal(signal.SIGKILL)
                elif kills and alive:
                    kills -= 1
                    if nodes.address and chance.random() < 1 / 3:
                        nodes.kill_one(chance)
                        continue
                    os.kill(chance.choice(alive), signal.SIGKILL)
        one, many = holds(Path(base) / "one"), holds(Path(base) / "many")
        same = one == many
        dead = f"{given.kills - kills - nodes.killed} workers, {nodes.killed} nodes"
        print(
            f"{dead} and {given.driver_kills - driver_kills} drivers killed, "
            f"{runs} runs, status {status}: {len(many)} videos, {'the same' if same else 'ANOTHER'} library"
        )
        nodes.close()
        if kills or driver_kills:
            print(
                f"ended before {kills} workers or nodes and {driver_kills} drivers were killed: more --frames"
            )
        sys.exit(0 if same and status == 0 and not kills and not driver_kills else 1)


if __name__ == "__main__":
    main()
