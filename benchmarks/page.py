"""Milliseconds a frame that the page takes to draw masks, boxes, trails and names, in headless Chromium.

    python benchmarks/page.py [--objects 20] [--size 1280x720] [--frames 120]

The page's own painter, on frames of moving blobs of a tenth of the picture's height, every mask another
on every frame: decoded from its run lengths, traced, drawn, and waited for until the pixels are there.
Where other work shares the machine, the processor time of the browser, all its processes together, says
what a frame takes.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import os
import shutil
import statistics
import threading
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

import seektrack
from seektrack.types import Mask

WEB = Path(seektrack.__file__).parent / "serving" / "web"
_DRAW = """async ({frames, width, height}) => {
    const { Painter } = await import("/js/draw.js");
    const canvas = document.createElement("canvas");
    canvas.style.cssText = `position: fixed; left: 0; top: 0; width: ${width}px; height: ${height}px`;
    document.body.replaceChildren(canvas);
    const painter = new Painter(canvas, width, height), context = canvas.getContext("2d"), took = [];
    const look = { masks: true, boxes: true, trails: true, tags: true, chosen: 1, label: () => "a red car",
        outlined: (id) => id % 2, trail: (id) => [[0, 0], [9 * id, 30], [20 * id, 40]] };
    for (const objects of frames) {
        const began = performance.now();
        painter.draw(objects, look);
        context.getImageData(0, 0, 1, 1);
        took.push(performance.now() - began);
    }
    return took;
}"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *told: object) -> None:
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--frames", type=int, default=120)
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(WEB)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(f"http://127.0.0.1:{server.server_port}/icon.svg")
        page.goto(f"http://127.0.0.1:{server.server_port}/css/base.css")
        frames = [scene(width, height, given.objects, n) for n in range(given.frames)]
        told = {"frames": frames, "width": width, "height": height}
        page.evaluate(_DRAW, {**told, "frames": frames[:2]})
        page.evaluate("frames => frames.length", frames)  # handing them over is not drawing
        handed = -processor_s()
        page.evaluate("frames => frames.length", frames)
        handed += processor_s()
        began = processor_s()
        took = sorted(page.evaluate(_DRAW, told)[5:])
        processor = (processor_s() - began - handed) / len(frames)
        browser.close()
    server.shutdown()
    p50, p95 = statistics.median(took), took[int(0.95 * len(took))]
    print(
        f"{given.objects} objects, {width}x{height}: fastest {took[0]:.1f} ms, p50 {p50:.1f}, p95 {p95:.1f}, "
        f"processor {1000 * processor:.1f} ms a frame"
    )


def processor_s() -> float:
    """Processor time of all processes this one began, theirs too."""
    began: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            held = stat.read_text().rpartition(")")[2].split()
            began.setdefault(int(held[1]), []).append(int(stat.parent.name))
            seconds[int(stat.parent.name)] = (int(held[11]) + int(held[12])) / os.sysconf("SC_CLK_TCK")
    total, waiting = 0.0, list(began.get(os.getpid(), ()))
    while waiting:
        one = waiting.pop()
        total += seconds.get(one, 0.0)
        waiting += began.get(one, ())
    return total


def scene(width: int, height: int, objects: int, frame: int) -> list[dict[str, object]]:
    """What the service would tell of one frame."""
    found: list[dict[str, object]] = []
    for n in range(objects):
        rng = np.random.default_rng(n)
        x, y = rng.uniform(0.1, 0.9, 2) * (width, height) + frame * rng.uniform(-2, 2, 2)
        radius = height // 20
        mask = np.zeros((height, width), np.uint8)
        cv2.ellipse(mask, (int(x), int(y)), (2 * radius, radius), 3 * frame + 20 * n, 0, 360, 1, -1)
        noise = np.random.default_rng((n, frame)).random((height // 4, width // 4)) < 0.004
        mask[cv2.resize(noise.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0] = 0
        held = Mask.from_array(mask > 0)
        if held.box is not None:
            seen = {
                "box": [float(v) for v in held.box],
                "mask": held.to_coco(),
                "score": 0.9,
                "visible": True,
            }
            found.append({"obj_id": n, **seen})
    return found


if __name__ == "__main__":
    main()
