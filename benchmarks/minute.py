"""A minute of 720p from a text to its tracks on disk, by the clock, as one call of the command line.

A clip of the procedural world with two actors is enlarged, written as H.264 and handed to `seektrack track`;
decoding, loading the models, judging and writing count, drawing an overlay with ``--overlay`` alone.

    python benchmarks/minute.py
    python benchmarks/minute.py --seconds 10 --threads 1 --runtime onnx
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2

from seektrack.video import VideoWriter
from seektrack.world import SceneSettings, Split, frames, sample_scene, seeds


def write_film(path: Path, seconds: float, fps: int, size: tuple[int, int], seed: int) -> int:
    """A film with a pink robot and a blue car in it; how many frames it has."""
    settings = SceneSettings(
        n_frames=round(seconds * fps),
        cast=(("robot", "pink"), ("car", "blue")),
        actors=(1, 2),
        speed=(0.2, 1.5),
    )
    scene = sample_scene(seeds(Split.TEST, 1, start=seed)[0], settings)
    count = 0
    with VideoWriter(path, width=size[0], height=size[1], fps=fps) as writer:
        for picture, _, _ in frames(scene):
            writer.write(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR))
            count += 1
    return count


def main() -> None:
    """Print seconds by the clock and of the processor, for a minute."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--fps", type=int, default=24)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--seed", type=int, default=7600)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--text", default="a pink robot")
    parser.add_argument("--threads", type=int, help="of a calculation; as many as there are when left out")
    parser.add_argument("--runtime", help="torch or onnx; the program's own choice when left out")
    parser.add_argument("--overlay", action="store_true", help="draw the result too")
    asked = parser.parse_args()
    width, height = (int(v) for v in asked.size.split("x"))
    environment = dict(os.environ)
    environment.pop("OMP_NUM_THREADS", None)
    if asked.threads:
        environment["OMP_NUM_THREADS"] = str(asked.threads)
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder, "film.mp4")
        n = write_film(film, asked.seconds, asked.fps, (width, height), asked.seed)
        command = [sys.executable, "-m", "seektrack", "track", str(film), "--text", asked.text]
        command += ["--model", asked.model, "--out", str(Path(folder, "out"))]
        command += [] if asked.overlay else ["--no-overlay"]
        command += ["--runtime", asked.runtime] if asked.runtime else []
        load, begun = os.getloadavg()[0], time.perf_counter()
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - begun
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = used.ru_utime + used.ru_stime
    scale = 60 / asked.seconds
    print(
        f"{n} frames of {width}x{height}, {asked.text!r}, load before {load:.1f}, {os.cpu_count()} processors"
    )
    print(f"{wall:.1f} s by the clock, {spent:.1f} s of processor, {used.ru_maxrss / 2**20:.2f} GB at most")
    minute = f"{wall * scale:.0f} s by the clock, {spent * scale:.0f} s of processor"
    print(f"a minute of such film: {minute} (aim 150 by the clock)")


if __name__ == "__main__":
    main()
