"""What going through Ray costs on one machine, and what a second worker brings.

    python benchmarks/workers.py cost --videos 4 --seconds 24 --pairs 3     # by processor time: any machine
    python benchmarks/workers.py scaling --videos 8 --seconds 24 --pairs 3  # by the clock: two free cores

Cost: pairs of one archive indexed by this process alone and by one worker of a cluster started for it, each
in a process of its own; the processor seconds of all their processes, Ray's own among them, are added up. An
archive of half the videos tells what a cluster costs to start and what each video costs: the first is paid
once, the second is compared with one process.

Scaling: the same archive with one worker and with two, by the clock, from the first piece that arrives on, so
that starting does not count; and whole. Beside it what two processes without a cluster reach, each with half
of the videos, against one with all: what these cores give at most. What bounds that is told too: how many
cores one process keeps busy by itself, how much more processor time two side by side take for the same, and
what a loop and products of matrices, which share nothing but the machine, reach. Nothing watches meanwhile:
looking at all processes twenty times a second took 0.06 of a core for each that was watched.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from chaos import below, holds
from costs import draw

HOW = {"sampling": "fps=8", "regions": "none"}
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Spent:
    """Processor seconds of a process and all it started, looked at twenty times a second.

    Attributes:
        pid: Of the process.
        seen: The most that each was seen to have taken.
    """

    pid: int
    seen: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        """Read what they have taken by now."""
        for pid in (self.pid, *below(self.pid)):
            try:
                told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            self.seen[pid] = max(self.seen.get(pid, 0.0), (int(told[11]) + int(told[12])) / _TICKS)

    def watch(self, process: subprocess.Popen[str]) -> float:
        """Seconds until it had ended."""

        def often() -> None:
            while process.poll() is None:
                self.look()
                time.sleep(0.05)

        watcher = threading.Thread(target=often)
        watcher.start()
        said, _ = process.communicate()
        watcher.join()
        if process.returncode:
            raise SystemExit(f"a run failed:\n{said}")
        return float(said.split()[-1])

    @property
    def seconds(self) -> float:
        """All of them together."""
        return sum(self.seen.values())


def one(films: list[Path], library: Path, workers: int) -> None:
    """Index films; prints this process's processor seconds and seconds from the first report to the end."""
    from seektrack.pipeline import Library

    first: list[float] = []
    used: list[float] = []

    def note(*_: object) -> None:
        if not first:
            first.append(time.monotonic())
            used.append(time.process_time())

    with Library(library) as held:
        if workers:
            from seektrack.distributed import RayWorkers

            with RayWorkers(workers) as hands:
                held.index(films, workers=hands, progress=note, **HOW)
                ended = time.monotonic()
        else:
            held.index(films, progress=note, **HOW)
            ended = time.monotonic()
    print(time.process_time() - used[0], ended - first[0])


Ran = tuple[float, float, float, dict[str, bytes]]


def run(films: list[Path], base: Path, workers: int, *, watched: bool = True) -> Ran:
    """Processor seconds, seconds from the first frame on, seconds in all, and what the library holds.

    Processor seconds are those of all processes; where nothing watches, of the first from its first frame on.
    """
    library = base / "library"
    command = [sys.executable, __file__, "--one", str(library), str(workers), *map(str, films)]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    spent = Spent(process.pid)
    if watched:
        steady = spent.watch(process)
        processor = spent.seconds
    else:
        said, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"a run failed:\n{said}")
        processor, steady = (float(value) for value in said.split()[-2:])
    whole = time.monotonic() - began
    holding = holds(library)
    subprocess.run(["rm", "-rf", str(library)], check=True)
    return processor, steady, whole, holding


def cost(films: list[Path], base: Path, pairs: int) -> None:
    """Print what Ray costs, whole and a video."""
    half = films[: len(films) // 2]
    kept: dict[str, list[float]] = {"whole": [], "a video": [], "a start": []}
    for _ in range(pairs):
        alone_few, alone = run(half, base, 0), run(films, base, 0)
        ray_few, ray = run(half, base, 1), run(films, base, 1)
        if alone[3] != ray[3]:
            raise SystemExit("the libraries differ")
        kept["whole"].append(ray[0] / alone[0])
        kept["a video"].append((ray[0] - ray_few[0]) / (alone[0] - alone_few[0]))
        kept["a start"].append(2 * ray_few[0] - ray[0] - 2 * alone_few[0] + alone[0])
        print(
            f"alone {alone_few[0]:.1f} and {alone[0]:.1f} s of processor, one worker {ray_few[0]:.1f} and "
            f"{ray[0]:.1f}: whole {kept['whole'][-1]:.3f}, a video {kept['a video'][-1]:.3f}",
            flush=True,
        )
    print(
        f"through Ray, {len(films)} videos: {median(kept['whole']):.3f} times one process in all, "
        f"{median(kept['a video']):.3f} times for each further video, {median(kept['a start']):.1f} s for "
        f"the start (medians of {pairs}); the libraries are the same"
    )


LOOPS = {
    "a loop": "for i in range(20_000_000): i * i % 7",
    "products of matrices": "import numpy; a = numpy.ones((384, 384), 'f')\nfor i in range(1500): a @ a",
}


def machine(code: str) -> float:
    """How many times as much two processes of this code do as one, on this machine at this moment."""
    timed = f"import time; t = time.monotonic()\n{code}\nprint(time.monotonic() - t)"

    def once(_: int) -> float:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        return float(subprocess.check_output([sys.executable, "-c", timed], text=True, env=env))

    alone = once(0)
    with ThreadPoolExecutor(2) as both:
        return 2 * alone / max(both.map(once, range(2)))


def scaling(films: list[Path], base: Path, pairs: int) -> None:
    """Print how many times as fast two workers are as one, and two processes that share nothing."""
    steady, whole, apart = [], [], []
    busy, dearer = [], []
    bounds: dict[str, list[float]] = {name: [] for name in LOOPS}
    halves = [(films[k::2], base / str(k)) for k in range(2)]
    for _, place in halves:
        place.mkdir()
    for _ in range(pairs):
        alone = run(films, base, 0, watched=False)
        with ThreadPoolExecutor(2) as both:
            parts = list(both.map(lambda half: run(*half, 0, watched=False), halves))
        apart.append(alone[1] / max(part[1] for part in parts))
        busy.append(alone[0] / alone[1])
        dearer.append(sum(part[0] for part in parts) / alone[0])
        for name, code in LOOPS.items():
            bounds[name].append(machine(code))
        single, double = (run(films, base, count, watched=False) for count in (1, 2))
        if single[3] != double[3]:
            raise SystemExit("the libraries differ")
        steady.append(single[1] / double[1])
        whole.append(single[2] / double[2])
        print(
            f"one worker {single[1]:.1f} s ({single[2]:.1f} with the start), two {double[1]:.1f} "
            f"({double[2]:.1f}): {steady[-1]:.2f} ({whole[-1]:.2f}); without a cluster {apart[-1]:.2f}; "
            f"load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    print(
        f"two workers over one, {len(films)} videos: {median(steady):.2f} from the first frame on, "
        f"{median(whole):.2f} with the start; two processes without a cluster over one {median(apart):.2f} "
        f"(medians of {pairs}); one process keeps {median(busy):.2f} cores busy, two side by side take "
        f"{median(dearer):.2f} times its processor seconds; two over one by "
        + ", ".join(f"{name} {median(found):.2f}" for name, found in bounds.items())
    )


def main() -> None:
    """Draw an archive and measure."""
    if sys.argv[1:2] == ["--one"]:
        one([Path(film) for film in sys.argv[4:]], Path(sys.argv[2]), int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("cost", "scaling"))
    parser.add_argument("--videos", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=24, help="of a video")
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        films = [draw(base / f"{n}.mp4", given.seconds, n) for n in range(given.videos)]
        {"cost": cost, "scaling": scaling}[given.what](films, base, given.pairs)


if __name__ == "__main__":
    main()
