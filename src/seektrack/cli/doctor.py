"""``seektrack doctor``: is this machine ready, and if not, what to do."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from importlib import metadata
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from seektrack.checkpoints import packaged_folder
from seektrack.checkpoints.graphs import thread_count
from seektrack.checkpoints.runtimes import has_torch
from seektrack.cli.common import AsJson, Quiet, Screen, table
from seektrack.errors import SeekTrackError

_LOW_DISK_GIB = 2.0


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        name: What.
        state: ``ok``, ``note`` (works, worth knowing) or ``bad`` (does not work).
        found: What was found, and the way out when it is bad.
    """

    name: str
    state: str
    found: str


def doctor(quiet: Quiet = False, as_json: AsJson = False) -> None:
    """Check this installation: libraries, device, video codecs, pocket models, offline flags, disk.

    Makes no network call. Ends with status 0 when everything needed works, 1 otherwise.
    """
    screen = Screen(quiet=quiet, as_json=as_json)
    checks = [_guarded(name, look) for name, look in _LOOKS.items()]
    ready = all(check.state != "bad" for check in checks)

    def human(console: Console) -> None:
        marks = {"ok": ("✓", "green"), "note": ("•", "yellow"), "bad": ("✗", "red")}
        shown = table("", "what", "found")
        for check in checks:
            shown.add_row(Text(*marks[check.state]), check.name, check.found)
        console.print(shown)
        console.print()
        verdict = "ready" if ready else "not ready: see the lines marked ✗"
        console.print(verdict, style="green" if ready else "red")

    screen.result({"ready": ready, "checks": checks}, human)
    if not ready:
        raise typer.Exit(1)


def _guarded(name: str, look: Callable[[], tuple[str, str]]) -> Check:
    try:
        state, found = look()
    except SeekTrackError as error:
        state, found = "bad", error.message
    except Exception as error:  # whatever breaks is what the doctor is here to report
        state, found = "bad", f"{type(error).__name__}: {' '.join(str(error).split())}"
    return Check(name, state, found)


def _python() -> tuple[str, str]:
    enough = sys.version_info >= (3, 11)
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return ("ok", found) if enough else ("bad", f"{found}; 3.11 or newer is needed")


def _libraries() -> tuple[str, str]:
    import av
    import cv2
    import faiss
    import onnxruntime

    versions = {
        "onnxruntime": onnxruntime.__version__,
        "av": av.__version__,
        "opencv": cv2.__version__,
        "faiss": faiss.__version__,
        "numpy": metadata.version("numpy"),
    }
    return "ok", ", ".join(f"{name} {version}" for name, version in versions.items())


def _torch() -> tuple[str, str]:
    if not has_torch():
        return "note", (
            "not installed; the pocket models need none. Published models, GPUs and training do: "
            "pip install 'seektrack[torch]'"
        )
    import torch
    import transformers

    found = f"{torch.__version__}, transformers {transformers.__version__}"
    if torch.cuda.is_available():
        return "ok", f"{found}, CUDA {torch.version.cuda}, {torch.cuda.get_device_name()}"
    if torch.backends.mps.is_available():
        return "ok", f"{found}, Apple GPU (mps)"
    return "ok", f"{found}, CPU"


def _threads() -> tuple[str, str]:
    cores, threads = os.cpu_count() or 1, thread_count()
    found = f"{threads} threads on {cores} cores"
    if threads > 1 and cores <= 4:
        return "note", f"{found}; if the machine is busy with other work, OMP_NUM_THREADS=1 is faster"
    return "ok", found


def _video() -> tuple[str, str]:
    import av
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(10))
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
            for shade in (0, 80, 160):
                picture = np.full((64, 64, 3), shade, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        with av.open(str(path)) as container:
            decoded = sum(1 for _ in container.decode(video=0))
    return (
        ("ok", "H.264 written and read back") if decoded == 3 else ("bad", f"{decoded} of 3 frames came back")
    )


def _pocket_text() -> tuple[str, str]:
    from seektrack.encoders import load_encoder

    encoder = load_encoder("pocket", device="cpu")
    vector = encoder.embed_texts(["a red car"])[0]
    return "ok", f"loads and embeds text, {len(vector)} dimensions ({_size('clip')})"


def _pocket_mask() -> tuple[str, str]:
    from seektrack.segmentation import load_sam2

    sam2 = load_sam2("pocket", device="cpu")
    sizes = f"{_size('sam2')}, {_size('sam2/photographs')}"
    return "ok", f"loads, {sam2.resolution} px, weights for the drawn world and for photographs ({sizes})"


def _size(part: str) -> str:
    total = sum(p.stat().st_size for p in packaged_folder(part).glob("*.safetensors"))
    return f"{total / 2**20:.1f} MiB"


def _hub() -> tuple[str, str]:
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    cached = sorted(p.name[8:].replace("--", "/") for p in cache.glob("models--*")) if cache.is_dir() else []
    have = f"{len(cached)} models cached in {cache}"
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "ON", "YES", "TRUE"):
        return "note", f"offline by HF_HUB_OFFLINE; {have}"
    return "ok", f"{have}; others are fetched when first used (not tried here)"


def _disk() -> tuple[str, str]:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    found = f"{free:.1f} GiB free here"
    return (
        ("ok", found) if free >= _LOW_DISK_GIB else ("bad", f"{found}; overlays and libraries need some room")
    )


_LOOKS: dict[str, Callable[[], tuple[str, str]]] = {
    "Python": _python,
    "PyTorch and device": _torch,
    "threads": _threads,
    "libraries": _libraries,
    "video": _video,
    "pocket text encoder": _pocket_text,
    "pocket segmenter": _pocket_mask,
    "published models": _hub,
    "disk": _disk,
}
