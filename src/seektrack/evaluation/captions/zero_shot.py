"""Pictures named by an encoder that was never shown the names: zero-shot classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seektrack.encoders import embed_queries
from seektrack.errors import InputError
from seektrack.evaluation.captions.material import Looks, Things, read_things
from seektrack.evaluation.captions.retrieval import TextSettings, load_encoders
from seektrack.training.datasets.files import read_lines
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.training.datasets.text_items import TextSet
from seektrack.training.finetune.data import same_text

_ARTICLES = ("a ", "an ", "the ")


@dataclass(frozen=True, eq=False)
class ZeroShotReport:
    """How pictures were named.

    Attributes:
        labels: What could be answered.
        left_out: What was not asked: no label among the names, or unreadable.
        figures: By encoder ``top1``, ``top5``, ``per_class`` (mean over classes of the share right),
            ``things`` and ``ms_image``.
        classes: By encoder and label: ``things``, ``right``, and ``taken_for``, the commonest wrong answer.
    """

    labels: tuple[str, ...]
    left_out: LeftOuts
    figures: dict[str, dict[str, float]]
    classes: dict[str, dict[str, dict[str, Any]]]

    def as_json(self) -> dict[str, Any]:
        """For a script."""
        return {
            "labels": list(self.labels),
            "left_out": len(self.left_out),
            "encoders": self.figures,
            "classes": self.classes,
        }

    def markdown(self) -> str:
        """Tables for a page."""
        names = ("top1", "top5", "per_class", "things", "ms_image")
        lines = [f"| encoder | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
        for encoder, found in self.figures.items():
            lines.append(f"| {encoder} | {' | '.join(f'{found[n]:.3f}' for n in names)} |")
        for encoder, classes in self.classes.items():
            lines += ["", f"| {encoder} | things | right | taken for |", "|---|---:|---:|---|"]
            lines += [
                f"| {label} | {c['things']} | {c['right']:.3f} | {c['taken_for']} |"
                for label, c in classes.items()
            ]
        return "\n".join([*lines, *(f"\n{line}" for line in self.left_out.lines())]) + "\n"


def read_labels(labels: str | Path | Sequence[str]) -> tuple[str, ...]:
    """Names to choose from: a file with one a line, or names joined by commas.

    Raises:
        InputError: Fewer than two, or one twice.
    """
    if isinstance(labels, str | Path):
        path = Path(labels).expanduser()
        found = read_lines(path, what="list of names") if path.is_file() else str(labels).split(",")
    else:
        found = list(labels)
    names = [name.strip() for name in found if name.strip()]
    twice = sorted({name for name in names if sum(_bare(name) == _bare(n) for n in names) > 1})
    if len(names) < 2 or twice:
        what = f"twice: {', '.join(twice)}" if twice else f"{len(names)} names"
        raise InputError(f"cannot choose among {what}", hint="a file with one a line, or cat,dog,horse")
    return tuple(names)


def evaluate_zero_shot(
    data: str | Path | TextSet | Sequence[Any],
    labels: str | Path | Sequence[str],
    settings: TextSettings | None = None,
) -> ZeroShotReport:
    """Ask of every picture, video or moment which of some names it is.

    Args:
        data: What :func:`seektrack.evaluation.captions.read_things` takes; a text that is one of the names,
            but for its article and spelling, is the truth.
        labels: The names, see :func:`read_labels`.
        settings: Encoders, templates and so on.

    Raises:
        InputError: The data or the names cannot be used, or nothing bears one of the names.
    """
    s = settings or TextSettings()
    names = read_labels(labels)
    found = read_things(data, images=s.images, split=s.split, limit=s.limit)
    place = {_bare(name): i for i, name in enumerate(names)}
    things, truth = [], {}
    for thing in found.things:
        own = {place[_bare(text)] for text in thing.texts if _bare(text) in place}
        if len(own) == 1:
            things.append(thing)
            truth[thing.key] = own.pop()
        else:
            why = "bears several of the names" if own else "bears none of the names"
            found.left_out.add(thing.key, "", why)
    if not things:
        said = ", ".join(found.things[0].texts[:3])
        raise InputError(f"nothing bears one of the names; the first is called {said}", hint="name those")
    encoders = load_encoders(s.models, device=s.device)
    looks = Looks(encoders, frames=s.frames)
    kept = looks.over(Things(found.layout, things, found.left_out), progress=s.progress)
    right = np.array([truth[thing.key] for thing in kept])
    figures, classes = {}, {}
    for name, encoder in encoders.items():
        texts = embed_queries(encoder, names, templates=s.templates)
        order = np.argsort(-(looks.rows[name] @ texts.T), axis=1, kind="stable")
        per_class = _classes(names, right, order[:, 0])
        figures[name] = {
            "top1": float((order[:, 0] == right).mean()),
            "top5": float((order[:, :5] == right[:, None]).any(1).mean()),
            "per_class": float(np.mean([c["right"] for c in per_class.values()])),
            "things": len(kept),
            "ms_image": round(1000 * looks.seconds[name] / looks.pictures, 3),
        }
        classes[name] = per_class
    return ZeroShotReport(names, found.left_out, figures, classes)


def _classes(names: Sequence[str], right: Any, answer: Any) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for i in np.unique(right):
        said = answer[right == i]
        wrong = np.bincount(said[said != i], minlength=len(names))
        taken = names[int(wrong.argmax())] if wrong.any() else ""
        out[names[i]] = {"things": len(said), "right": float((said == i).mean()), "taken_for": taken}
    return out


def _bare(name: str) -> str:
    text = same_text(name.replace("_", " "))
    return next((text.removeprefix(a) for a in _ARTICLES if text.startswith(a)), text)
