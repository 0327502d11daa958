"""What is a kind of what: a bee is an insect and an animal, whatever an encoder makes of the words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder
from seektrack.retrieval.confidence import content_words

Name = tuple[str, ...]


class Kinds:
    """Answers by name; the last words of a text are what it names, ``"a striped bee"`` a bee.

    Args:
        above: What each thing is a kind of, one step each.
    """

    def __init__(self, above: Mapping[str, Sequence[str]]) -> None:
        steps = {content_words(name): [content_words(a) for a in several] for name, several in above.items()}
        self._above: dict[Name, frozenset[Name]] = {}
        for name in [*steps, *(a for several in steps.values() for a in several)]:
            self._climb(name, steps)
        self.thing = lru_cache(16_384)(self._thing)
        """The longest name that ends a text, or None."""

    def _climb(self, name: Name, steps: Mapping[Name, Sequence[Name]]) -> frozenset[Name]:
        if name not in self._above:
            self._above[name] = frozenset()  # ends a circle, should the table have one
            higher = steps.get(name, ())
            self._above[name] = frozenset(higher).union(*(self._climb(a, steps) for a in higher))
        return self._above[name]

    def _thing(self, text: str) -> Name | None:
        words = content_words(text)
        return next((words[i:] for i in range(len(words)) if words[i:] in self._above), None)

    def below(self, text: str, others: Sequence[str]) -> NDArray[np.bool_]:
        """Which of C texts name a kind of what a text names and nothing else, bool (C,).

        A text that says more than a name ("a red insect") has no kinds: a bee need not be red.
        """
        name = self.thing(text)
        if name is None or name != content_words(text):
            return np.zeros(len(others), dtype=bool)
        return np.array([name in self._over(other) for other in others], dtype=bool)

    def is_group(self, text: str, others: Sequence[str]) -> bool:
        """Whether a text names kinds that C texts name, and nothing that one of them names itself.

        "A vehicle" where the texts are cars and boats; not "a dog" where they are a dog and a poodle.
        """
        named = {self.thing(other) for other in others}
        return self.thing(text) not in named and bool(self.below(text, others).any())

    def is_one_of(self, text: str, names: Sequence[str]) -> bool:
        """Whether what a text names is among names."""
        thing = self.thing(text)
        return thing is not None and thing in {content_words(name) for name in names}

    def related(self, text: str, others: Sequence[str]) -> NDArray[np.bool_]:
        """Which of C texts name a kind of what a text names, or what that is a kind of, bool (C,)."""
        name = self.thing(text)
        if name is None:
            return np.zeros(len(others), dtype=bool)
        over = self._above[name]
        named = [self.thing(other) for other in others]
        return np.array([o is not None and (o in over or name in self._above[o]) for o in named], dtype=bool)

    def _over(self, text: str) -> frozenset[Name]:
        name = self.thing(text)
        return self._above[name] if name is not None else frozenset()


def kinds_of(encoder: Encoder) -> Kinds | None:
    """What an encoder's vocabulary says of kinds; None where it says nothing."""
    vocabulary = getattr(encoder, "vocabulary", None)
    if vocabulary is None or not vocabulary.kinds:
        return None
    return _made(tuple((name, tuple(above)) for name, above in vocabulary.kinds.items()))


@lru_cache(4)
def _made(kinds: tuple[tuple[str, tuple[str, ...]], ...]) -> Kinds:
    return Kinds(dict(kinds))
