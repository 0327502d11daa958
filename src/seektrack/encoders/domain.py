"""What an encoder was shown: statistics of its training pictures, and how far any picture lies from them.

Two statistics of features of pictures, the worse of which counts. A Gaussian over the training pictures (Lee
et al., 2018, "A simple unified framework for detecting out-of-distribution samples"), its strong directions
singly and all the others together (as in Wang et al., 2022, "ViM"), so that it stays small whatever the
network. And, where pictures are at hand that the encoder was not shown, the direction that parts the two
kinds best (Fisher's discriminant; that such pictures help against others too: Hendrycks et al., 2019, "Deep
anomaly detection with outlier exposure"). Distances are told in parts of what all but a small share of
held-out pictures keep within: 1 is the edge.

The features are those of `seektrack.encoders.features`. The statistics lie in ``domain.safetensors`` beside
the weights. They do not change what an encoder computes, so they are no part of its fingerprint; they name
the weights they were made with, and are not used with others.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.checkpoints.fingerprints import DOMAIN_FILE
from seektrack.errors import InputError, ModelError
from seektrack.files import write_bytes

FEATURES = "layers+picture/1"
"""Which features the statistics are of; others are not compared."""
KEPT = 64
"""Directions whose spread is kept singly."""
FEWEST = 50
"""Pictures below which no statistics are made."""
SHARE = 0.99
"""Of held-out pictures of the domain that lie inside its edge."""

SLACK = 1.2
"""Most the edge goes beyond the held-out pictures, where pictures of another kind lie far off."""
_ARRAYS = ("mean", "scale", "directions", "spread", "unlike")
_RIDGE = 0.1
"""Added to the variance of every feature before the discriminant is found, in variances of the domain."""

Floats = NDArray[np.float64]
Row = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Domain:
    """Statistics of F-long features of pictures; K directions are kept singly.

    Attributes:
        mean, scale: float32 (F,), taken away and divided by.
        directions: float32 (F, K), orthonormal columns.
        spread: float32 (K,), standard deviation along each.
        unlike: float32 (F,), along which pictures the encoder was not shown lie away; zeros where none were
            at hand.
        rest: Standard deviation of what the directions leave, over all of it.
        edge: Distance from the mean, in standard deviations, that counts as 1.
        weights: Fingerprint of the encoder.
        pictures: How many were looked at.
        about: What they were, for people.
    """

    mean: Row
    scale: Row
    directions: Row
    spread: Row
    unlike: Row
    rest: float
    edge: float
    weights: str
    pictures: int = 0
    about: str = ""

    @classmethod
    def fit(
        cls,
        shown: NDArray[np.floating],
        held_out: NDArray[np.floating],
        *,
        unlike: NDArray[np.floating] | None = None,
        weights: str,
        about: str = "",
        share: float = SHARE,
    ) -> Domain:
        """Fit to the features of pictures.

        Args:
            shown: (N, F), of pictures the encoder was trained with.
            held_out: (M, F), of others of the same kind; they set the edge.
            unlike: (L, F), of pictures it was not shown the like of, where there are some.
            weights: `Encoder.fingerprint`.
            about: What the pictures were.
            share: Of the held-out pictures that are inside.

        Raises:
            InputError: Too few pictures, or features of different lengths.
        """
        others = shown[:0] if unlike is None or not len(unlike) else unlike
        _check(shown, held_out, others)
        x = np.asarray(shown, np.float64)
        mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
        x, held, away = ((np.asarray(one, np.float64) - mean) / scale for one in (x, held_out, others))
        kept = min(KEPT, x.shape[1], len(x) // 4)
        _, values, rows = np.linalg.svd(x, full_matrices=False)
        spread = np.maximum(values[:kept] / np.sqrt(len(x)), 1e-3)
        left = float((values[kept:] ** 2).sum() / len(x) / max(x.shape[1] - kept, 1))
        made = cls(
            mean=mean.astype(np.float32),
            scale=scale.astype(np.float32),
            directions=rows[:kept].T.astype(np.float32),
            spread=spread.astype(np.float32),
            unlike=_away(x, away, held, share).astype(np.float32),
            rest=max(float(np.sqrt(left)), 1e-3),
            edge=1.0,
            weights=weights,
            pictures=len(x),
            about=about,
        )
        # Each statistic alone would put its own share outside; the edge is one for both of them.
        made = replace(made, edge=float(np.quantile(made._from_mean(held), (1 + share) / 2)))
        worst = float(np.quantile(made.distance(held_out), share))
        if len(others):  # the border may lie in the gap between the two kinds, as few held-out pictures tell
            gap = float(np.quantile(made.distance(others), 1 - share)) / worst
            worst *= float(np.clip(np.sqrt(gap), 1.0, SLACK))
        return replace(made, edge=made.edge * worst, unlike=(made.unlike / worst).astype(np.float32))

    def distance(self, features: NDArray[np.floating]) -> Floats:
        """How far (N, F) features lie from those of the domain, (N,); at most 1 is inside.

        Raises:
            InputError: They are of another length.
        """
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise InputError(f"this domain is one of {len(self.mean)} features, got {features.shape}")
        x = (np.asarray(features, np.float64) - self.mean) / self.scale
        return np.maximum(self._from_mean(x), x @ self.unlike.astype(np.float64))

    def _from_mean(self, x: Floats) -> Floats:
        along = x @ self.directions.astype(np.float64)
        rest = np.maximum((x**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
        free = max(x.shape[1] - along.shape[1], 1)
        # What is left counts as much as all that is kept, over however many directions it is spread.
        squared = ((along / self.spread) ** 2).sum(axis=1) + len(self.spread) * rest / free / self.rest**2
        return np.asarray(np.sqrt(squared) / self.edge, dtype=np.float64)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits; equal where distances are comparable."""
        made = hashlib.sha256(f"{FEATURES} {self.weights} {self.edge!r} {self.rest!r}".encode())
        for name in _ARRAYS:
            made.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return made.hexdigest()[:16]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``domain.safetensors`` into an encoder's folder.

        Raises:
            OutputError: It cannot be written.
        """
        from safetensors.numpy import save

        told = {
            "features": FEATURES, "weights": self.weights, "edge": self.edge, "rest": self.rest,
            "pictures": self.pictures, "about": self.about,
        }  # fmt: skip
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        target = Path(folder) / DOMAIN_FILE
        write_bytes(target, save(arrays, metadata={"seektrack": json.dumps(told)}))
        return target


def read_domain(folder: str | os.PathLike[str], *, weights: str) -> Domain | None:
    """The domain that lies beside an encoder; None where there is none, or it is that of other weights.

    Raises:
        ModelError: The file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(folder) / DOMAIN_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            told = json.loads((file.metadata() or {})["seektrack"])
            arrays = {name: np.asarray(file.get_tensor(name)) for name in _ARRAYS}
        if told["features"] != FEATURES or told["weights"] != weights:
            return None
        return Domain(
            **arrays,
            rest=float(told["rest"]),
            edge=float(told["edge"]),
            weights=weights,
            pictures=int(told["pictures"]),
            about=str(told["about"]),
        )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"cannot read {path}: {error}", hint="measure it again: seektrack train calibrate"
        ) from error


def settled(distances: Sequence[float] | NDArray[np.floating], *, reach: int = 2) -> NDArray[np.bool_]:
    """Which frames of a video, in order, lie outside: the median of a few neighbours is beyond the edge.

    What a camera shows stays of one kind for a while, so one odd frame among others is none.

    Args:
        distances: (T,), NaN where not measured.
        reach: Neighbours on each side.

    Returns:
        bool (T,); False where nothing near was measured.
    """
    d = np.asarray(distances, dtype=np.float64)
    out = np.zeros(len(d), dtype=bool)
    for i in range(len(d)):
        near = d[max(0, i - reach) : i + reach + 1]
        near = near[~np.isnan(near)]
        out[i] = bool(len(near)) and float(np.median(near)) > 1.0
    return out


def _away(x: Floats, away: Floats, held: Floats, share: float) -> Floats:
    """The discriminant (F,) between the domain, of mean 0, and other pictures; 1 along it is the edge."""
    if not len(away):
        return np.zeros(x.shape[1])
    within = (np.cov(x, rowvar=False) + np.cov(away, rowvar=False)) / 2 + _RIDGE * np.eye(x.shape[1])
    direction = np.linalg.solve(within, away.mean(axis=0))
    edge = float(np.quantile(held @ direction, (1 + share) / 2))
    return np.asarray(direction / max(edge, 1e-9), dtype=np.float64)


def _check(shown: NDArray[np.floating], held_out: NDArray[np.floating], unlike: NDArray[np.floating]) -> None:
    shapes = [one.shape for one in (shown, held_out, unlike)]
    if any(len(shape) != 2 for shape in shapes) or len({shape[1] for shape in shapes}) != 1:
        raise InputError(f"features must be (N, F), (M, F) and (L, F), got {shapes}")
    if len(shown) < FEWEST or len(held_out) < FEWEST // 2 or 0 < len(unlike) < FEWEST // 2:
        raise InputError(
            f"a domain is measured on at least {FEWEST} pictures, {FEWEST // 2} held out and, if any, "
            f"{FEWEST // 2} of another kind; got {len(shown)}, {len(held_out)} and {len(unlike)}",
            hint="give more pictures",
        )
