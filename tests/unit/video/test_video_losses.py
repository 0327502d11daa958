"""Noise over the middle of a file: pictures that are lost are told; a film that only pauses is whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seektrack.video import open_video

N = 96
KINDS = [
    ("a.mkv", "libx264"),
    ("b.mkv", "mjpeg"),
    ("c.webm", "libvpx"),
    ("d.avi", "mpeg4"),
    ("e.mpg", "mpeg2video"),
    ("f.ts", "libx264"),
    ("g.ts", "mpeg2video"),
    ("h.mp4", "libx264"),
]


@pytest.fixture(scope="module")
def moving() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shots = [np.kron(rng.integers(0, 255, (9, 12, 3)), np.ones((16, 16, 1))) for _ in range(8)]
    return [np.roll(shots[i // 12], 3 * i, axis=1).astype(np.uint8) for i in range(N)]


def frames_and_damage(path: Path) -> tuple[int, str]:
    with open_video(path) as source:
        n = sum(1 for _ in source.pictures())
        return n, str(source.damage or "")


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_frames_lost_to_noise_are_told(tmp_path: Path, write_film, moving, name: str, codec: str) -> None:
    pix = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_film(tmp_path / name, moving, fps=25, codec=codec, pix_fmt=pix)
    whole = path.read_bytes()
    assert frames_and_damage(path) == (N, "")
    lost = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        spoilt = bytearray(whole)
        at = int(rng.integers(len(whole) // 5, len(whole) * 4 // 5))
        spoilt[at : at + 3000] = rng.bytes(3000)
        path.write_bytes(spoilt)
        n, told = frames_and_damage(path)
        assert n == N or told, f"noise {seed} at {at}: {N - n} frames are gone without a word"
        lost += n < N
    assert lost >= (1 if name == "h.mp4" else 4), "too little was lost to show anything"


@pytest.mark.parametrize(("name", "codec"), KINDS[:5])
def test_a_film_that_pauses_or_is_joined_is_whole(
    tmp_path: Path, write_film, moving, name: str, codec: str
) -> None:
    pix = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = tmp_path / name
    if name not in ("d.avi", "e.mpg"):  # these have no times of their own, or only one rate
        ms = [40 * i + 400 * (i >= 30) + 120 * (i >= 60) for i in range(N)]
        write_film(path, moving, ms=ms, codec=codec, pix_fmt=pix)
        assert frames_and_damage(path) == (N, "")
        ms = list(np.cumsum(np.random.default_rng(0).integers(20, 90, N)))
        write_film(path, moving, ms=[int(t) for t in ms], codec=codec, pix_fmt=pix)
        assert frames_and_damage(path) == (N, "")
    write_film(
        path, moving, fps=25, codec=codec, pix_fmt=pix, sound_s=0.0 if name in ("a.mkv", "d.avi") else None
    )
    assert frames_and_damage(path) == (N, "")
