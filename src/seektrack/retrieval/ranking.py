"""Ways to order pictures under a query besides belief: plain cosine, centred or whitened cosine, and QB-Norm.

Some pictures ("hubs") are near to every text. QB-Norm (Bogolin et al., 2022, "Cross modal retrieval with
querybank normalisation") divides a picture's similarity to the query by its similarity to a bank of other
queries, and does so only where it matters: when the query's best picture is one that some bank query also
likes best (the dynamic inverted softmax of their section 3.3). The bank's embeddings are kept beside the
library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, contrast_texts, embed_queries
from seektrack.encoders.whitening import Whitening
from seektrack.errors import InputError
from seektrack.library import LibraryStore

RankBy = Literal["confidence", "cosine", "centred", "whitened", "qb-norm"]
RANK_BY: tuple[RankBy, ...] = get_args(RankBy)
BLOCK = 8192


@dataclass(frozen=True, eq=False)
class QueryBank:
    """Queries that say which pictures are near to everything.

    Attributes:
        vectors: float32 (B, D), unit rows.
        beta: Inverse temperature of the inverted softmax; 20 in the paper.
        k: Best pictures of each bank query that count as likely hubs.
    """

    vectors: NDArray[np.float32]
    beta: float = 20.0
    k: int = 1

    def normalise(self, vectors: NDArray[np.floating], cosine: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores of N pictures under one query, or (Q, N) under several, with hubs put in their place.

        Args:
            vectors: (N, D) picture embeddings.
            cosine: (N,) or (Q, N) similarities of the query or queries.

        Returns:
            Of the shape of ``cosine``: where the best picture is a likely hub, the share of the query in an
            inverted softmax against the bank, scaled to keep its order; otherwise the cosines as they are.
        """
        rows = np.atleast_2d(np.asarray(cosine, dtype=np.float64))
        if rows.shape[1] == 0 or not len(self.vectors):
            return np.asarray(cosine, dtype=np.float64)
        bank_mass, hubs = self._bank(vectors)
        likely = np.isin(rows.argmax(axis=1), hubs)
        # exp(beta * s) / mass, as a log: it orders the same and does not overflow.
        normalised = rows - np.log(bank_mass) / self.beta
        out = np.where(likely[:, None], normalised, rows)
        return np.asarray(out.reshape(np.shape(cosine)), dtype=np.float64)

    def _bank(self, vectors: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Mass of the bank at each picture (N,), and the pictures that are the best of some bank query."""
        n, k = len(vectors), min(self.k, len(vectors))
        mass = np.empty(n)
        best = np.full((len(self.vectors), k), -np.inf)
        at = np.zeros((len(self.vectors), k), dtype=np.int64)
        for start in range(0, n, BLOCK):
            part = np.asarray(vectors[start : start + BLOCK], dtype=np.float32) @ self.vectors.T
            mass[start : start + BLOCK] = np.exp(self.beta * part.astype(np.float64)).sum(axis=1)
            scores = np.concatenate([best, part.T], axis=1)
            where = np.concatenate([at, np.tile(np.arange(start, start + len(part)), (len(at), 1))], axis=1)
            top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
            best, at = np.take_along_axis(scores, top, axis=1), np.take_along_axis(where, top, axis=1)
        return mass, np.unique(at)


def stored_bank(
    store: LibraryStore, encoder: Encoder, texts: Sequence[str] | None = None, *, beta: float = 20.0
) -> QueryBank:
    """The query bank of a library, embedded once and kept beside it.

    Args:
        store: The library.
        encoder: It was made with.
        texts: Queries people ask; what the encoder competes with when None.
    """
    bank = list(texts if texts is not None else contrast_texts(encoder))
    key = "\x1f".join(["bank", encoder.fingerprint, *bank])
    kept = store.cached_array(key)
    if kept is None or kept.shape != (len(bank), encoder.dim):
        kept = embed_queries(encoder, bank)
        store.keep_array(key, kept)
    return QueryBank(kept, beta=beta)


def rank_scores(
    how: RankBy,
    store: LibraryStore,
    encoder: Encoder,
    query: NDArray[np.float32],
    vectors: NDArray[np.floating],
    *,
    cosine: NDArray[np.floating],
    belief: NDArray[np.floating],
) -> NDArray[np.float64]:
    """What to order N pictures by, higher first.

    Args:
        how: One of `RANK_BY`.
        store, encoder: Where the query bank and its means come from.
        query: float32 (D,).
        vectors: (N, D) of the pictures.
        cosine, belief: (N,) of the pictures.

    Raises:
        InputError: An unknown way.
    """
    check_rank_by(how)
    if how == "confidence":
        return np.asarray(belief, dtype=np.float64)
    if how == "cosine" or len(vectors) < 3:
        return np.asarray(cosine, dtype=np.float64)
    bank = stored_bank(store, encoder)
    if how == "qb-norm":
        return bank.normalise(vectors, cosine)
    fitted = Whitening.fit(vectors, bank.vectors, power=0.0 if how == "centred" else 0.5)
    mapped = fitted.texts(query)
    parts = [fitted.images(vectors[i : i + BLOCK]) @ mapped for i in range(0, len(vectors), BLOCK)]
    return np.concatenate(parts).astype(np.float64)


def check_rank_by(how: str) -> None:
    """Refuse what is not one of `RANK_BY`.

    Raises:
        InputError: It is not.
    """
    if how not in RANK_BY:
        raise InputError(f"cannot rank by {how!r}", hint=f"use one of {', '.join(RANK_BY)}")
