"""What captions say of pictures: the names in them that can be learnt, and which are held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.lexicon import LONGEST, SAYS_NOTHING, Lexicon, singulars
from seektrack.query import words_of

FEWEST = 4
"""Pictures of a name from which on it can be learnt."""


@dataclass(frozen=True)
class Said:
    """What captions say, picture by picture.

    Attributes:
        names: Every name that is to be learnt.
        words: Name by word or words.
        shown: Of each picture, the numbers of its names; empty where it says nothing that can be learnt.
        kinds: What a name is a kind of.
    """

    names: tuple[str, ...]
    words: Mapping[str, str]
    shown: tuple[tuple[int, ...], ...]
    kinds: Mapping[str, tuple[str, ...]]


def read_names(captions: Sequence[Sequence[str]], lexicon: Lexicon, *, kinds: Mapping[str, str] = {}) -> Said:
    """Names in captions: short ones are names as a whole, of long ones the words that several pictures have.

    Args:
        captions: Of each picture.
        lexicon: What the encoder can look up. A name of its own in a caption is one of those to learn.
        kinds: What new names are kinds of.
    """
    short: dict[str, str] = {}
    found: list[list[str]] = []
    for texts in captions:
        here: list[str] = []
        for text in texts:
            said = [word for word in words_of(text.replace("-", " ")) if _speaks(word)]
            coloured = [word for word in said if word in lexicon.colours]
            plain = [word for word in said if word not in coloured] or said
            if not plain:
                continue
            if len(plain) > LONGEST:
                here += [singulars(word)[-1] if word.endswith("s") else word for word in plain]
                here += lexicon.read(text).things
                continue
            read = lexicon.read(" ".join(plain))
            known = len(read.things) == 1 and not read.unknown
            name = read.things[0] if known else " ".join(plain)
            short[" ".join(plain)] = name
            here.append(name)
        found.append(list(dict.fromkeys(here)))
    counts = Counter(name for here in found for name in here)
    names = [
        name
        for name, count in counts.items()
        if count >= FEWEST and (name in short.values() or count <= len(captions) / 2)
    ]
    number = {name: i for i, name in enumerate(names)}
    words = {word: name for word, name in short.items() if name in number}
    words |= {name.lower(): name for name in names}
    above: dict[str, tuple[str, ...]] = {}
    for name in names:
        whole = [kinds[name]] if name in kinds else []
        last = lexicon.read(name.split()[-1]).things if " " in name else ()
        if whole or (last and last[0] != name):
            above[name] = tuple(whole or last)
    return Said(
        tuple(names), words, tuple(tuple(number[n] for n in here if n in number) for here in found), above
    )


def _speaks(word: str) -> bool:
    return word not in SAYS_NOTHING and not word.isdigit() and len(word) > 1


def split_names(said: Said, share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of the pictures to learn from and of those held out: of each name about that share."""
    rng = np.random.default_rng((seed, 1))
    out: set[int] = set()
    for name in range(len(said.names)):
        here = [i for i, shown in enumerate(said.shown) if name in shown]
        wanted = round(share * len(here)) if len(here) > FEWEST else 0
        wanted = max(wanted, 1) if share and len(here) > FEWEST else wanted
        left = [i for i in rng.permutation(here).tolist() if i not in out]
        out |= set(left[: max(0, wanted - (len(here) - len(left)))])
    some = [i for i, shown in enumerate(said.shown) if shown]
    return (
        np.array([i for i in some if i not in out], np.intp),
        np.array([i for i in some if i in out], np.intp),
    )
