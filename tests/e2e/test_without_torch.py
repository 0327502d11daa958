"""The pocket models do their main work where importing torch or transformers raises."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

import seektrack
from seektrack import Library
from seektrack.encoders import load_encoder
from seektrack.encoders.temporal_onnx import OnnxTemporalEncoder
from seektrack.pipeline import track_objects
from seektrack.types import Mask, Prompt
from seektrack.video import VideoWriter

HW = (96, 128)
BOX = (10.0, 30.0, 35.0, 55.0)
_WITHOUT = """
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers"):
            raise ModuleNotFoundError(f"{name} is not to be imported here", name=name)
sys.meta_path.insert(0, Refused())
from seektrack.cli import main
main(sys.argv[1:])
"""


def command(*argv: object) -> list[str]:
    return [sys.executable, "-c", _WITHOUT, *map(str, argv)]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(seektrack.__file__).parents[1])}


def run(*argv: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*argv), capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A light square that moves over a dark ground, another that stands."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    with VideoWriter(path, width=HW[1], height=HW[0], fps=4) as writer:
        for t in range(6):
            frame = np.full((*HW, 3), (40, 60, 50), np.uint8)
            frame[30:55, 10 + 6 * t : 35 + 6 * t] = (220, 180, 40)
            frame[60:80, 80:100] = (60, 60, 220)
            writer.write(frame)
    return path


@pytest.fixture(scope="module")
def library(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "library"
    run("index", film, "-l", path, "--temporal", "--json")
    return path


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    union = int((one | other).sum())
    return 1.0 if not union else int((one & other).sum()) / union


def test_videos_are_indexed_and_searched(film: Path, library: Path, tmp_path: Path) -> None:
    with Library(tmp_path / "torch", model="pocket", device="cpu", runtime="torch") as other:
        other.index(film)
        wanted = other.hits("a yellow square", k=5, min_confidence=0.0)
    assert any(hit.box is not None for hit in wanted)
    asked = ["a yellow square", "-l", library, "--hits", "-k", 5, "--min-confidence", 0, "--json"]
    found = json.loads(run("search", *asked).stdout)
    np.testing.assert_allclose([row["score"] for row in found], [hit.score for hit in wanted], atol=1e-3)
    asked[0] = "a square moving right"  # the library keeps clips
    assert "left aside" not in run("search", *asked[:-1]).stderr


def test_clips_and_their_texts_are_embedded_as_torch_does(rng: np.random.Generator) -> None:
    graphs, torch = load_encoder("temporal", runtime="onnx"), load_encoder("temporal", device="cpu")
    assert isinstance(graphs, OnnxTemporalEncoder)
    assert (graphs.fingerprint, graphs.dim) == (torch.fingerprint, torch.dim)
    assert graphs.logit_scale == pytest.approx(torch.logit_scale)  # type: ignore[attr-defined]
    clip = rng.integers(0, 255, (9, *HW, 3), dtype=np.uint8)
    for one, other in zip(
        (graphs.embed_clips([clip, clip[:1]]), graphs.embed_texts(["a car turning left", "word " * 99])),
        (torch.embed_clips([clip, clip[:1]]), torch.embed_texts(["a car turning left", "word " * 99])),  # type: ignore[attr-defined]
        strict=True,
    ):
        assert ((one * other).sum(1) >= 0.9999).all()


def test_an_object_is_followed_corrected_and_followed_on(film: Path, tmp_path: Path) -> None:
    prompt = ["--box", "10,30,35,55@0#1", "--no-overlay", "--format", "json", "--json"]
    session = tmp_path / "session"
    run("track", film, *prompt, "--session", session, "--out", tmp_path)
    wanted = track_objects(film, prompts=[Prompt(1, 0, box=BOX)], model="pocket", device="cpu").tracks[0]
    held = json.loads((tmp_path / "tracks.json").read_text())["tracks"][0]["observations"]
    by_frame = {one.frame_index: one for one in wanted.observations}
    assert [one["frame_index"] for one in held] == sorted(by_frame)
    for one in held:
        mask = by_frame[one["frame_index"]].mask
        assert mask is not None
        assert overlap(Mask.from_coco(one["mask"]).to_array(), mask.to_array()) >= 0.99
    run("track", "--session", session, "--correct", "22,30,47,55@2#1", "--out", tmp_path, "--json")
    corrected = json.loads((tmp_path / "tracks.json").read_text())["tracks"][0]["observations"]
    assert [one["frame_index"] for one in corrected] == sorted(by_frame)


def test_a_stream_is_watched(film: Path) -> None:
    done = run("live", film, "--query", "a yellow square", "--regions", "none")
    assert re.search(r"[1-9]\d* pictures looked at", done.stderr)


@pytest.fixture
def api(film: Path, library: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asked = ["serve", library, "--port", port, "--root", film.parent, "--quiet"]
    process = subprocess.Popen(command(*asked), env=environment())
    api, end = f"http://127.0.0.1:{port}/api/v1", time.monotonic() + 120
    try:
        while time.monotonic() < end and process.poll() is None:
            try:
                if httpx.get(f"{api}/health").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield api
    finally:
        process.terminate()
        process.wait(30)


def test_a_library_is_served(api: str, film: Path) -> None:
    def post(path: str, body: dict[str, object]) -> dict[str, object]:
        answer = httpx.post(f"{api}/{path}", json=body, timeout=60)
        assert answer.is_success, answer.text
        return dict(answer.json())

    assert post("libraries/library/search", {"text": "a yellow square", "min_confidence": 0})
    box = {"obj_id": 1, "box": list(BOX)}
    job = post("track_objects", {"video": film.name, "prompts": [box]})["id"]
    session = post("sessions", {"video": film.name})["id"]
    assert post(f"sessions/{session}/corrections", {"frame_index": 2, "box": [22, 30, 47, 55]})["mask"]
    end, state = time.monotonic() + 60, ""
    while state not in ("done", "failed") and time.monotonic() < end:
        state = httpx.get(f"{api}/jobs/{job}").json()["state"]
        time.sleep(0.05)
    assert state == "done"


@pytest.mark.parametrize(
    "argv",
    [
        ("track", "FILM", "--box", "1,1,20,20@0", "--model", "tiny", "--out", "OUT"),
        ("track", "FILM", "--box", "1,1,20,20@0", "--runtime", "torch", "--out", "OUT"),
        ("index", "FILM", "-l", "OUT", "--device", "cuda"),
        ("models", "export", "pocket", "--to", "OUT"),
        ("train", "sam2", "--data", "FILM", "--out", "OUT"),
    ],
)
def test_what_needs_torch_says_so(argv: tuple[str, ...], film: Path, tmp_path: Path) -> None:
    given = [{"FILM": film, "OUT": tmp_path / "out"}.get(word, word) for word in argv]
    said = run(*given, status=4).stderr
    extra = "onnx" if argv[0] == "models" else "torch"
    assert "needs torch, which is not installed" in said and f"pip install 'seektrack[{extra}]'" in said
