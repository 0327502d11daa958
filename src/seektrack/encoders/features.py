"""What a picture is like, for the question whether an encoder was shown its kind.

The last layer of a contrastive encoder forgets what does not help to name things, and with it most of what
tells a photograph from a drawing. So the layers before it are asked, by the mean and the spread of their
patches, and the picture itself, by how its brightness and colours change from pixel to pixel at three
scales: natural pictures have statistics of their own (Simoncelli and Olshausen, 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.base import Encoder
from seektrack.encoders.domain import Domain

Image = NDArray[np.uint8]
SIDE = 192
"""Shorter side in pixels at which a picture's own statistics are taken."""
_SCALES = 3
_QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 0.99)
_FAINT = 2e-3
"""Steps between neighbours below this, half a grey level, are none."""


def embed_and_describe(
    encoder: Encoder, images: Sequence[Image], *, batch_size: int = 32
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embed pictures and tell what they are like, in one pass.

    Args:
        encoder: One with ``embed_with_layers`` is asked for its layers; of others the embedding counts.
        images: RGB uint8 (H, W, 3), of any sizes.
        batch_size: Pictures at once.

    Returns:
        Embeddings (N, D) of unit length, and features (N, F).
    """
    inner: Any = getattr(encoder, "embed_with_layers", None)
    if inner is None:
        vectors = encoder.embed_images(images, batch_size=batch_size)
        layers = vectors
    else:
        vectors, layers = inner(images, batch_size=batch_size)
    own = np.stack([picture_features(image) for image in images]) if len(images) else np.zeros((0, 0))
    return vectors, np.concatenate([layers, own], axis=1).astype(np.float32)


def embed_and_measure(
    encoder: Encoder, images: Sequence[Image], *, batch_size: int = 32
) -> tuple[NDArray[np.float32], NDArray[np.float64] | None]:
    """Embed pictures and measure how far they lie from what the encoder was shown.

    Returns:
        Embeddings (N, D) of unit length, and distances (N,), at most 1 inside; None for an encoder of which
        nobody measured what it was shown.
    """
    domain: Domain | None = getattr(encoder, "domain", None)
    if domain is None or not len(images):
        return encoder.embed_images(images, batch_size=batch_size), None
    vectors, features = embed_and_describe(encoder, images, batch_size=batch_size)
    return vectors, domain.distance(features)


def picture_features(image: Image) -> NDArray[np.float32]:
    """Statistics of a picture's pixels, float32 (F,).

    Of brightness and two colour differences: mean, spread, and at three scales the quantiles of the steps
    between neighbouring pixels, and how much larger they are across than down.

    Args:
        image: RGB uint8 (H, W, 3).
    """
    import cv2

    height, width = image.shape[:2]
    factor = SIDE / min(height, width)
    size = max(SIDE, round(width * factor)), max(SIDE, round(height * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image, size, interpolation=how).astype(np.float32) / 255
    red, green, blue = small[..., 0], small[..., 1], small[..., 2]
    channels = (
        0.299 * red + 0.587 * green + 0.114 * blue,
        red - green,
        (red + green) / 2 - blue,
    )
    out: list[float] = []
    for whole in channels:
        channel: Any = whole
        out += [float(channel.mean()), float(np.log(channel.std() + _FAINT / 2))]
        for _ in range(_SCALES):
            across, down = np.abs(np.diff(channel, axis=1)), np.abs(np.diff(channel, axis=0))
            steps = np.concatenate([across.ravel(), down.ravel()])
            out += np.log(_quantiles(steps) + _FAINT).tolist()
            out.append(float(np.log((across.mean() + _FAINT / 2) / (down.mean() + _FAINT / 2))))
            channel = cv2.pyrDown(channel)
    return np.array(out, dtype=np.float32)


def _quantiles(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """`numpy.quantile` at ``_QUANTILES``, to the bit; sorting is vectorised, several times as fast as it."""
    ordered = np.sort(values)
    places = np.asarray(_QUANTILES) * (values.size - 1)
    below = np.floor(places).astype(np.intp)
    share = places - below
    low, high = ordered[below], ordered[np.minimum(below + 1, values.size - 1)]
    step = high - low
    found: NDArray[np.float64] = np.where(share >= 0.5, high - step * (1 - share), low + step * share)
    return found
