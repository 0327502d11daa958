"""New names for what knows photographs, from examples: vectors on top of its frozen network.

The network beside the pocket CLIP names photographs by looking words up, so a caption teaches it through the
names in it: the picture's vector, as it is, should lie nearer to the vectors of its names than to those of
all others. Only vectors of names move (a prototype to begin with, as in Snell et al., arXiv:1703.05175, then
a softmax against all the encoder knows, whose pictures are stood in for by drawings moved towards its names).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from seektrack.encoders import Encoder
from seektrack.encoders.photographs import Photographs
from seektrack.encoders.taught import Taught
from seektrack.training.finetune.batches import augment
from seektrack.training.finetune.data import Pairs, Picture, load_picture, pair_at, world_pairs
from seektrack.training.finetune.said import Said
from seektrack.world import Split, seeds

Rows = NDArray[np.float32]

MOST = 300
"""Pictures of one name that are looked at."""
VIEWS = 4
"""Times that each is looked at: as it is, then parts of it."""
STEPS = 300
RATE, REFUSING, STAYING = 0.01, 3.0, 0.3
"""Step of the vectors; weights of claiming no other picture, and of staying near to the mean of one's own."""
NOTHING, SIDE = 24, 128
"""Drawn scenes that give pictures of nothing in particular, and their side in pixels."""
STAND_INS = 6
"""Rows that stand in for pictures of each name the encoder knows."""
NEAR = (0.1, 0.4)
"""Cosines of those to the name: what photographs have."""
PRIOR = 20.0
"""Pictures that what was known of a name before counts as."""
KEEP, TELLING = 0.6, 3
"""A name that tells its held-out pictures from others less well (area under the curve) is not kept; so many
tell it."""


def looked_at(
    encoder: Encoder, pairs: Pairs, which: NDArray[np.intp], *, views: int, until: float, seed: int
) -> tuple[Rows, NDArray[np.intp], int]:
    """What the network makes of pictures: unit rows (V, D), the picture of each, and how many are drawings.

    Args:
        encoder: Its experts know photographs.
        pairs: All pictures.
        which: Numbers of those to look at.
        views: Times each is looked at.
        until: On `time.monotonic`; after the first look at each, no more are begun then.
        seed: Of the parts that are looked at.
    """
    rows: list[Rows] = []
    of: list[int] = []
    drawn: set[int] = set()
    for view in range(views):
        for first in range(0, len(which), 16):
            some = [int(i) for i in which[first : first + 16] if int(i) not in drawn]
            if (view and time.monotonic() > until) or not some:
                continue
            pictures = [_view(load_picture(pair_at(pairs, i).image), (seed, 5, view, i)) for i in some]
            seen = photograph_rows(encoder, encoder.embed_images(pictures))
            for i, row in zip(some, seen, strict=True):
                if np.any(row):
                    rows.append(row)
                    of.append(i)
                elif not view:
                    drawn.add(i)
    dim = encoder.dim
    return np.stack(rows) if rows else np.zeros((0, dim), np.float32), np.array(of, np.intp), len(drawn)


def _view(picture: Picture, seed: tuple[int, int, int, int]) -> Picture:
    return picture if seed[2] == 0 else augment(picture, np.random.default_rng(seed))


def photograph_rows(encoder: Encoder, vectors: Rows) -> Rows:
    """The part of embeddings (N, dim) that names are compared with, of unit length; 0 for drawings."""
    experts = encoder.experts  # type: ignore[attr-defined]  # the caller saw that it has them
    n = experts.photographs.rows.shape[1]
    part = vectors[:, experts.own_dim : experts.own_dim + n]
    length = np.linalg.norm(part, axis=1, keepdims=True)
    return np.asarray(np.where(length > 1e-3, part / np.maximum(length, 1e-9), 0), np.float32)


def learn(
    rows: Rows,
    shown: Sequence[Sequence[int]],
    nothing: Rows,
    said: Said,
    photographs: Photographs,
    *,
    seed: int = 0,
) -> Rows:
    """Unit vectors (N, D) of the names.

    Args:
        rows: Unit rows (V, D) of pictures.
        shown: Numbers of the names that each shows.
        nothing: Unit rows (M, D) of pictures that show none of them.
        said: The names.
        photographs: What is known besides.
        seed: Of what stands in for pictures of that.
    """
    known = photographs.rows
    number = {name: i for i, name in enumerate(said.names)}
    old = [i for name, i in photographs.names.items() if name not in number]
    old += list(photographs.backgrounds.values())
    others = torch.from_numpy(known[old])
    z, empty = torch.from_numpy(rows), torch.from_numpy(nothing)
    targets = torch.zeros(len(rows), len(said.names))
    for i, here in enumerate(shown):
        targets[i, list(here)] = 1
    counts = targets.sum(0)
    # All pictures have much in common, which says nothing of any.
    start = F.normalize(targets.T @ z / counts.clamp(min=1)[:, None] - empty.mean(0), dim=1)
    for name, i in number.items():
        if name in photographs.names:
            prior = PRIOR / (PRIOR + float(counts[i]))
            before = torch.from_numpy(known[photographs.names[name]])
            start[i] = F.normalize(prior * before + (1 - prior) * start[i], dim=0)
    silent = _true_besides(said, photographs, old).float()
    against = torch.cat([empty, _stand_ins(others, empty, seed)])
    scale = photographs.scale * (1 - photographs.colour_share) ** 0.5
    known_there = torch.logsumexp(against @ others.T * scale, 1)
    foreign = (z @ others.T * scale).masked_fill((targets @ silent) > 0, -1e4)
    weights = (targets / counts.clamp(min=1)).sum(1) / targets.sum(1).clamp(min=1)
    vectors = start.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([vectors], lr=RATE)
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        unit = F.normalize(vectors, dim=1)
        own = z @ unit.T * scale
        # Of several names of one picture none competes with another.
        rivals = torch.logsumexp(torch.cat([own.masked_fill(targets > 0, -1e4), foreign], 1), 1)
        naming = (F.softplus(rivals[:, None] - own) * targets).sum(1) / targets.sum(1).clamp(min=1)
        claimed = F.softplus(torch.logsumexp(against @ unit.T * scale, 1) - known_there).mean()
        staying = (1 - (unit * start).sum(1)).mean()
        loss = (
            (naming * weights).sum() / weights.sum().clamp(min=1e-6) + REFUSING * claimed + STAYING * staying
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
    return np.asarray(F.normalize(vectors.detach(), dim=1).numpy(), np.float32)


def _true_besides(said: Said, photographs: Photographs, old: list[int]) -> torch.Tensor:
    """Bool (N, O): names the encoder knows that are true of what shows a name, being kinds above it."""
    place = {i: at for at, i in enumerate(old)}
    out = torch.zeros(len(said.names), len(old), dtype=torch.bool)
    for i, name in enumerate(said.names):
        todo = list(said.kinds.get(name, ())) + list(photographs.kinds.get(name, ()))
        seen: set[str] = set()
        while todo:
            above = todo.pop()
            if above not in seen and above in photographs.names:
                seen.add(above)
                todo += photographs.kinds.get(above, ())
                if photographs.names[above] in place:
                    out[i, place[photographs.names[above]]] = True
    return out


def _stand_ins(others: torch.Tensor, empty: torch.Tensor, seed: int) -> torch.Tensor:
    """Rows that stand in for pictures of what the encoder knows: one of nothing, moved towards a name."""
    generator = torch.Generator().manual_seed(seed)
    names = others.repeat_interleave(STAND_INS, 0)
    away = empty[torch.randint(len(empty), (len(names),), generator=generator)]
    away = F.normalize(away - names * (away * names).sum(1, keepdim=True), dim=1)
    near = NEAR[0] + (NEAR[1] - NEAR[0]) * torch.rand(len(names), 1, generator=generator)
    return near * names + (1 - near**2).sqrt() * away


def pictures_of_nothing(seed: int) -> list[Picture]:
    """RGB uint8 pictures of no name in particular: drawn scenes, and two of them laid over each other.

    Their surfaces are no photographs', but what the network makes of them lies where it puts photographs of
    which it knows no name.
    """
    rng = np.random.default_rng((seed, 6))
    drawn = [load_picture(pair.image) for pair in world_pairs(seeds(Split.TRAIN, NOTHING), pictures=1)]
    same = [
        np.asarray(cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8) for one in drawn
    ]
    order = rng.permutation(len(same))
    laid = [
        cv2.addWeighted(np.ascontiguousarray(one[..., rng.permutation(3)]), 0.5, same[int(i)], 0.5, 0)
        for one, i in zip(same, order, strict=True)
    ]
    return [*same, *(np.asarray(one, np.uint8) for one in laid)]


def told_apart(rows: Rows, shown: Sequence[Sequence[int]], vectors: Rows, known: Rows) -> NDArray[np.float64]:
    """Of each name, how well it orders its pictures before the others: area under the curve; NaN: too few."""
    scores = rows @ vectors.T - (rows @ known.T).max(1, keepdims=True)
    out = np.full(len(vectors), np.nan)
    for i in range(len(vectors)):
        mine = np.array([i in here for here in shown], bool)
        if mine.sum() >= TELLING and not mine.all():
            above = scores[mine, i][:, None] - scores[~mine, i][None]
            out[i] = float(np.mean((above > 0) + 0.5 * (above == 0)))
    return out


def as_taught(said: Said, vectors: Rows, keep: Sequence[int], weights: str, pictures: Counter[int]) -> Taught:
    """What is written: the names of these numbers."""
    names = tuple(said.names[i] for i in keep)
    return Taught(
        weights,
        names,
        vectors[list(keep)],
        {word: name for word, name in said.words.items() if name in names},
        {name: said.kinds[name] for name in names if name in said.kinds},
        {said.names[i]: pictures[i] for i in keep},
    )
