"""Whether graphs answer as torch does: masks of followed objects, and vectors, on films of any kind.

python benchmarks/equality.py film.mp4 [more.mp4] --frames 48 --objects 1 3 8

Objects are what the network itself proposes on the frame a run begins with; the first is pointed at by a box,
the second by a click, the third by a mask, and so on. Each film is followed forward and backward, and the
first object is corrected by a click in the middle.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np

from seektrack.encoders import load_encoder
from seektrack.segmentation import VideoSession, load_sam2, propose
from seektrack.types import Mask, Prompt
from seektrack.video import open_video

KINDS = ("box", "points", "mask")


def asked(proposals, count, frame):
    """One prompt an object, of each kind in turn."""
    prompts = []
    for obj_id, found in enumerate(proposals[:count]):
        held = found.mask.to_array()
        kind = KINDS[obj_id % 3]
        if kind == "mask":
            prompts.append(Prompt(obj_id, frame, mask=Mask.from_array(held)))
            continue
        ys, xs = np.nonzero(held)
        if kind == "box":
            box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
            prompts.append(Prompt(obj_id, frame, box=box))
        else:
            middle = np.argmin((xs - xs.mean()) ** 2 + (ys - ys.mean()) ** 2)
            point = np.array([[float(xs[middle]), float(ys[middle])]])
            prompts.append(Prompt(obj_id, frame, points=point, point_labels=np.array([1])))
    return prompts


def followed(sam2, frames, prompts, order):
    session = VideoSession(sam2, direction=1 if order[0] < order[-1] else -1)
    for prompt in prompts:
        session.add(prompt)
    masks, middle = [], order[len(order) // 2]
    for index in order:
        if index == middle:
            held = masks[-1][0] if masks[-1][0].any() else np.ones(frames[0].shape[:2], bool)
            ys, xs = np.nonzero(held)
            point = np.array([[float(np.median(xs)), float(np.median(ys))]])
            session.add(Prompt(0, index, points=point, point_labels=np.array([1])))
        masks.append(session.step(frames[index], index).masks())
    return masks


def overlap(one, other):
    union = int((one | other).sum())
    return 1.0 if not union else int((one & other).sum()) / union


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", nargs="+")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 3, 8])
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--graphs", help="folder of graphs; those of the model by default")
    parser.add_argument("--skip-vectors", action="store_true")
    args = parser.parse_args()
    torch = load_sam2(args.model, device="cpu", runtime="torch")
    onnx = load_sam2(args.graphs or args.model, runtime="onnx")
    seen, everything = [], defaultdict(list)
    for film in args.films:
        with open_video(film) as opened:
            frames = [frame.image for frame, _ in zip(opened, range(args.frames), strict=False)]
        seen += frames[::8]
        for backward in (False, True):
            order = list(range(len(frames)))[:: -1 if backward else 1]
            found = propose(torch, frames[order[0]], points_per_side=8)
            for count in args.objects:
                prompts = asked(sorted(found, key=lambda one: -one.score), count, order[0])
                runs = [followed(sam2, frames, prompts, order) for sam2 in (torch, onnx)]
                pairs = [
                    overlap(a, b)
                    for one, other in zip(*runs, strict=True)
                    for a, b in zip(one, other, strict=True)
                ]
                everything[count] += pairs
                way = "backward" if backward else "forward"
                print(
                    f"{film} {way} {len(prompts)} objects {len(frames)} frames: "
                    f"median {np.median(pairs):.5f} worst {min(pairs):.5f}",
                    flush=True,
                )
    for count, pairs in everything.items():
        below = float(np.mean(np.array(pairs) < 0.99))
        print(
            f"{count} objects, all films: median {np.median(pairs):.5f} worst {min(pairs):.5f} "
            f"below .99 {below:.4f} of {len(pairs)}"
        )
    if not args.skip_vectors:
        texts = ["a red car", "two dogs in the snow", "ein blaues Boot", ""]
        encoders = (
            load_encoder("pocket", device="cpu", runtime="torch"),
            load_encoder("pocket", runtime="onnx"),
        )
        for what, rows in (
            ("pictures", [one.embed_images(seen) for one in encoders]),
            ("texts", [one.embed_texts(texts) for one in encoders]),
        ):
            print(f"cosine of {what}: least {float((rows[0] * rows[1]).sum(1).min()):.6f}")


if __name__ == "__main__":
    main()
