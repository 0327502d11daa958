"""Motion words on edited footage: what frames cannot tell and clips can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seektrack.evaluation.montage import Montage
from seektrack.evaluation.shot_ranking import Figures, figures_of, ranking_figures
from seektrack.pipeline import Library


def motions(library: Library, montage: Montage, *, temporal: str | Path | None = None) -> Figures:
    """``a car moving left``: single frames, guessing among cars, and a temporal encoder when there is one.

    Args:
        library: Of the montage.
        montage: With its truth.
        temporal: Folder of a temporal encoder.
    """
    wanted: dict[str, set[int]] = {}
    kinds: dict[str, set[int]] = {}
    for i, shot in enumerate(montage.shots):
        for one in shot.seen:
            category = one.label.split()[-1]
            kinds.setdefault(category, set()).add(i)
            if one.clear:
                wanted.setdefault(f"a {category} {one.motion}", set()).add(i)
    asked = {t: t for t in wanted if not t.endswith("still")}
    texts = {t: t.split(" moving")[0] for t in asked}
    chance = [len(wanted[t]) / len(kinds[texts[t].split()[-1]]) for t in asked]
    right = {t: wanted[t] for t in asked}
    figures = {
        "motion_queries": float(len(asked)),
        "motion_r1_frames": ranking_figures("motion", library, montage, asked, right, {})["motion_r1"],
        "motion_r1_by_guessing": float(np.mean(chance)) if chance else float("nan"),
    }
    if temporal is not None:
        scores = clip_scores(montage, list(asked), temporal)
        figures["motion_r1_temporal"] = figures_of("motion", scores, right, {})["motion_r1"]
    return figures


def clip_scores(montage: Montage, texts: Sequence[str], temporal: str | Path) -> dict[str, dict[int, float]]:
    """For each text the cosine of each shot's best stretch of two seconds, by a temporal encoder."""
    from seektrack.encoders.temporal import load_temporal
    from seektrack.video import open_video

    encoder = load_temporal(Path(temporal), name=str(temporal))
    rows = encoder.embed_texts(list(texts))
    out: dict[str, dict[int, float]] = {text: {} for text in texts}
    for video in montage.videos:
        with open_video(montage.folder / video) as source:
            for window in encoder.embed_video(source, window_s=2.0, stride_s=0.5):
                shot = montage.at(video, (window.start_s + window.end_s) / 2)
                if shot is None:
                    continue
                for text, cosine in zip(texts, rows @ window.vector, strict=True):
                    out[text][shot] = max(out[text].get(shot, -1.0), float(cosine))
    return out
