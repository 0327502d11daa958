"""The names that photographs are taught by: one table of concepts, their kinds, classes and words.

``names.csv`` was written by hand. A row is a concept; ``kind of`` names the concepts it is a kind of,
``classes`` the classes of the data sets that show it (``cifar10/dog``, ``cifar100/bee``, a WordNet id of Tiny
ImageNet), the other columns its words in English and in three languages.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

import numpy as np
from numpy.typing import NDArray

LANGUAGES = ("de", "fr", "es")


@dataclass(frozen=True)
class Concept:
    """One thing that can be named.

    Attributes:
        name: In English, without an article.
        parents: What it is a kind of.
        classes: Which classes of the data sets show it.
        words: Every way to say it, by language (``en``, ``de``, ``fr``, ``es``).
    """

    name: str
    parents: tuple[str, ...]
    classes: tuple[str, ...]
    words: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Concepts:
    """All of them.

    Attributes:
        rows: In a fixed order; the number of a concept is its place.
    """

    rows: tuple[Concept, ...]

    @cached_property
    def number(self) -> dict[str, int]:
        """Number by name."""
        return {row.name: i for i, row in enumerate(self.rows)}

    @cached_property
    def of_class(self) -> dict[str, int]:
        """Number by class of a data set."""
        return {shown: i for i, row in enumerate(self.rows) for shown in row.classes}

    @cached_property
    def kind_of(self) -> NDArray[np.bool_]:
        """(K, K): whether the concept of a row is a kind of the concept of a column, or is it."""
        n = len(self.rows)
        out = np.eye(n, dtype=bool)
        for i, row in enumerate(self.rows):
            out[i, [self.number[parent] for parent in row.parents]] = True
        for _ in range(n.bit_length()):
            out = (out.astype(np.int32) @ out.astype(np.int32)) > 0
        return out

    @cached_property
    def named(self) -> NDArray[np.intp]:
        """Numbers of the concepts that classes show."""
        return np.array([i for i, row in enumerate(self.rows) if row.classes], np.intp)

    def words(self) -> dict[str, str]:
        """Concept by word, in lower case, of all languages; the first to claim a word keeps it."""
        out: dict[str, str] = {}
        for language in ("en", *LANGUAGES):
            for row in self.rows:
                for word in row.words[language]:
                    out.setdefault(word.lower(), row.name)
        return out


def load_concepts() -> Concepts:
    """Read the table that ships with the package."""
    text = (resources.files("seektrack.training.photos") / "names.csv").read_text(encoding="utf-8")
    return Concepts(tuple(_concept(row) for row in csv.DictReader(text.splitlines())))


def _concept(row: dict[str, str]) -> Concept:
    words = {language: _several(row[language]) for language in LANGUAGES}
    return Concept(
        name=row["name"],
        parents=_several(row["kind of"]),
        classes=_several(row["classes"]),
        words={"en": (row["name"], *_several(row["also"])), **words},
    )


def _several(cell: str) -> tuple[str, ...]:
    return tuple(word for word in cell.split("|") if word)


def superclasses() -> dict[str, tuple[str, ...]]:
    """CIFAR-100's twenty groups and their classes, as the data set has them."""
    text = (resources.files("seektrack.training.photos") / "superclasses.csv").read_text(encoding="utf-8")
    return {group: _several(classes) for group, classes in csv.reader(text.splitlines())}
