"""Libraries measured on pictures, videos and moments with texts: every text searched as a person would."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seektrack.encoders import check_templates
from seektrack.errors import InputError
from seektrack.evaluation.captions.compare import compare
from seektrack.evaluation.captions.material import Asked, Thing
from seektrack.evaluation.captions.report import DIRECTIONS, KS, TextReport
from seektrack.evaluation.captions.retrieval import Floats, TextSettings, figures_of
from seektrack.metrics import Rankings, rank_tables
from seektrack.pipeline import Library
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.training.datasets.text_items import TextItem
from seektrack.training.datasets.texts import read_texts
from seektrack.types import Moment, Progress

_EVERYTHING = 1_000_000
_UNSEEN = -1.0
"""Below every score: the library has no frame of it."""
OVERLAP = 0.5
"""A moment found this well, as intersection over union in time, is right (Gao et al., arXiv:1705.02101)."""


def evaluate_libraries(
    data: str | Path, libraries: Sequence[str | Path], settings: TextSettings | None = None
) -> TextReport:
    """Measure search in libraries on what texts say of the pictures, videos and moments they hold.

    A library that is not there is made of the data set's files; of one that is, what it holds is asked for.

    Args:
        data: What :func:`seektrack.training.datasets.read_texts` takes.
        libraries: Their folders; the first is what the others are compared with.
        settings: ``models`` is asked for its first, to make libraries with; ``frames`` and ``noise`` are not
            looked at.

    Returns:
        By library ``text_to_image`` as :func:`seektrack.evaluation.captions.evaluate_texts` has it, of the
        ranking of everything the library holds; ``moments``: the share of texts ``answered`` by a search, and
        of all texts those whose first moment, and one of whose first five, is ``right``, and of moments
        those whose first has the span that is meant, ``right_span``; ``ms`` of a question, and of indexing a
        file.

    Raises:
        InputError: The data cannot be used, or a library holds nothing of it.
        LibraryError: What lies there is no library.
    """
    s = settings or TextSettings()
    check_templates(s.templates)
    found = read_texts(data, images=s.images, split=s.split)
    items = list(found.items)
    if s.limit is not None and s.limit < len(items):
        items = [items[int(i)] for i in np.linspace(0, len(items) - 1, s.limit).round().astype(int)]
    opened = {str(path): _opened(path, s, items, found.left_out) for path in libraries}
    try:
        for library, _ in opened.values():
            items = [item for item in items if _held(library, item, found.left_out)]
        if len(items) < 2:
            raise InputError(
                f"the libraries hold {len(items)} of the things with texts", hint="index them first"
            )
        asked = Asked.of([Thing(item.key, item.texts, item.pictures) for item in items])
        figures: dict[str, dict[str, Any]] = {}
        rankings: dict[str, dict[str, Rankings]] = {}
        scores: dict[str, Floats] = {}
        for name, (library, ms) in opened.items():
            scores[name], figures[name] = _asked(library, items, asked, s)
            rankings[name] = {DIRECTIONS[0]: rank_tables(scores[name], asked.things_of, ks=KS)}
            figures[name] = {DIRECTIONS[0]: figures_of(rankings[name][DIRECTIONS[0]]), **figures[name]}
            figures[name]["ms"] |= {} if ms is None else {"indexing": ms}
    finally:
        for library, _ in opened.values():
            library.close()
    first, *others = opened
    return TextReport(
        data=str(data),
        layout=found.layout,
        keys=[item.key for item in items],
        asked=asked,
        left_out=found.left_out,
        figures=figures,
        scores=scores,
        compared={other: compare(rankings[first], rankings[other], asked) for other in others},
        noise={},
    )


def _opened(
    path: str | Path, s: TextSettings, items: Sequence[TextItem], left_out: LeftOuts
) -> tuple[Library, float | None]:
    """A library, and milliseconds a file where it had to be made."""
    there = Path(path).exists()
    model = None if there else str(s.models[0])
    library = Library(path, model=model, device=s.device)
    if there:
        return library, None
    files = list(dict.fromkeys(item.file for item in items))
    begun = time.perf_counter()
    report = library.index(files, progress=s.progress)
    for file, error in report.failed:
        left_out.add(file, "", f"cannot be read: {error.message.split(': ')[-1]}")
    return library, round(1000 * (time.perf_counter() - begun) / len(files), 3)


def _held(library: Library, item: TextItem, left_out: LeftOuts) -> bool:
    """Whether the library holds a thing; it is named where it does not."""
    if library.holds(str(item.file)) or library.holds(str(item.file.resolve())):
        return True
    if not any(one.file == str(item.file) for one in left_out):
        left_out.add(item.file, "", "not in the library")
    return False


def _asked(
    library: Library, items: Sequence[TextItem], asked: Asked, s: TextSettings
) -> tuple[Floats, dict[str, Any]]:
    """Scores (texts, things), and what a person gets."""
    of_file: dict[str, list[int]] = defaultdict(list)
    for number, item in enumerate(items):
        for name in {str(item.file), str(item.file.resolve())}:
            of_file[name].append(number)
    scores = np.full((len(asked.texts), len(items)), _UNSEEN, np.float32)
    first, five, span, answered, seconds = [], [], [], [], []
    for row, text in enumerate(asked.texts):
        _tell(s.progress, row, len(asked.texts))
        for hit in library.hits(text, k=_EVERYTHING, min_confidence=0.0, templates=s.templates):
            for number in of_file.get(hit.video, ()):
                if _in(items[number], hit.time_s):
                    value = hit.confidence + 1e-4 * hit.score
                    scores[row, number] = max(scores[row, number], value)
        begun = time.perf_counter()
        moments = list(library.search(text, k=5, templates=s.templates))
        seconds.append(time.perf_counter() - begun)
        meant = [items[int(i)] for i in asked.things_of[row]]
        right = [any(_shows(item, moment) for item in meant) for moment in moments]
        answered.append(bool(moments))
        first.append(bool(right) and right[0])
        five.append(any(right))
        if any(item.span is not None for item in meant):
            span.append(bool(moments) and any(_overlap(item, moments[0]) >= OVERLAP for item in meant))
    _tell(s.progress, len(asked.texts), len(asked.texts))
    shares = {"answered": answered, "right_first": first, "right_of_five": five}
    shares |= {"right_span": span} if span else {}
    told = {name: round(float(np.mean(values)), 4) for name, values in shares.items()}
    p50, p95 = (round(1000 * float(np.quantile(seconds, q)), 3) for q in (0.5, 0.95))
    return scores, {"moments": told, "ms": {"question, p50": p50, "question, p95": p95}}


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress:
        progress(done, total, "asking")


def _in(item: TextItem, time_s: float) -> bool:
    return item.span is None or item.span[0] <= time_s <= item.span[1]


def _shows(item: TextItem, moment: Moment) -> bool:
    """Whether a moment's best frame is of a thing."""
    same = moment.video in (str(item.file), str(item.file.resolve()))
    return same and _in(item, moment.key.time_s)


def _overlap(item: TextItem, moment: Moment) -> float:
    """Intersection over union of a moment and what is meant, in time; 0 in another video."""
    if item.span is None or moment.video not in (str(item.file), str(item.file.resolve())):
        return 0.0
    start, end = item.span
    both = max(0.0, min(end, moment.end_s) - max(start, moment.start_s))
    return both / max(end - start + moment.end_s - moment.start_s - both, 1e-9)
