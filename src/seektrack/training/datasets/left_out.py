"""What of a data set cannot be used: named by file and row, counted, while the rest goes on."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seektrack.errors import InputError
from seektrack.files import new_file

OnBad = Callable[[str, str, InputError], None]
"""Told of each row that cannot be used: where it stands, why in a few words, and the error it would be."""


@dataclass(frozen=True)
class LeftOut:
    """One part of a data set that was passed over.

    Attributes:
        file: The file it stands in, or the file that cannot be used.
        where: The row of it, such as ``line 7``; empty for all of the file.
        why: In a few words, the same for all of a kind.
    """

    file: str
    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}{' ' if self.where else ''}{self.where}: {self.why}"


@dataclass(eq=False)
class LeftOuts(Sequence[LeftOut]):
    """Everything passed over in reading one data set.

    Attributes:
        found: In the order they were met.
    """

    found: list[LeftOut] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # as a list does
        return self.found[index]

    def __iter__(self) -> Iterator[LeftOut]:
        return iter(self.found)

    def add(self, file: str | Path, where: str, why: str) -> None:
        """Take note of one."""
        self.found.append(LeftOut(str(file), where, why))

    def of(self, file: str | Path) -> OnBad:
        """What a reader of rows of ``file`` tells."""
        return lambda where, why, _error: self.add(file, where, why)

    def lines(self, *, each: int = 3) -> list[str]:
        """For people: every reason once with its count, and the first few of each by name."""
        counts = Counter(one.why for one in self.found)
        out = []
        for why, count in counts.most_common():
            named = [f"{o.file}{' ' if o.where else ''}{o.where}" for o in self.found if o.why == why][:each]
            out.append(f"left out, {why}: {count} ({', '.join(named)}{', …' if count > each else ''})")
        return out

    def write(self, path: Path) -> None:
        """All of them as a table: file, where, why."""
        with new_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("file", "where", "why"))
            writer.writerows((o.file, o.where, o.why) for o in self.found)


def refuse(where: str, why: str, error: InputError) -> None:
    """What strict readers do with a row that cannot be used."""
    raise error
