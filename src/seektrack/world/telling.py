"""All that is worth saying of one rendered clip: texts for a picture, and for the whole of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seektrack.world.captions import (
    actor_caption,
    frame_caption,
    motion_caption,
    order_caption,
    pair_caption,
)
from seektrack.world.events import events, motions, ordered_pairs, relations
from seektrack.world.render import Clip
from seektrack.world.scene import Actor
from seektrack.world.setting import MIN_PIXELS

_MOST_PAIRS = 3


def seen(clip: Clip) -> NDArray[np.bool_]:
    """Whether each actor counts as seen in each frame, bool (T, N)."""
    return clip.area >= MIN_PIXELS


def named(clip: Clip, index: int | None = None) -> list[Actor]:
    """The named actors seen in a frame, or in any frame."""
    seen_in = seen(clip)
    shown = np.any(seen_in, axis=0) if index is None else np.asarray(seen_in[index])
    return [a for a in clip.scene.actors if a.category is not None and shown[a.obj_id - 1]]


def picture_texts(clip: Clip, index: int, *, languages: Sequence[str] = ("en",)) -> tuple[str, ...]:
    """Everything to say of one frame, without repetition.

    In each language: one sentence for all named objects and the setting, each object, and where some are
    seen from others.

    Args:
        clip: The rendered scene.
        index: Of the frame.
        languages: Of the texts, in this order.
    """
    actors = named(clip, index)
    by_id = {a.obj_id: a for a in actors}
    apart = [
        (by_id[r.obj_id], r.kind, by_id[r.other_id])
        for r in relations(actors, clip.ids[index])
        if actor_caption(by_id[r.obj_id]) != actor_caption(by_id[r.other_id])
    ]
    texts = []
    for language in languages:
        texts.append(frame_caption(actors, clip.scene.setting, language=language))
        texts += [actor_caption(a, language=language) for a in actors]
        texts += [pair_caption(*told, language=language) for told in apart[:_MOST_PAIRS]]
    return tuple(dict.fromkeys(texts))


def clip_texts(clip: Clip, *, languages: Sequence[str] = ("en",)) -> tuple[str, ...]:
    """Everything to say of a whole clip, without repetition.

    In each language: one sentence for all named objects and the setting, how each moves, what happens to
    it, and what happens before what.

    Args:
        clip: The rendered scene.
        languages: Of the texts, in this order.
    """
    actors, shown = named(clip), seen(clip)
    names = {a.obj_id for a in actors}
    happened = [e for e in events(clip.scene, clip.ids, clip.full_area) if e.obj_id in names]
    texts = []
    for language in languages:
        texts.append(frame_caption(actors, clip.scene.setting, language=language))
        for actor in actors:
            for motion in motions(actor, shown[:, actor.obj_id - 1]):
                texts.append(motion_caption(actor, motion, language=language))
        for chosen in ((e,) for e in happened):
            texts.append(order_caption(chosen, actors, language=language))
        for pair in ordered_pairs(happened)[:_MOST_PAIRS]:
            texts.append(order_caption(pair, actors, language=language))
    return tuple(dict.fromkeys(texts))
