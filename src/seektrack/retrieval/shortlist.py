"""Which pictures of a large library are weighed in full: the nearest to what is asked that may show it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seektrack.library import LibraryStore, Rows, Where
from seektrack.retrieval.confidence import ConfidenceSettings
from seektrack.retrieval.query import TextQuery

SHORTLIST = 50_000
"""Rows of a library that are all weighed; of a larger one, most that are weighed for each thing asked for."""
FIRST = 4096
"""Rows, nearest first, that are weighed for each thing of a larger one; more where the last may show it."""
FEWEST = 256
"""Of these, at least so many for each text of it."""
WIDER = 2
"""How many times as many are looked at where the last may show it."""
STILL = 0.25
"""Belief in a picture by itself from which on those behind it may show it too."""


def candidates(
    store: LibraryStore, query: TextQuery, where: Where | None, settings: ConfidenceSettings
) -> tuple[NDArray[np.float16], Rows, bool]:
    """Rows to weigh in full, vectors (N, D), and whether they are all that the filter leaves.

    Of a large library, for each thing that is asked for the rows nearest to it and to names for kinds of it,
    as far as the last of them might show it; and so of what must not show.
    """
    if store.count() <= SHORTLIST:
        return *store.vectors(where=where), True
    asked = query.parts or (query,)
    most = SHORTLIST // len(asked)
    lists = [_near(store, one, where, min(FIRST, most), most, settings) for one in asked]
    if all(whole for _, whole in lists):
        return *store.vectors(where=where), True
    unwanted = [one.query for one in query.without if one.is_thing]
    lists += [_near(store, one, where, min(FIRST // 2, most), most, settings) for one in unwanted]
    vectors, rows = store.vectors_by_id(np.unique(np.concatenate([ids for ids, _ in lists])))
    return vectors, rows, False


def _near(
    store: LibraryStore,
    query: TextQuery,
    where: Where | None,
    first: int,
    most: int,
    settings: ConfidenceSettings,
) -> tuple[NDArray[np.int64], bool]:
    """Ids of rows near to a thing, and whether they are all there are."""
    texts = np.concatenate([query.vector[None], query.support])
    each = [min(most, max(FEWEST, first // len(texts)))] * len(texts)
    found = store.nearest_each(texts, each, where=where)
    if any(len(ids) < n for ids, n in zip(found, each, strict=True)):
        return found[0], True
    again = list(range(len(texts)))
    while again := [i for i in _may_show(store, query, texts, again, found, settings) if each[i] < most]:
        for i in again:
            each[i] = min(most, WIDER * each[i])
        wider = store.nearest_each(texts[again], [each[i] for i in again], where=where)
        for i, ids in zip(again, wider, strict=True):
            found[i] = ids
    return np.concatenate(found), False


def _may_show(
    store: LibraryStore,
    query: TextQuery,
    texts: NDArray[np.float32],
    which: list[int],
    found: list[NDArray[np.int64]],
    settings: ConfidenceSettings,
) -> list[int]:
    """Of which texts one of the last rows near to it, nearest first, may show what is asked for.

    Those that are nearer to another text of it stand further ahead among the rows near to that one.
    """
    tails = {i: found[i][-max(1, len(found[i]) // 8) :] for i in which}
    vectors, rows = store.vectors_by_id(np.unique(np.concatenate(list(tails.values()))))
    last = vectors.astype(np.float32)
    own = (last @ texts.T).argmax(axis=1)
    shown = query.probability(last, settings) >= STILL
    return [i for i, ids in tails.items() if np.isin(rows.ids[shown & (own == i)], ids).any()]
