"""Where the processor's time goes when a text is followed: scan, looks, grounding, identity and engine.

A clip of the procedural world is enlarged to the size asked for and followed from its text alone. Times are
CPU seconds of all threads, each part's without the parts it calls.

    python benchmarks/looks.py --seconds 10 --fps 24 --size 1280x720
    python benchmarks/looks.py --seconds 10 --fps 24 --size 1280x720 --blind
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np

from seektrack.grounding import ProposalGrounder
from seektrack.pipeline import Models, track_objects
from seektrack.segmentation import FinishedSession, LazyFeatures
from seektrack.tracking import FollowSettings, IdentityTracker, Looks, LookSettings
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.sightings import Sightings
from seektrack.video import open_video
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds

PARTS: dict[str, list[tuple[Any, str]]] = {
    "scan and motion": [(Looks, "wanted"), (Looks, "looked"), (Sightings, "look")],
    "grounding": [(ProposalGrounder, "find"), (Eyes, "complete"), (Eyes, "gain")],
    "looks": [(Eyes, "look")],
    "identity": [(IdentityTracker, "update")],
    "engine": [(FinishedSession, "step"), (LazyFeatures, "features")],
}


class Clock:
    """CPU seconds by part; what a part calls of another counts there."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = time.process_time()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What happens inside is this part's."""
        self._turn()
        self._running.append(name)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def _turn(self) -> None:
        now = time.process_time()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function whose time is a part's."""

        @functools.wraps(function)
        def run(*args: Any, **given: Any) -> Any:
            with self.part(name):
                return function(*args, **given)

        return run


def clip(seconds: float, fps: int, size: tuple[int, int], seed: int) -> np.ndarray:
    """Frames (T, H, W, 3) of a scene of the world with a pink robot and a blue car in it."""
    settings = SceneSettings(
        n_frames=round(seconds * fps),
        cast=(("robot", "pink"), ("car", "blue")),
        actors=(1, 2),
        speed=(0.2, 1.5),
    )
    scene = render(sample_scene(seeds(Split.TEST, 1, start=seed)[0], settings))
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_LINEAR) for f in scene.frames])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--fps", type=int, default=24)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--seed", type=int, default=7600)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--text", default="a pink robot")
    parser.add_argument("--blind", action="store_true", help="look at intervals alone, as before")
    asked = parser.parse_args()
    width, height = (int(v) for v in asked.size.split("x"))
    film = clip(asked.seconds, asked.fps, (width, height), asked.seed)
    blind = LookSettings(cuts=False, newcomers=False, scan=False)
    settings = FollowSettings(looks=blind if asked.blind else LookSettings())
    models = Models(asked.model, device="cpu")
    _ = models.encoder, models.sam2
    clock, kept = Clock(), []

    def made(self: Looks, *args: Any, **given: Any) -> None:
        init(self, *args, **given)
        kept.append(self)

    init = Looks.__init__
    with ExitStack() as stack:
        for part, functions in PARTS.items():
            for owner, name in functions:
                timed = clock.timed(part, getattr(owner, name))
                stack.enter_context(mock.patch.object(owner, name, timed))
        stack.enter_context(mock.patch.object(Looks, "__init__", made))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        begun, wall = time.process_time(), time.perf_counter()
        with clock.part("the rest"), open_video(film, fps=asked.fps) as source:
            out = Path(folder)
            tracks = track_objects(
                source, asked.text, model=models, settings=settings, out=out, overlay=False
            )
        total, wall = time.process_time() - begun, time.perf_counter() - wall
    n, looks = len(film), kept[0]
    why = ", ".join(f"{k} {v}" for k, v in Counter(looks.reasons.values()).most_common())
    print(f"{asked.text!r}: {len(tracks)} tracks in {n} frames of {width}x{height}")
    print(f"looked at {len(looks.reasons)} ({why}), scanned {looks.scans}, glanced at {looks.glances}")
    print("\n| part | CPU s | ms a frame | share |\n|---|---|---|---|")
    for part in (*PARTS, "the rest"):
        spent = clock.seconds[part]
        print(f"| {part} | {spent:.1f} | {1000 * spent / n:.1f} | {spent / total:.0%} |")
    print(f"| all | {total:.1f} | {1000 * total / n:.1f} | |")
    around = sum(clock.seconds[p] for p in PARTS if p != "engine")
    print(f"\nall but the engine: {around / max(clock.seconds['engine'], 1e-9):.2f} of the engine's time")
    minute, clock_s = total / asked.seconds * 60, wall / asked.seconds * 60
    print(f"a minute of such video: {minute:.0f} CPU s, {clock_s:.0f} s by the clock")


if __name__ == "__main__":
    main()
