"""Figures of retrieval as JSON, as Markdown, as a plot, and as files that trec_eval reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.evaluation.captions.material import Asked
from seektrack.files import new_file, write_text
from seektrack.training.datasets.left_out import LeftOuts

DIRECTIONS = ("text_to_image", "image_to_text")
KS = (1, 5, 10)
SHOWN = ("R@1", "R@5", "R@10", "P@1", "P@5", "P@10", "recall@5", "recall@10", "mAP", "MRR", "median_rank")


@dataclass(frozen=True, eq=False)
class TextReport:
    """What was measured.

    Attributes:
        data, layout: What on.
        keys: Names of the things.
        asked: Their texts.
        left_out: What could not be used.
        figures: By encoder: for each direction R@k, P@k, recall@k, mAP, MRR and the median rank of the first
            right answer; mean similarity of true pairs and of others; milliseconds for a text, a picture, and
            for comparing a text with all pictures. By library instead: what
            :func:`seektrack.evaluation.captions.evaluate_libraries` tells.
        scores: By encoder, float32 (texts, things), cosines.
        compared: By every encoder but the first, paired tests against the first.
        noise: By encoder and kind of noise, R@1 of both directions.
    """

    data: str
    layout: str
    keys: Sequence[str]
    asked: Asked
    left_out: LeftOuts
    figures: Mapping[str, Mapping[str, Any]]
    scores: Mapping[str, NDArray[np.float32]]
    compared: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]
    noise: Mapping[str, Mapping[str, Mapping[str, float]]]

    @property
    def ways(self) -> tuple[str, ...]:
        """The directions that were measured; a library is asked by text alone."""
        measured = next(iter(self.figures.values()))
        return tuple(way for way in DIRECTIONS if way in measured)

    def as_json(self) -> dict[str, Any]:
        """Everything but the scores."""
        out: dict[str, Any] = {
            "data": self.data,
            "layout": self.layout,
            "things": len(self.keys),
            "texts": len(self.asked.texts),
            "left_out": len(self.left_out),
            "encoders": self.figures,
        }
        return out | {
            name: value for name, value in (("compared", self.compared), ("noise", self.noise)) if value
        }

    def rows(self) -> list[tuple[str, str, dict[str, float]]]:
        """``(direction, figure, value by encoder)``, as tables show it."""
        out = []
        for way in self.ways:
            for name in SHOWN:
                out.append((way, name, {e: float(f[way][name]) for e, f in self.figures.items()}))
        for group in ("similarity", "moments", "ms"):
            for name in next(iter(self.figures.values())).get(group, ()):
                values = {e: float(f[group].get(name, math.nan)) for e, f in self.figures.items()}
                out.append((group, name, values))
        return out

    def plain(self) -> dict[str, dict[str, float]]:
        """Every figure by encoder under one name, such as ``text to image, R@1``."""
        return {
            encoder: {
                f"{way.replace('_', ' ')}, {name}": values[encoder] for way, name, values in self.rows()
            }
            for encoder in self.figures
        }

    def test_of(self, other: str, way: str, figure: str) -> Mapping[str, float] | None:
        """The paired test of a figure, where there is one."""
        return self.compared.get(other, {}).get(way, {}).get(figure)

    def markdown(self) -> str:
        """Tables for a page."""
        encoders = list(self.figures)
        lines = [
            f"{len(self.keys)} things with {len(self.asked.texts)} texts ({self.layout}).",
            "",
            f"| direction | figure | {' | '.join(encoders)} |" + " difference | p |" * (len(encoders) - 1),
            "|---|---|" + "---:|" * (3 * len(encoders) - 2),
        ]
        for way, name, values in self.rows():
            cells = " | ".join(f"{values[e]:.3f}" for e in encoders)
            lines.append(f"| {way.replace('_', ' ')} | {name} | {cells} |{self._tests(way, name)}")
        if self.noise:
            ways = [way.replace("_", " ") for way in self.ways]
            head = [f"{e}, {way}" for e in encoders for way in ways]
            lines += ["", f"| R@1 under noise | {' | '.join(head)} |", "|---|" + "---:|" * len(head)]
            for kind in next(iter(self.noise.values())):
                cells = " | ".join(f"{self.noise[e][kind][way]:.3f}" for e in encoders for way in self.ways)
                lines.append(f"| {kind} | {cells} |")
        return "\n".join([*lines, *(f"\n{line}" for line in self.left_out.lines())]) + "\n"

    def _tests(self, way: str, name: str) -> str:
        out = ""
        for other in list(self.figures)[1:]:
            found = self.test_of(other, way, name)
            out += " | |" if found is None else f" {found['difference']:+.3f} | {found['p']:.4f} |"
        return out

    def plot(self, path: str | Path) -> None:
        """R@k by k for both directions, and R@1 under noise where it was measured, as a picture.

        Raises:
            InputError: matplotlib is not installed.
            OutputError: The file cannot be written.
        """
        from seektrack.outputs.optional import needed

        needed("matplotlib", "plot")
        from matplotlib.figure import Figure

        panels = len(self.ways) + bool(self.noise)
        figure = Figure(figsize=(4.2 * panels, 3.6), layout="constrained")
        axes = figure.subplots(1, panels, squeeze=False)[0]
        for ax, way in zip(axes, self.ways, strict=False):
            for name, found in self.figures.items():
                ax.plot(KS, [found[way][f"R@{k}"] for k in KS], marker="o", label=name)
            ax.set(title=way.replace("_", " "), xlabel="k", ylabel="R@k", ylim=(0, 1.02), xticks=KS)
        axes[0].legend()
        if self.noise:
            kinds = list(next(iter(self.noise.values())))
            for name, found in self.noise.items():
                axes[-1].plot([found[k]["text_to_image"] for k in kinds], range(len(kinds)), "o", label=name)
            axes[-1].set(title="text to image under noise", xlabel="R@1", xlim=(-0.02, 1.02))
            axes[-1].set_yticks(range(len(kinds)), kinds, fontsize=6)
            axes[-1].invert_yaxis()
        suffix = Path(path).suffix.lstrip(".").lower() or "png"
        with new_file(path) as temporary:
            figure.savefig(temporary, format=suffix, dpi=120)

    def write_trec(self, folder: str | Path) -> list[Path]:
        """Rankings and judgements as trec_eval reads them: ``<direction>.qrels`` and ``<n>.<direction>.run``.

        Texts are called ``t0``, ``t1``… and things ``i0``…, in order; ``names.tsv`` says which is which.

        Returns:
            The files.
        """
        home = Path(folder)
        files = []
        truth = {
            DIRECTIONS[0]: ("t", "i", self.asked.things_of),
            DIRECTIONS[1]: ("i", "t", self.asked.texts_of),
        }
        truth = {way: truth[way] for way in self.ways}
        for way, (asking, answer, of) in truth.items():
            lines = [f"{asking}{q} 0 {answer}{n} 1" for q, ns in enumerate(of) for n in ns.tolist()]
            files.append(_write(home / f"{way}.qrels", lines))
        for number, (name, table) in enumerate(self.scores.items()):
            for way, (asking, answer, _) in truth.items():
                scores = table if way == DIRECTIONS[0] else table.T
                order = np.argsort(-scores, axis=1, kind="stable")
                lines = [
                    f"{asking}{q} Q0 {answer}{n} {rank} {scores[q, n]:.9g} {name.replace(' ', '_')}"
                    for q, row in enumerate(order)
                    for rank, n in enumerate(row.tolist(), start=1)
                ]
                files.append(_write(home / f"{number}.{way}.run", lines))
        named = [f"i{n}\t{key}" for n, key in enumerate(self.keys)]
        named += [f"t{n}\t{' '.join(text.split())}" for n, text in enumerate(self.asked.texts)]
        return [*files, _write(home / "names.tsv", named)]


def _write(path: Path, lines: Sequence[str]) -> Path:
    write_text(path, "\n".join(lines) + "\n")
    return path
