"""Hostile versions of healthy files: bytes flipped, cut, spliced; values of documents put at their edges."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np

EDGES: list[Any] = [
    0, -1, 1, 255, 256, 65535, 2**31 - 1, 2**31, 2**32, 2**53, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e-300,
    1e308, float("nan"), float("inf"), float("-inf"), "", "x", "-1", "1e999", "\x1b[2J", "[/]", "\u202e",
    "../../etc", "é" * 50, "a" * 5000, None, True, False, [], {}, [[]], [1000000, 1000000],
    {"size": [10**6, 10**6], "counts": "1"},
]  # fmt: skip
"""What a number, a text or a list of a document is put to."""


def flipped(rng: np.random.Generator, raw: bytes) -> bytes:
    """Some bits turned, most often near the beginning, where headers are."""
    out = bytearray(raw)
    for _ in range(int(rng.integers(1, 9))):
        at = int(rng.integers(len(out)) if rng.random() < 0.5 else min(rng.geometric(0.01), len(out)) - 1)
        out[at] ^= 1 << int(rng.integers(8))
    return bytes(out)


def cut(rng: np.random.Generator, raw: bytes) -> bytes:
    """The beginning, or the file without a piece."""
    a, b = sorted(int(v) for v in rng.integers(0, len(raw) + 1, 2))
    return raw[:a] if rng.random() < 0.5 else raw[:a] + raw[b:]


def spliced(rng: np.random.Generator, raw: bytes) -> bytes:
    """A piece written over another place, or zeros, or noise."""
    a, b = sorted(int(v) for v in rng.integers(0, len(raw) + 1, 2))
    b = min(b, a + 4096)
    kinds = (raw[: b - a], bytes(b - a), rng.bytes(b - a))
    return raw[:a] + kinds[int(rng.integers(3))] + raw[b:]


def numbered(rng: np.random.Generator, raw: bytes) -> bytes:
    """A field of four bytes at an edge of what it can say."""
    if len(raw) < 8:
        return flipped(rng, raw)
    at = int(rng.integers(min(len(raw) - 4, 4096)))
    value = int(rng.choice(np.array([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, 0x10000], np.uint64)))
    order = "big" if rng.random() < 0.5 else "little"
    return raw[:at] + value.to_bytes(4, order) + raw[at + 4 :]


def edged(rng: np.random.Generator, raw: bytes) -> bytes:
    """A JSON document with one to three of its values replaced, removed or doubled."""
    try:
        document = json.loads(raw)
    except ValueError:
        return worded(rng, raw)
    for _ in range(int(rng.integers(1, 4))):
        places = list(_places(document))
        if not places:
            break
        holder, key = places[int(rng.integers(len(places)))]
        kind = rng.random()
        if kind < 0.75:
            holder[key] = copy.deepcopy(EDGES[int(rng.integers(len(EDGES)))])
        elif kind < 0.9:
            del holder[key]
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
    return json.dumps(document).encode()


def _places(node: Any, depth: int = 0) -> Any:
    if depth > 12:
        return
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from _places(value, depth + 1)


def worded(rng: np.random.Generator, raw: bytes) -> bytes:
    """A text with one of its words replaced, a line doubled, or a line gone."""
    lines = raw.split(b"\n")
    at = int(rng.integers(len(lines)))
    if rng.random() < 0.2:
        return b"\n".join(lines[:at] + lines[at : at + 1] + lines[at:])
    cells = lines[at].replace(b",", b" , ").split(b" ")
    cells[int(rng.integers(len(cells)))] = str(EDGES[int(rng.integers(len(EDGES)))]).encode()
    return b"\n".join([*lines[:at], b" ".join(cells).replace(b" , ", b","), *lines[at + 1 :]])


Mutator = Callable[[np.random.Generator, bytes], bytes]
BYTES: tuple[Mutator, ...] = (flipped, cut, spliced, numbered)
DOCUMENT: tuple[Mutator, ...] = (edged, edged, edged, flipped, cut)
TEXT: tuple[Mutator, ...] = (worded, worded, worded, flipped, cut)


def mutated(rng: np.random.Generator, raw: bytes, name: str) -> bytes:
    """A hostile version of a file, in the way its kind suffers from."""
    ends = name.rsplit(".", 1)[-1]
    ways = DOCUMENT if ends == "json" else TEXT if ends in ("txt", "csv", "xml", "srt") else BYTES
    return ways[int(rng.integers(len(ways)))](rng, raw)
