"""Several things asked for at once: ``a red car, a bus and a blue dog``.

One vector for a whole frame says little of three small things, and a region shows one of them at a time. So
an enumeration is taken apart, each thing is looked for in the frame and its regions by itself, and the frame
is believed as much as its things are on (geometric) average, which one missing thing brings down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def joint_probability(parts: NDArray[np.float64], frame_keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each picture, that its frame shows all of P things, in proportion to what it shows itself.

    The picture that shows a thing best on its frame gets the belief in the frame; the others less.

    Args:
        parts: (P, N), of each picture to show each thing, in [0, 1].
        frame_keys: (N,), equal for pictures of one frame.

    Returns:
        (N,) in [0, 1].
    """
    _, group = np.unique(frame_keys, return_inverse=True)
    best = np.zeros((len(parts), int(group.max(initial=-1)) + 1))
    for p, row in enumerate(parts):
        np.maximum.at(best[p], group, row)
    joint = np.exp(np.log(np.maximum(best, 1e-12)).mean(axis=0))
    own = (parts / np.maximum(best[:, group], 1e-12)).max(axis=0)
    return np.asarray(joint[group] * np.minimum(own, 1.0), dtype=np.float64)
