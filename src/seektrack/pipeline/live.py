"""Standing queries over a camera, a stream or a file, with a model by name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box
from seektrack.grounding import GroundSettings
from seektrack.pipeline.models import Models
from seektrack.pipeline.regions import check_regions, embed_frames
from seektrack.types import Frame

if TYPE_CHECKING:
    from seektrack.retrieval.live import Watch, WatchSettings
    from seektrack.video import VideoSource


def watch(
    source: str | int | os.PathLike[str] | VideoSource,
    queries: Sequence[str],
    *,
    model: str = "pocket",
    device: str | None = None,
    regions: str = "tiles",
    sampling: str = "fps=4",
    filters: str | None = None,
    realtime: bool = False,
    settings: WatchSettings | None = None,
    ground: GroundSettings | None = None,
    options: Mapping[str, str] | None = None,
    end_s: float | None = None,
) -> Watch:
    """Watch a stream for texts; iterate what comes back for alerts.

    Pictures that arrive while one is looked at are dropped, so alerts stay near to now. A file is read
    through without dropping any unless ``realtime``.

    Args:
        source: A camera's number, an address with ``://``, a file, or an open source.
        queries: What to watch for, any number.
        model: See :func:`seektrack.pipeline.parse_model`.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        regions: What of a frame besides the whole: ``objects``, ``tiles`` or ``none``.
        sampling: Which pictures to look at, at most.
        filters: What is done to a picture before it is looked at, as in
            :func:`seektrack.video.filters.parse_filter`; alerts hold what was looked at.
        realtime: Play a file at its own pace, as if it came from a camera.
        settings: When to alert.
        ground: How objects are proposed.
        options: For FFmpeg, when ``source`` is an address.
        end_s: Stop at this second of the stream.

    Raises:
        VideoError: The stream cannot be opened.
        InputError: An unknown sampling, regions or filter.
        QueryError: A query has no words.
    """
    from seektrack.retrieval.live import Watch
    from seektrack.video import LiveSource, Sampling, VideoSource, open_video
    from seektrack.video.filtered import FilteredSource
    from seektrack.video.filters import parse_filter
    from seektrack.video.sampling import sample_pictures

    cut, chosen = check_regions(regions), Sampling.parse(sampling)
    clean = None if filters is None else parse_filter(filters)
    models, how = Models(model, device=device), ground or GroundSettings()

    def embed(frame: Frame) -> tuple[NDArray[np.floating], Sequence[Box | None]]:
        rows = embed_frames(models, [frame], cut, settings=how)
        return np.stack([row.vector for row in rows]), [row.box for row in rows]

    # What takes long to load loads before the stream opens, which does not wait.
    encoder = models.encoder
    if cut == "objects":
        _ = models.sam2
    if isinstance(source, VideoSource):
        opened = source
    else:
        name = str(source) if isinstance(source, int) else os.fspath(source)
        live = realtime or name.isdigit() or "://" in name
        opened = LiveSource(name, options=options) if live else open_video(name)
    pictures = sample_pictures(opened if clean is None else FilteredSource(opened, clean), chosen)
    if end_s is not None:
        last = end_s
        pictures = takewhile(lambda picture: picture.timestamp < last, pictures)
    return Watch(pictures, queries, encoder=encoder, embed=embed, settings=settings, source=opened)
