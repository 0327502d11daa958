from __future__ import annotations

from collections import Counter

from seektrack.training.clip.pieces import learn_merges


def naive(words: Counter[str], count: int, end: str) -> list[tuple[str, str]]:
    """Byte-pair encoding as its paper has it: count all pairs again after every merge."""
    spelled = {word: [*word[:-1], word[-1] + end] for word in words}
    merges: list[tuple[str, str]] = []
    for _ in range(count):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, letters in spelled.items():
            for i in range(len(letters) - 1):
                pairs[letters[i], letters[i + 1]] += words[word]
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        for word, letters in spelled.items():
            text = "\x00".join(letters) + "\x00"
            text = text.replace("\x00".join(best) + "\x00", "".join(best) + "\x00")
            spelled[word] = text[:-1].split("\x00")
    return merges


def test_merges_are_those_of_counting_again_every_time() -> None:
    words = Counter({"banana": 3, "bandana": 2, "an": 5, "nab": 5, "aaaa": 2, "b": 9})
    merges = learn_merges(words, 8, word_end="</w>")
    assert merges == naive(words, 8, "</w>")
    assert len(learn_merges(words, 1000, word_end="</w>")) < 30


def test_the_order_of_the_words_does_not_matter() -> None:
    words = Counter({"ab": 1, "cd": 1, "ef": 1, "abcd": 1})
    turned = Counter(dict(reversed(words.items())))
    assert learn_merges(words, 9, word_end="_") == learn_merges(turned, 9, word_end="_")
