"""Search measured on edited footage with exact truth: the figures of ``seektrack eval retrieval``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from seektrack.evaluation.montage import (
    Montage,
    misspelt,
    pairs_in_order,
    write_montage,
    write_noisy,
)
from seektrack.evaluation.motion import motions
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
from seektrack.world import vocabulary

SMALL_SIDE = 36.0
"""An object is small when the longer side of its box is at most so many pixels of the 256."""
SAMPLING = "fps=2"


def evaluate_retrieval(
    *,
    videos: int = 20,
    shots: int = 5,
    pairs: int = 60,
    model: str = "pocket",
    device: str | None = None,
    temporal: str | Path = "temporal",
    folder: str | Path | None = None,
    start: int = 0,
    progress: Progress | None = None,
) -> Figures:
    """Render, index and search held-out footage.

    Every query is text; what is right is known from the scenes: a shot answers a name when it shows such an
    object on at least four frames, two fifths of it uncovered. Shots where it shows less count neither way.

    Args:
        videos: Of the benchmark's seeds.
        shots: In each, two seconds long.
        pairs: Ordered pairs asked for.
        model: See `seektrack.pipeline.parse_model`.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        temporal: The temporal encoder, or its folder, that is asked for motions beside the single frames.
        folder: Where footage and libraries go; a temporary folder when None.
        start: Where in the seeds to begin.
        progress: Called with ``(done, total, stage)``.

    Returns:
        Name → value; see `docs/benchmarks.md` for what each means.
    """
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(folder or temporary)
        montage = write_montage(base / "clean", videos=videos, shots=shots, start=start, progress=progress)
        noisy = write_noisy(montage, base / "noisy", videos=max(1, videos // 4))
        with Library(base / "library", model=model, device=device) as library:
            library.index(montage.folder, sampling=SAMPLING, temporal=str(temporal), progress=progress)
            figures = nouns(library, montage)
            figures |= two_objects(library, montage)
            figures |= motions(library, montage)
            figures |= small_objects(library, montage)
            figures |= no_answer(library, montage)
            figures |= noisy_text(library, montage)
            figures |= ordered_pairs(library, montage, pairs)
            figures |= noisy_frames(
                library, noisy, base / "noisy-library", model=model, device=device, progress=progress
            )
    return figures


def nouns(library: Library, montage: Montage, *, prefix: str = "noun") -> Figures:
    """Names with colours: moments as a person gets them, and the ranking of all shots."""
    labels = answerable(montage)
    wanted = {label: shots_showing(montage, label) for label in labels}
    doubtful = {label: glimpses(montage, label) for label in labels}
    return (
        {f"{prefix}_queries": float(len(labels))}
        | moment_figures(prefix, library, montage, {label: label for label in labels}, wanted)
        | ranking_figures(prefix, library, montage, {label: label for label in labels}, wanted, doubtful)
    )


def two_objects(library: Library, montage: Montage, *, count: int = 50) -> Figures:
    """Captions of two objects that show together in a shot."""
    rng = np.random.default_rng(1)
    found = dict.fromkeys(
        (a.label, b.label)
        for shot in montage.shots
        for i, a in enumerate(shot.seen)
        for b in shot.seen[i + 1 :]
        if a.clear and b.clear and a.label != b.label
    )
    listed = list(found)
    asked = [listed[int(i)] for i in rng.permutation(len(listed))[:count]]
    texts = {pair: f"{pair[0]} and {pair[1]}" for pair in asked}
    wanted = {p: shots_showing(montage, p[0]) & shots_showing(montage, p[1]) for p in asked}
    doubtful = {
        p: {i for i, shot in enumerate(montage.shots) if set(p) <= shot.labels} - wanted[p] for p in asked
    }
    return {"pair_captions": float(len(asked))} | ranking_figures(
        "pair_caption", library, montage, texts, wanted, doubtful
    )


def small_objects(library: Library, montage: Montage) -> Figures:
    """Names of small objects, looked for with and without the proposed regions.

    Only shots where everything of that name is small answer; those that show it larger count neither way.
    """
    wanted: dict[str, set[int]] = {}
    for label in answerable(montage):
        small = {
            i
            for i in shots_showing(montage, label)
            if all(one.side <= SMALL_SIDE for one in montage.shots[i].seen if one.label == label)
        }
        if small:
            wanted[label] = small
    labels = list(wanted)
    texts = {label: label for label in labels}
    doubtful = {
        label: {i for i, shot in enumerate(montage.shots) if label in shot.labels} - wanted[label]
        for label in labels
    }
    both = ranking_figures("small", library, montage, texts, wanted, doubtful)
    whole = ranking_figures("small", library, montage, texts, wanted, doubtful, only="frames")
    return {
        "small_queries": float(len(labels)),
        "small_r1_objects": both["small_r1"],
        "small_r1_frames": whole["small_r1"],
        "small_lift": both["small_r1"] / max(whole["small_r1"], 1 / max(len(labels), 1)),
    }


def no_answer(library: Library, montage: Montage) -> Figures:
    """Names of the world that nothing in the footage bears: what is found is a false alarm."""
    shown = {label for shot in montage.shots for label in shot.labels}
    absent = [label for label in vocabulary()["labels"] if label not in shown]
    alarms = [bool(library.search(label, k=1)) for label in absent]
    return {
        "no_answer_queries": float(len(absent)),
        "false_alarms": float(np.mean(alarms)) if alarms else float("nan"),
    }


def noisy_text(library: Library, montage: Montage) -> Figures:
    """The names again with slips of the pen, as typed and put right."""
    rng = np.random.default_rng(2)
    labels = answerable(montage)
    typed = {label: misspelt(label, rng) for label in labels}
    right = {label: library.corrected(text).text for label, text in typed.items()}
    wanted = {label: shots_showing(montage, label) for label in labels}
    as_typed = moment_figures("typed", library, montage, typed, wanted)
    corrected = moment_figures("corrected", library, montage, right, wanted)
    restored = [library.corrected(text).text == label for label, text in typed.items()]
    return {
        "typo_r1_verbatim": as_typed["typed_moment_r1"],
        "typo_r1_corrected": corrected["corrected_moment_r1"],
        "typo_restored": float(np.mean(restored)),
    }


def ordered_pairs(library: Library, montage: Montage, count: int) -> Figures:
    """``a -> b``: right when each step of the first chain lies in a shot of it."""
    asked = pairs_in_order(montage, np.random.default_rng(3), count)
    right: list[bool] = []
    among: list[bool] = []
    for a, b in asked:
        chains = library.sequences(f"{a} -> {b}", k=5)
        good = [
            _in_shot(montage, c.video, c.moments[0].key.time_s, a)
            and _in_shot(montage, c.video, c.moments[1].key.time_s, b)
            for c in chains
        ]
        right.append(bool(good) and good[0])
        among.append(any(good))
    return {
        "ordered_pairs": float(len(asked)),
        "ordered_r1": float(np.mean(right)) if right else float("nan"),
        "ordered_r5": float(np.mean(among)) if among else float("nan"),
    }


def noisy_frames(
    library: Library,
    noisy: Montage,
    folder: Path,
    *,
    model: str = "pocket",
    device: str | None = None,
    progress: Progress | None = None,
) -> Figures:
    """The same few videos from a good and from a poor camera."""
    clean = nouns(library, noisy, prefix="clean")
    with Library(folder, model=model, device=device) as spoiled:
        spoiled.index(noisy.folder, sampling=SAMPLING, progress=progress)
        found = nouns(spoiled, noisy, prefix="noisy")
    return {
        "noisy_frames_queries": clean["clean_queries"],
        "noisy_frames_map_clean": clean["clean_map"],
        "noisy_frames_map": found["noisy_map"],
    }


def _in_shot(montage: Montage, video: str, time_s: float, label: str) -> bool:
    shot = montage.at(Path(video).name, time_s)
    return shot is not None and label in montage.shots[shot].labels
