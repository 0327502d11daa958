"""Folders of real data with truth, by how they are laid out, and who measures each layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seektrack.errors import InputError
from seektrack.evaluation.real.boxed import holds_boxed_films, measure_boxed_films
from seektrack.evaluation.real.films import holds_films, measure_films
from seektrack.evaluation.real.found import holds_named_films, measure_found
from seektrack.evaluation.real.names import holds_names, measure_names
from seektrack.evaluation.real.regions import measure_regions
from seektrack.evaluation.real.results import Measured, RealSettings
from seektrack.evaluation.real.things import holds_things, measure_things
from seektrack.training.datasets.regions import holds_regions

DEPTH = 3
"""Folders in folders that are looked into."""


@dataclass(frozen=True)
class Layout:
    """One kind of folder.

    Attributes:
        sketch: What lies in it, for people.
        holds: Whether a folder is of the kind; quick, nothing is read.
        measure: From a folder of the kind to its figures.
    """

    sketch: str
    holds: Callable[[Path], bool]
    measure: Callable[[Path, RealSettings], Measured]


LAYOUTS: Mapping[str, Layout] = {
    "films": Layout("clips with masks: NAME/00000.jpg with NAME/00000.png", holds_films, measure_films),
    "boxed films": Layout(
        "sequences with boxes: NAME/gt/gt.txt with seqinfo.ini, label_02/0000.txt or MVI_*.xml",
        holds_boxed_films,
        measure_boxed_films,
    ),
    "named films": Layout(
        "films with names.json: what each shows, as a text", holds_named_films, measure_found
    ),
    "names": Layout(
        "mosaics of named tiles: SET/test/CLASS.jpg with counts.json", holds_names, measure_names
    ),
    "regions": Layout("photographs cut into regions: ID.jpg with ID.0.png", holds_regions, measure_regions),
    "things": Layout(
        "photographs as before in which things are named: those of BSDS500, or things.csv",
        holds_things,
        measure_things,
    ),
}
"""By name. A folder may be of several kinds at once."""


def evaluate_real(
    folders: str | Path | Sequence[str | Path],
    settings: RealSettings | None = None,
    *,
    only: Sequence[str] = (),
) -> dict[str, list[Measured]]:
    """Measure on every folder of a known layout, found among the folders given and those in them.

    Args:
        folders: Where to look.
        settings: How to measure.
        only: Names of `LAYOUTS`; all when empty.

    Returns:
        Path of each folder with its figures, one a layout it is of.

    Raises:
        InputError: A folder is missing, nothing of a known layout is there, or a layout is unknown.
    """
    unknown = [name for name in only if name not in LAYOUTS]
    if unknown:
        raise InputError(f"unknown layout {unknown[0]!r}", hint=f"choose from {', '.join(LAYOUTS)}")
    chosen = {name: layout for name, layout in LAYOUTS.items() if not only or name in only}
    given = [folders] if isinstance(folders, str | Path) else list(folders)
    found = [pair for folder in given for pair in _found(Path(folder).expanduser(), chosen)]
    if not found:
        sketches = "; ".join(f"{name}, {layout.sketch}" for name, layout in chosen.items())
        raise InputError(
            f"nothing to measure in {', '.join(str(folder) for folder in given)}",
            hint=f"known are {sketches}",
        )
    out: dict[str, list[Measured]] = {}
    for folder, name in found:
        out.setdefault(str(folder), []).append(chosen[name].measure(folder, settings or RealSettings()))
    return out


def _found(folder: Path, layouts: Mapping[str, Layout], depth: int = DEPTH) -> Iterator[tuple[Path, str]]:
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}", hint="name the folder that holds the truth")
    here = [name for name, layout in layouts.items() if layout.holds(folder)]
    if here or depth == 0:
        yield from ((folder, name) for name in here)
        return
    for inner in sorted(folder.iterdir()):
        if inner.is_dir():
            yield from _found(inner, layouts, depth - 1)
