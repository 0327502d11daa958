"""Two processes that index into one library while a third searches; one of them is killed and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np

from seektrack.library import LibraryStore

FRAMES, DIM = 120, 16

WRITER = """
    import sys
    from fractions import Fraction
    import numpy as np
    from seektrack.errors import LibraryError
    from seektrack.library import FrameRow, LibraryStore
    from seektrack.types import VideoInfo

    frames, folder, *paths = sys.argv[1:]
    with LibraryStore.open_or_create(folder, model="tiny", fingerprint="f1", dim=16) as store:
        for path in paths:
            if store.status(path) == "done":
                continue
            with store.begin_video(path, VideoInfo(path, 64, 48, Fraction(30))) as handle:
                print("from", handle.last_frame_index, path, flush=True)
                for i in range(handle.last_frame_index + 1, int(frames)):
                    vector = np.random.default_rng([len(path), i]).normal(size=16)
                    handle.append([FrameRow(i, Fraction(i, 30), vector / np.linalg.norm(vector))])
                    if i % 8 == 7:
                        handle.flush()
                        print("kept", i, path, flush=True)
                        sys.stdin.readline()
                handle.finish()
    print("finished", flush=True)
"""


class Writer:
    """An indexing process that waits for a line after each commit."""

    def __init__(self, library: Path, *videos: Path) -> None:
        source = str(Path(__file__).parents[3] / "src")
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(FRAMES), str(library), *map(str, videos)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": source},
        )
        self.said: list[list[str]] = []

    def step(self) -> list[str]:
        """Let it make one commit; what it said last."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.said.append(self.process.stdout.readline().split())
        if self.said[-1][:1] == ["kept"]:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        return self.said[-1]

    def run(self) -> None:
        while self.step() not in ([], ["finished"]):
            pass
        self.process.communicate()


def vector_of(path: str, frame: int) -> np.ndarray:
    made = np.random.default_rng([len(path), frame]).normal(size=DIM)
    return (made / np.linalg.norm(made)).astype(np.float32)


def look(library: Path, seen: set[int], problems: list[str]) -> None:
    """What a search must find at any moment: whole videos, each frame in its place."""
    with LibraryStore.open(library, readonly=True) as store:
        rows = store.vectors()[1]
        served = {path: int((rows.video_ids == i).sum()) for i, path in rows.paths.items()}
        problems += [f"{path}: {n} frames served" for path, n in served.items() if n not in (0, FRAMES)]
        for path in (p for p, n in served.items() if n):
            ids, scores = store.nearest(vector_of(path, 77), 1)
            found = store.vectors_by_id(ids)[1]
            if scores[0] < 0.999 or (found.path(0), int(found.frame_indices[0])) != (path, 77):
                problems.append(f"{path}: frame 77 is not found")
        seen.add(sum(n > 0 for n in served.values()))


def test_a_third_searches_while_two_index_and_one_is_killed_and_goes_on(tmp_path: Path) -> None:
    library = tmp_path / "lib"
    videos = [tmp_path / ("v" * (i + 1) + ".mp4") for i in range(4)]
    for i, video in enumerate(videos):
        video.write_bytes(bytes([i]) * 10)
    first, second = Writer(library, *videos[::2]), Writer(library, *videos[1::2])
    first.step()

    seen, problems, stop = set[int](), list[str](), threading.Event()

    def search() -> None:
        try:
            while not stop.is_set():
                look(library, seen, problems)
        except BaseException as error:
            problems.append(repr(error))

    searching = threading.Thread(target=search)
    searching.start()
    try:
        while second.step()[:2] != ["from", "-1"] or not second.said[-1][2].endswith("vvvv.mp4"):
            pass  # its first video is done, it has begun its second
        while second.step()[0] != "kept" or int(second.said[-1][1]) < 31:
            pass
        second.process.send_signal(signal.SIGKILL)
        second.process.communicate()
        resumed = Writer(library, *videos[1::2])
        both = [threading.Thread(target=w.run) for w in (first, resumed)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
    finally:
        stop.set()
        searching.join()
    look(library, seen, problems)
    assert not problems
    assert max(seen) == 4
    assert len(seen) > 1, "nothing was searched while it grew"
    start = next(said for said in resumed.said if said[0] == "from")
    assert start[2].endswith("/vvvv.mp4"), "the finished video was indexed again"
    assert int(start[1]) >= 31, "it began anew instead of going on"
    with LibraryStore.open(library, readonly=True) as store:
        assert [(v.done, v.frames) for v in store.videos()] == [(True, FRAMES)] * 4
