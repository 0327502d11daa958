"""The figures that need a GPU, in under eight minutes: speed, precisions, compiled or not, TensorRT, memory.

Geometries of SAM 2 with random weights stand for the published ones: speed does not depend on the weights.
Each stage is a call of ``seektrack bench``, memory one of ``engine.py``, with a limit of its own; what a
stage measured is in its folder, memory is printed, and one that failed or took too long says so at the end,
with status 1.

    python benchmarks/gpu.py --out gpu               # on a machine with a GPU
    python benchmarks/gpu.py --toy --out toy         # every stage on the CPU at toy size
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GEOMETRIES = ("hiera-tiny", "hiera-base-plus")


def written(name: str, folder: Path, *, toy: bool) -> Path:
    """A checkpoint of a geometry with random weights."""
    import torch
    from geometry import hiera

    torch.manual_seed(0)
    target = folder / name
    hiera(name, short=toy).save_pretrained(target)
    return target


def stages(folder: Path, *, toy: bool) -> list[tuple[str, int, list[str]]]:
    """Name, seconds allowed, and what is asked of ``seektrack bench``, or of ``engine.py`` for memory."""
    device, side = ("cpu", 64) if toy else ("cuda", 1024)
    half = ["--precision", "bf16"] if toy else ["--precision", "bf16", "--precision", "fp16"]
    few, many = ([1], [2]) if toy else ([1, 4, 16, 64], [16])

    def follow(counts: list[int], *more: str) -> list[str]:
        objects = [word for count in counts for word in ("--objects", str(count))]
        where = ["--device", device, "--resolution", str(side), "--runtime", "torch", "--stage", "follow"]
        return [*where, *objects, *more]

    folders = [str(written(name, folder, toy=toy)) for name in GEOMETRIES]
    tiny, base = (f"pocket+{one}" for one in folders)
    held = ["--frames", "10", "20"] if toy else ["--frames", "50", "300"]
    where = ["--model", folders[0], "--device", device, "--resolution", str(side), "--objects", str(many[0])]
    provider = "onnx:cpu" if toy else "onnx:tensorrt"
    quick = ["--quick"] if toy else []
    return [
        ("answers", 90, ["-m", tiny, *follow(many, "--precision", "fp32", *half), *quick]),
        ("tiny", 120, ["-m", tiny, *follow(few, "--no-reference", *half), *quick]),
        ("base-plus", 120, ["-m", base, *follow(few, "--no-reference", *half), *quick]),
        ("compiled", 120, ["-m", tiny, *follow(many, "--no-reference", "--compile", *half[:2]), *quick]),
        ("tensorrt", 90, ["--stage", "follow", "--runtime", provider, "--objects", str(many[0]), *quick]),
        ("memory", 60, [*where, *held, "--forms", half[1], "--frames-theirs", "2", "4"]),
        ("indexing", 60, ["--stage", "search", "--runtime", "torch", "--device", device, *quick]),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("gpu"))
    parser.add_argument("--toy", action="store_true", help="on the CPU, at toy size")
    parser.add_argument("--only", nargs="*", help="stages by name")
    args = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, limit, asked in stages(Path(temporary), toy=args.toy):
            if args.only and name not in args.only:
                continue
            began = time.perf_counter()
            command = [sys.executable, "-m", "seektrack", "bench", *asked, "--out", str(args.out / name)]
            if name == "memory":
                command = [sys.executable, str(Path(__file__).with_name("engine.py")), name, *asked]
            try:
                status = subprocess.run(
                    command, timeout=limit * (3 if args.toy else 1), check=False
                ).returncode
                said = "" if status == 0 else f"status {status}"
            except subprocess.TimeoutExpired:
                said = f"over {limit} s"
            print(f"== {name}: {said or 'done'} in {time.perf_counter() - began:.0f} s", flush=True)
            failed += [f"{name}: {said}"] if said else []
    print("failed: " + "; ".join(failed) if failed else "all stages done")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
