"""The tracking measures on the TUD sequences, against motmetrics and against TrackEval's figures.

motmetrics carries the data and runs here. TrackEval requires opencv-python, which clashes with the headless
build, so its HOTA figures stand here as constants, from trackeval 1.3.0's ``HOTA``
(``eval_sequence`` and ``combine_sequences``, mean over alphas) on the same files.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from seektrack.metrics import (
    ClearScores,
    FrameMatch,
    HotaScores,
    IdentityScores,
    clear,
    frame_matches,
    hota,
    identity,
)
from seektrack.outputs import load_tracks

SEQUENCES = ("TUD-Campus", "TUD-Stadtmitte")
TRACKEVAL = {  # HOTA, DetA, AssA, LocA
    "TUD-Campus": (0.391397438, 0.418047030, 0.369120681, 0.770052227),
    "TUD-Stadtmitte": (0.397849017, 0.392267572, 0.408840752, 0.737521177),
    "both": (0.399957091, 0.397683291, 0.412449530, 0.732480258),
}


def data_folder() -> Path:
    import motmetrics

    return Path(motmetrics.__file__).parent / "data"


def read(path: Path) -> dict[int, list[tuple[int, tuple[float, float, float, float]]]]:
    frames: dict[int, list[tuple[int, tuple[float, float, float, float]]]] = {}
    with path.open() as file:
        for row in csv.reader(file):
            x, y, w, h = map(float, row[2:6])
            frames.setdefault(int(row[0]), []).append((int(row[1]), (x, y, x + w, y + h)))
    return frames


def sequence(name: str) -> list[FrameMatch]:
    gt, pred = (read(data_folder() / name / f) for f in ("gt.txt", "test.txt"))
    out = []
    for t in sorted(set(gt) | set(pred)):
        g, p = gt.get(t, []), pred.get(t, [])
        out.append(
            FrameMatch.from_boxes(
                [i for i, _ in g], np.array([b for _, b in g]), [i for i, _ in p], np.array([b for _, b in p])
            )
        )
    return out


@pytest.fixture
def motmetrics_summary(monkeypatch: pytest.MonkeyPatch):
    import motmetrics

    monkeypatch.setattr(np, "asfarray", lambda a: np.asarray(a, dtype=float), raising=False)

    def summary(names: tuple[str, ...]) -> dict[str, float]:
        accumulators = []
        for name in names:
            gt, pred = (
                motmetrics.io.loadtxt(data_folder() / name / f, fmt="mot15-2D")
                for f in ("gt.txt", "test.txt")
            )
            accumulators.append(motmetrics.utils.compare_to_groundtruth(gt, pred, "iou", distth=0.5))
        host = motmetrics.metrics.create()
        metrics = [
            "num_false_positives",
            "num_misses",
            "num_switches",
            "num_fragmentations",
            "mostly_tracked",
            "partially_tracked",
            "mostly_lost",
            "mota",
            "motp",
            "idf1",
            "idp",
            "idr",
        ]
        table = host.compute_many(accumulators, names=names, metrics=metrics, generate_overall=True)
        return dict(table.loc["OVERALL"])

    return summary


@pytest.mark.parametrize("names", [("TUD-Campus",), ("TUD-Stadtmitte",), SEQUENCES])
def test_clear_and_identity_equal_motmetrics(names, motmetrics_summary):
    expected = motmetrics_summary(names)
    sequences = [sequence(n) for n in names]
    c = ClearScores.combine(clear(s) for s in sequences)
    i = IdentityScores.combine(identity(s) for s in sequences)
    counts = {
        "num_false_positives": c.fp,
        "num_misses": c.fn,
        "num_switches": c.idsw,
        "num_fragmentations": c.frag,
        "mostly_tracked": c.mt,
        "partially_tracked": c.pt,
        "mostly_lost": c.ml,
    }
    assert counts == {k: int(expected[k]) for k in counts}
    ratios = {"mota": c.mota, "motp": 1 - c.motp, "idf1": i.idf1, "idp": i.idp, "idr": i.idr}
    assert ratios == pytest.approx({k: float(expected[k]) for k in ratios}, abs=1e-9)


@pytest.mark.parametrize("name", [*SEQUENCES, "both"])
def test_hota_equals_trackeval(name):
    scores = HotaScores.combine(hota(sequence(n)) for n in (SEQUENCES if name == "both" else (name,)))
    assert (scores.hota, scores.det_a, scores.ass_a, scores.loc_a) == pytest.approx(TRACKEVAL[name], abs=1e-8)


def test_mot_files_read_by_load_tracks_give_the_same_scores():
    folder = data_folder() / "TUD-Campus"
    gt, pred = (load_tracks(folder / f, "mot") for f in ("gt.txt", "test.txt"))
    scores = clear(frame_matches(gt, pred, by="box"))
    assert scores == clear(sequence("TUD-Campus"))
