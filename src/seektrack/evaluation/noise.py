"""How search bears noise: queries as people type them, and frames as poor cameras give them, kind by kind."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.evaluation.montage import Montage, misspelt, write_montage, write_noisy
from seektrack.evaluation.shot_ranking import (
    Figures,
    answerable,
    glimpses,
    moment_figures,
    ranking_figures,
    shots_showing,
)
from seektrack.pipeline import Library
from seektrack.types import Progress

Image = NDArray[np.uint8]
SAMPLING = "fps=1"
LIGHT, STRONG = "light", "strong"

FRAME_NOISE: dict[str, dict[str, float]] = {
    "sensor": {LIGHT: 12, STRONG: 30},
    "blur": {LIGHT: 1.2, STRONG: 2.5},
    "jpeg": {LIGHT: 30, STRONG: 8},
    "h264": {LIGHT: 33, STRONG: 43},
    "dark": {LIGHT: 0.4, STRONG: 0.15},
    "small": {LIGHT: 2, STRONG: 4},
}
"""By kind and strength: grey levels of Gaussian noise, sigma of a Gaussian blur in pixels, JPEG quality, rate
factor of x264, gain, and by how much the sides are shrunk and drawn out again."""

TEXT_NOISE: dict[str, tuple[str, ...]] = {
    "slips": (LIGHT, STRONG),
    "missing": (LIGHT, STRONG),
    "case": (LIGHT, STRONG),
    "punctuation": (LIGHT, STRONG),
    "filler": (LIGHT, STRONG),
}
"""By kind: one or two slips, or letters lost, in each longer word; capitals everywhere or at random; a mark
at the end or between words; a framing such as ``show me``, or a whole sentence around it."""

_FILLERS = {
    LIGHT: ("show me {}", "find {} please", "a video of {}"),
    STRONG: (
        "hi, could you please show me where there is {} somewhere in it, thanks",
        "i am looking for the part of the video with {} in the picture",
    ),
}


def evaluate_noise(
    *,
    videos: int = 5,
    shots: int = 5,
    model: str = "pocket",
    device: str | None = None,
    folder: str | Path | None = None,
    start: int = 0,
    progress: Progress | None = None,
) -> Figures:
    """R@1 of names with colours under every kind of noise.

    Args:
        videos: Of the benchmark's seeds, rendered clean and once for each kind and strength of frame noise.
        shots: In each, two seconds long.
        model: See `seektrack.pipeline.parse_model`.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        folder: Where footage and libraries go; a temporary folder when None.
        start: Where in the seeds to begin.
        progress: Called with ``(done, total, stage)``.

    Returns:
        ``frames_<kind>_<strength>``: share of names whose best shot is right; ``text_<kind>_<strength>``:
        share whose first moment is right, as typed, and ``…_corrected`` with mistyped words put right;
        ``frames_clean`` and ``text_clean``.
    """
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(folder or temporary)
        montage = write_montage(base / "clean", videos=videos, shots=shots, start=start, progress=progress)
        kinds: list[tuple[str, Montage]] = [("clean", montage)]
        for kind, strengths in FRAME_NOISE.items():
            for strength, amount in strengths.items():
                name = f"{kind}_{strength}"
                kinds.append((name, _spoiled_montage(montage, base / name, kind, amount)))
        figures: Figures = {"noise_queries": float(len(answerable(montage)))}
        for i, (name, spoiled) in enumerate(kinds):
            if progress:
                progress(i, len(kinds), f"frames: {name.replace('_', ', ')}")
            with Library(base / f"library-{name}", model=model, device=device) as library:
                library.index(spoiled.folder, sampling=SAMPLING)
                figures[f"frames_{name}"] = frame_figure(library, spoiled)
                if name == "clean":
                    figures |= text_figures(library, spoiled)
        if progress:
            progress(len(kinds), len(kinds), "frames")
    return figures


def frame_figure(library: Library, montage: Montage) -> float:
    """Share of names whose best shot is right."""
    labels = answerable(montage)
    texts = {label: label for label in labels}
    wanted = {label: shots_showing(montage, label) for label in labels}
    doubtful = {label: glimpses(montage, label) for label in labels}
    return ranking_figures("noise", library, montage, texts, wanted, doubtful)["noise_r1"]


def text_figures(library: Library, montage: Montage) -> Figures:
    """Share of names whose first moment is right, kind by kind, as typed and put right."""
    labels = answerable(montage)
    wanted = {label: shots_showing(montage, label) for label in labels}

    def share(texts: dict[str, str]) -> float:
        return moment_figures("t", library, montage, texts, wanted)["t_moment_r1"]

    figures = {"text_clean": share({label: label for label in labels})}
    for kind, strengths in TEXT_NOISE.items():
        for strength in strengths:
            rng = np.random.default_rng(4)
            typed = {label: noisy_text(label, kind, strength, rng) for label in labels}
            figures[f"text_{kind}_{strength}"] = share(typed)
            right = {label: library.corrected(text).text for label, text in typed.items()}
            figures[f"text_{kind}_{strength}_corrected"] = share(right)
    return figures


def noisy_text(text: str, kind: str, strength: str, rng: np.random.Generator) -> str:
    """A query as somebody in a hurry types it; see `TEXT_NOISE`."""
    times = 2 if strength == STRONG else 1
    if kind == "slips":
        for _ in range(times):
            text = misspelt(text, rng)
        return text
    if kind == "missing":
        return " ".join(_without_letters(word, times, rng) for word in text.split())
    if kind == "case":
        if strength == LIGHT:
            return text.upper()
        return "".join(c.upper() if rng.random() < 0.5 else c.lower() for c in text)
    if kind == "punctuation":
        mark = str(rng.choice(["?", "!", "...", "."]))
        return text + mark if strength == LIGHT else ", ".join(text.split()) + mark + mark
    choices = _FILLERS[strength]
    return choices[int(rng.integers(len(choices)))].format(text)


def spoil(image: Image, rng: np.random.Generator, *, kind: str, amount: float) -> Image:
    """RGB uint8 (H, W, 3) as a poor camera gives it; see `FRAME_NOISE`. What the codec does is left to it."""
    h, w = image.shape[:2]
    if kind == "sensor":
        noisy = image.astype(np.float32) + rng.normal(0, amount, image.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)
    if kind == "blur":
        return np.asarray(cv2.GaussianBlur(image, (0, 0), amount), dtype=np.uint8)
    if kind == "jpeg":
        coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(amount)])[1]
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)[..., ::-1].copy()
    if kind == "dark":
        return np.asarray(cv2.convertScaleAbs(image, alpha=amount), dtype=np.uint8)
    if kind == "small":
        size = (max(1, round(w / amount)), max(1, round(h / amount)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    return image


def _spoiled_montage(montage: Montage, folder: Path, kind: str, amount: float) -> Montage:
    how = partial(spoil, kind=kind, amount=amount)
    crf = int(amount) if kind == "h264" else 16
    return write_noisy(montage, folder, videos=len(montage.videos), spoil=how, crf=crf)


def _without_letters(word: str, count: int, rng: np.random.Generator) -> str:
    for _ in range(count if len(word) >= 4 else 0):
        i = int(rng.integers(len(word)))
        word = word[:i] + word[i + 1 :]
    return word
