"""Following a stream live: latency, dropped frames and memory, over loopback, with one object and with eight.

A sender encodes drawn pictures of 720p as they are due and serves them as MPEG-TS over HTTP. Unless
``--steady`` nothing comes for some seconds after a quarter of the time, and half-way the connection breaks
off and comes back in another size.

    python benchmarks/live.py --seconds 20
    python benchmarks/live.py --seconds 600 --objects 8
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import resource
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.pipeline import track_live
from seektrack.pipeline.models import Models
from seektrack.types import Mask, Prompt

SIDE = (720, 1280)
STALL_S = 4.0


def scene(ground: NDArray[np.uint8], t: float, objects: int, hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Discs of eight colours on a ground, each swinging on a line of its own; drawn for 720p."""
    image = ground.copy()
    for k in range(objects):
        x, y = place(k, t)
        cv2.circle(image, (round(x), round(y)), 45, colour_of(k), -1)
    return image if hw == SIDE else np.asarray(cv2.resize(image, hw[::-1]), dtype=np.uint8)


def colour_of(k: int) -> tuple[int, int, int]:
    """A disc's colour, RGB."""
    return 60 + 127 * (k & 1), 60 + 127 * (k >> 1 & 1), 60 + 127 * (k >> 2 & 1)


def is_its_own(image: NDArray[np.uint8], obj_id: int, mask: Mask | None) -> bool:
    """Whether most pixels of a disc's mask are nearest to its colour, of all discs' and the ground's."""
    if mask is None:
        return False
    known = np.array([*(colour_of(k) for k in range(8)), (100, 100, 100)], dtype=np.float64)
    pixels = image[mask.to_array()][:, None].astype(np.float64)
    nearest = np.abs(pixels - known).sum(axis=-1).argmin(axis=-1)
    return bool((nearest == obj_id - 1).mean() > 0.5)


def place(k: int, t: float) -> tuple[float, float]:
    """Where a disc is at a second."""
    return 200 + 280 * (k % 4) + 60 * np.sin(t * (0.6 + 0.1 * k)), 200 + 320 * (k // 4) + 40 * np.cos(t)


def send(told: Connection, seconds: float, fps: int, objects: int, steady: bool) -> None:
    """A camera in a process of its own, over HTTP: MPEG-TS, each picture encoded and sent when it is due."""
    turns = iter([(SIDE, seconds)] if steady else [(SIDE, seconds / 2), ((480, 854), seconds)])
    small = np.random.default_rng(5).integers(80, 120, (18, 32, 3), dtype=np.uint8)
    ground = np.kron(small, np.ones((40, 40, 1), np.uint8))
    clock: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hw, end = next(turns, (None, 0.0))
            if hw is None:
                self.send_error(503)
                return
            clock.append(time.monotonic())
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            buffer, i, stalled = io.BytesIO(), 0, steady
            out = av.open(buffer, "w", format="mpegts", options={"flush_packets": "1"})
            options = {"preset": "ultrafast", "tune": "zerolatency"}
            stream = out.add_stream("libx264", rate=fps, options=options)
            stream.height, stream.width, stream.pix_fmt = hw[0], hw[1], "yuv420p"
            stream.codec_context.gop_size = fps
            began = time.monotonic()
            while time.monotonic() - clock[0] < end:
                if not stalled and time.monotonic() - clock[0] > seconds / 4:
                    stalled = True
                    time.sleep(STALL_S)
                    began += STALL_S
                picture = scene(ground, time.monotonic() - clock[0], objects, hw)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
                self.wfile.write(buffer.getvalue())
                self.wfile.flush()
                buffer.seek(0)
                buffer.truncate()
                i += 1
                time.sleep(max(0.0, began + i / fps - time.monotonic()))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.send(server.server_address[1])
    server.serve_forever()


def measure(seconds: float, fps: int, objects: int, *, steady: bool, models: Models) -> dict[str, float]:
    """Follow the discs from boxes; what it took."""
    here, there = multiprocessing.Pipe()
    given = (there, seconds, fps, objects, steady)
    sender = multiprocessing.get_context("spawn").Process(target=send, args=given, daemon=True)
    sender.start()
    address = f"http://127.0.0.1:{here.recv()}/"
    prompts = []
    for k in range(objects):
        x, y = place(k, 0.5)
        prompts.append(Prompt(k + 1, 0, box=(x - 55, y - 55, x + 55, y + 55), label=f"disc {k}"))
    shown: list[int] = []
    sizes: set[str] = set()
    right = seen = 0
    middle, used = 0, time.process_time()
    with track_live(address, prompts=prompts, model=models, timeout_s=10, patience_s=3) as tracking:
        for result in tracking:
            shown.append(len(result.objects))
            sizes.add(next((n for n in result.notes if n.startswith("resized")), "first"))
            visible = [(t.obj_id, o.mask) for t, o in result.objects if o.visible]
            seen += len(visible)
            right += sum(is_its_own(result.frame.image, obj_id, mask) for obj_id, mask in visible)
            if result.frame.time_s < seconds / 2:
                middle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sender.terminate()
    sender.join()
    used = time.process_time() - used
    end = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "objects": objects,
        "followed": tracking.seen,
        "dropped": tracking.dropped,
        "restarts": tracking.restarts,
        "sizes": len(sizes),
        "latency p50 s": round(tracking.latency_s(0.5), 3),
        "latency p95 s": round(tracking.latency_s(0.95), 3),
        "processor ms a frame": round(1000 * used / max(tracking.seen, 1)),
        "objects shown": round(float(np.mean(shown)), 2) if shown else 0.0,
        "objects shown at the end": shown[-1] if shown else 0,
        "outlines on their own disc": round(right / max(seen, 1), 4),
        "MB half-way": round(middle / 1024),
        "MB at the end": round(end / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--resolution", type=int, default=None)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--steady", action="store_true", help="no stall, no break and no change of size")
    asked = parser.parse_args()
    models = Models(asked.model, resolution=asked.resolution)
    _ = models.sam2
    for objects in asked.objects:
        row = measure(asked.seconds, asked.fps, objects, steady=asked.steady, models=models)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
