"""Byte-pair encoding learnt the same way every time: equal counts are settled by the letters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

Pair = tuple[str, str]


def learn_merges(words: Counter[str], count: int, *, word_end: str) -> list[Pair]:
    """The merges of byte-pair encoding (Sennrich et al., 2016), most frequent first.

    The trainer of the tokenizers library numbers letters in an order that changes from run to run and settles
    equal counts by it, so that it gives other pieces each time.

    Args:
        words: How often each word occurs; a word is a string of letters.
        count: Most merges.
        word_end: Put behind a word's last letter.

    Returns:
        Pairs to merge, fewer than ``count`` where all words are whole before.
    """
    spelled = [([*word[:-1], word[-1] + word_end], n) for word, n in sorted(words.items())]
    pairs: Counter[Pair] = Counter()
    holders: defaultdict[Pair, set[int]] = defaultdict(set)
    for i, (letters, n) in enumerate(spelled):
        for pair in pairwise(letters):
            pairs[pair] += n
            holders[pair].add(i)
    merges: list[Pair] = []
    while len(merges) < count and pairs:
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        if pairs[best] <= 0:
            break
        merges.append(best)
        for i in sorted(holders.pop(best)):
            letters, n = spelled[i]
            joined = _merged(letters, best)
            for pair in pairwise(letters):
                pairs[pair] -= n
            for pair in pairwise(joined):
                pairs[pair] += n
                holders[pair].add(i)
            spelled[i] = joined, n
        del pairs[best]
    return merges


def _merged(letters: list[str], pair: Pair) -> list[str]:
    out: list[str] = []
    for letter in letters:
        if out and (out[-1], letter) == pair:
            out[-1] += letter
        else:
            out.append(letter)
    return out


def count_words(texts: Iterable[str], tokenizer: object) -> Counter[str]:
    """How often each word occurs, as the tokenizer splits texts and spells bytes, before any merges.

    Args:
        texts: To count in.
        tokenizer: A fast ``CLIPTokenizer``.
    """
    backend = tokenizer.backend_tokenizer  # type: ignore[attr-defined]  # transformers are untyped
    words: Counter[str] = Counter()
    for text in texts:
        words.update(
            word for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))
        )
    return words
