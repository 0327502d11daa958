"""Hostile inputs through every door: only `SeekTrackError` may come out, in bounded time and memory.

    python tests/fuzz/run.py --inputs 20000
    python tests/fuzz/run.py --door tracks --seed 3 --inputs 500 --keep found/

Inputs run in a process that may use so much memory and time; one that dies, by a signal, by the bound or by
running on, is a finding like an exception that is none of ours. Findings are printed with the seeds that make
them again.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import faulthandler
import json
import multiprocessing as mp
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from doors import DOORS

SECONDS, BYTES = 30, 6 << 30
"""Of an input: what it may take of the processor, and of memory."""
WAIT_S = 300
"""By the clock, on a machine that may be busy with other things."""
SLOW = ("model", "session", "options", "kept", "settings", "graphs", "server")
"""Doors that get a tenth of the inputs of the others: networks run behind them."""


def work(name: str, healthy: str, seeds: list[int], keep: str | None, back: Connection) -> None:
    """Put a batch of inputs through a door, and tell what came of each, and what it took."""
    import resource

    from seektrack.errors import SeekTrackError

    warnings.simplefilter("ignore")
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    signal.signal(signal.SIGALRM, _too_long)
    signal.signal(signal.SIGPROF, _too_long)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)  # libraries below Python write what they like
    door = DOORS[name]
    for seed in seeds:
        back.send(("begin", seed, ""))
        with tempfile.TemporaryDirectory() as room:
            given = door.spoil(np.random.default_rng(seed), Path(healthy), Path(room))
            before = time.process_time()
            signal.alarm(WAIT_S)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                door.use(given)
                verdict, told = "fine", ""
            except SeekTrackError as error:
                verdict, told = ("told", "") if str(error).strip() else ("finding", "an error without words")
            except BaseException as error:
                verdict, told = "finding", _short(error)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.alarm(0)
            took = time.process_time() - before
            if verdict == "finding" and keep and isinstance(given, Path):
                target = Path(keep) / f"{name}-{seed}"
                shutil.rmtree(target, ignore_errors=True)
                (shutil.copytree if given.is_dir() else shutil.copy)(given, _made(target, given))
        back.send((verdict, seed, told))
        back.send(("took", took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
    back.send(("end", 0, ""))


def _made(target: Path, given: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target if given.is_dir() else target.with_name(f"{target.name}-{given.name}")


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError(f"ran for more than {SECONDS} s of the processor, or {WAIT_S} s")


def _short(error: BaseException) -> str:
    where = traceback.extract_tb(error.__traceback__)
    ours = [f for f in where if "seektrack" in f.filename] or list(where)
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
    return f"{type(error).__name__} at {place}: {str(error)[:120]}"


def through(name: str, healthy: Path, seeds: list[int], keep: str | None) -> collections.Counter[str]:
    """All inputs of a door, in processes that are replaced when they die."""
    counts: collections.Counter[str] = collections.Counter()
    findings: dict[str, list[int]] = {}
    left, slowest, largest = list(seeds), 0.0, 0
    context = mp.get_context("fork")
    while left:
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(name, str(healthy), left, keep, theirs))
        process.start()
        theirs.close()
        at, ended = None, False
        with contextlib.suppress(EOFError):
            while mine.poll(2 * WAIT_S):
                verdict, seed, told = mine.recv()
                if verdict == "took":
                    slowest, largest = max(slowest, seed), max(largest, told)
                    continue
                if verdict == "end":
                    ended = True
                    break
                if verdict == "begin":
                    at = seed
                    continue
                left.remove(seed)
                counts[verdict] += 1
                if told:
                    findings.setdefault(told, []).append(seed)
                at = None
        process.kill() if process.is_alive() and not ended else None
        process.join()
        if not ended:
            if at is None:
                raise RuntimeError(f"the worker of {name} ended by itself with {process.exitcode}")
            left.remove(at)
            counts["finding"] += 1
            findings.setdefault(f"the process died: {process.exitcode}", []).append(at)
    for told, where in findings.items():
        print(f"  {name}: {told}  [seeds {', '.join(map(str, where[:5]))}{' …' if len(where) > 5 else ''}]")
    counts["slowest_ms"], counts["most_mb"] = round(1000 * slowest), largest >> 10
    return counts


def main() -> None:
    """Run, print a table, and end with status 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=2000, help="in all, shared among the doors")
    parser.add_argument("--door", action="append", choices=DOORS, help="only this one; may be repeated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="folder for inputs that found something")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    names = asked.door or list(DOORS)
    share = {name: 0.1 if name in SLOW else 1.0 for name in names}
    began, rows = time.monotonic(), {}
    for i, name in enumerate(names):
        count = max(1, round(asked.inputs * share[name] / sum(share.values())))
        with tempfile.TemporaryDirectory() as healthy:
            DOORS[name].make(Path(healthy))
            seeds = [asked.seed * 1_000_000 + i * 100_000 + k for k in range(count)]
            started = time.monotonic()
            rows[name] = dict(through(name, Path(healthy), seeds, asked.keep))
            rows[name]["seconds"] = round(time.monotonic() - started)
        if not asked.json:
            print(f"{name:10s} {rows[name]}", flush=True)
    found = sum(row.get("finding", 0) for row in rows.values())
    if asked.json:
        print(json.dumps(rows))
    else:
        inputs = sum(row.get(kind, 0) for row in rows.values() for kind in ("fine", "told", "finding"))
        print(f"{inputs} inputs, {found} findings, {time.monotonic() - began:.0f} s")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
