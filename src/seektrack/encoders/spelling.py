"""Mistyped words put right before a query is embedded, by the words the model and the library have seen.

A word is left alone when it is known: one of the labels the encoder competes with, a common word, a word of a
language that the encoder reads, or a single token of its own tokenizer, which stores whole the words it saw
often. Any other word takes the
nearest label word by Damerau-Levenshtein distance (optimal string alignment), if one is near enough for its
length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from seektrack.encoders.base import Encoder
from seektrack.encoders.contrast import contrast_texts
from seektrack.encoders.tokens import tokens_of
from seektrack.query import COLOURS, words_of
from seektrack.query.language import languages
from seektrack.query.spoken.en import COMMON_WORDS
from seektrack.query.spoken.en import LANGUAGE as ENGLISH

_WORD = re.compile(r"[^\W\d_]+")
MIN_LETTERS = 3
TWO_SLIPS = 7
"""Letters of a word from which on it may hold two slips."""
SUBSTITUTED = 5
"""Letters from which on one may stand for another."""


@dataclass(frozen=True)
class Correction:
    """A query and what was mistyped in it.

    Attributes:
        typed: As it came.
        text: Put right; equal to ``typed`` when nothing was.
        changes: ``(typed word, meant word)`` in order.
    """

    typed: str
    text: str
    changes: tuple[tuple[str, str], ...]

    def __bool__(self) -> bool:
        return bool(self.changes)


class Speller:
    """Corrects words towards a vocabulary.

    Args:
        words: The words that may be meant, those preferred among equals first.
        is_known: Tells of any other word that it is right as it is.
    """

    def __init__(self, words: Iterable[str], *, is_known: Callable[[str], bool] | None = None) -> None:
        meant = dict.fromkeys(w.lower() for w in words if len(w) >= MIN_LETTERS and w.isalpha())
        self.words = tuple(meant)
        self._known = frozenset(meant) | COMMON_WORDS | ENGLISH.articles
        self._is_known = is_known or (lambda _: False)

    def correct(self, text: str) -> Correction:
        """Replace unknown words by near ones, keeping case of the first letter and everything between."""
        changes: list[tuple[str, str]] = []

        def replace(match: re.Match[str]) -> str:
            word = match[0]
            meant = self.meant(word.lower())
            if meant is None:
                return word
            meant = meant.capitalize() if word[0].isupper() else meant
            changes.append((word, meant))
            return meant

        return Correction(text, _WORD.sub(replace, text), tuple(changes))

    def meant(self, word: str) -> str | None:
        """The word of the vocabulary that an unknown lower-case word was probably meant to be."""
        from rapidfuzz.distance import OSA

        if len(word) < MIN_LETTERS or word in self._known or self._is_singular_known(word):
            return None
        if self._is_known(word):
            return None
        most = 2 if len(word) >= TWO_SLIPS else 1
        best: tuple[float, int] | None = None
        for i, candidate in enumerate(self.words):
            distance = OSA.distance(word, candidate, score_cutoff=most)
            if distance > most or 2 * distance >= len(candidate) or _another_word(word, candidate):
                continue
            cost = distance + 0.5 * (candidate[0] != word[0])  # a wrong first letter is the rarest slip
            if best is None or (cost, i) < best:
                best = (cost, i)
        return None if best is None else self.words[best[1]]

    def _is_singular_known(self, word: str) -> bool:
        return any(word.endswith(s) and word.removesuffix(s) in self._known for s in ("s", "es"))


def _another_word(word: str, candidate: str) -> bool:
    """Whether two words of one length are more likely two words, as goat and boat are, than a slip.

    Fingers swap letters, leave them out and double them; a letter for another makes a word of its own where
    the word is short, or where it is the first.
    """
    if len(word) != len(candidate) or sorted(word) == sorted(candidate):
        return False
    return len(word) < SUBSTITUTED or word[0] != candidate[0]


def speller_for(encoder: Encoder, *, seen: Iterable[str] = ()) -> Speller:
    """A speller of what an encoder has been taught.

    Args:
        encoder: Its contrast texts are the words that may be meant; its tokenizer, and ``words`` if it has
            them, know further ones.
        seen: Further texts that users of a library have searched with success, or its labels.
    """
    texts = [*contrast_texts(encoder), *seen]
    words = dict.fromkeys(w for text in texts for w in words_of(text) if w not in ENGLISH.articles)
    read = getattr(encoder, "languages", None)
    taught: set[str] = {
        word for code, one in languages().items() if read is None or code in read for word in one.written
    }
    taught |= getattr(encoder, "words", frozenset())
    is_whole = getattr(encoder, "knows_word", None) or _single_token(getattr(encoder, "tokenizer", None))
    return Speller([*words, *COLOURS], is_known=lambda word: word in taught or is_whole(word))


def _single_token(tokenizer: Any) -> Callable[[str], bool]:
    if tokenizer is None:
        return lambda _: False

    def known(word: str) -> bool:
        tokens = tokens_of(tokenizer, word, add_special_tokens=False)["input_ids"]
        return len(tokens) == 1 and tokens[0] != getattr(tokenizer, "unk_token_id", None)

    return known
