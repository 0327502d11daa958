"""Standing queries over a camera, a stream or a file, with a model by name."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seektrack import defaults
from seektrack.encoders import Templates, check_templates
from seektrack.encoders.translation import Translator, as_translator
from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.grounding import GroundSettings
from seektrack.pipeline.models import Models
from seektrack.pipeline.regions import check_regions, embed_frames
from seektrack.query import Query, read
from seektrack.types import Frame

if TYPE_CHECKING:
    from seektrack.retrieval.live import Watch, WatchSettings
    from seektrack.video import Opening, VideoInput, VideoSource


def watch(
    source: VideoInput,
    queries: Sequence[str | Query],
    *,
    model: str = defaults.MODEL,
    device: str | None = None,
    regions: str = defaults.LIVE_REGIONS,
    sampling: str = defaults.LIVE_SAMPLING,
    filters: str | None = None,
    opening: Opening | None = None,
    realtime: bool = False,
    translate: str | Translator | None = None,
    templates: Templates = "auto",
    settings: WatchSettings | None = None,
    ground: GroundSettings | None = None,
    options: Mapping[str, str] | None = None,
    end_s: float | None = None,
) -> Watch:
    """Watch a stream for texts; iterate what comes back for alerts.

    Pictures that arrive while one is looked at are dropped, so alerts stay near to now. A file is read
    through without dropping any unless ``realtime``.

    Args:
        source: A camera's number, an address with ``://``, or anything else that
            :func:`seektrack.video.open_video` takes.
        queries: What to watch for, any number.
        model: See :func:`seektrack.pipeline.parse_model`.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        regions: What of a frame besides the whole: ``objects``, ``tiles`` or ``none``.
        sampling: Which pictures to look at, at most.
        filters: What is done to a picture before it is looked at, as in
            :func:`seektrack.video.filters.parse_filter`; alerts hold what was looked at.
        opening: How a source is opened that is no stream: its part, rate and window; pictures between
            pictures also of a stream.
        realtime: Play what is no stream at its own pace, as if it came from a camera.
        translate, templates: As for :meth:`seektrack.Library.search`.
        settings: When to alert.
        ground: How objects are proposed.
        options: For FFmpeg, when ``source`` is an address.
        end_s: Stop at this second of the stream.

    Raises:
        VideoError: The stream cannot be opened.
        InputError: An unknown sampling, regions or filter.
        QueryError: A query has no words.
    """
    from seektrack.retrieval.live import REMEMBERED, Watch
    from seektrack.video import Sampling
    from seektrack.video.filtered import FilteredSource
    from seektrack.video.filters import parse_filter
    from seektrack.video.sampling import sample_pictures

    if isinstance(queries, str) or not queries:
        raise InputError(f"queries must be several texts, got {queries!r}", hint="put them in a list")
    asked = [read(query, translate=as_translator(translate)) for query in queries]
    check_templates(templates)
    cut, chosen = check_regions(regions), Sampling.parse(sampling)
    clean = None if filters is None else parse_filter(filters)
    models, how = Models(model, device=device), ground or GroundSettings()

    distances: deque[float] = deque(maxlen=REMEMBERED)

    def embed(frame: Frame) -> tuple[NDArray[np.floating], Sequence[Box | None]]:
        rows = embed_frames(models, [frame], cut, settings=how)
        distances.append(math.nan if rows[0].distance is None else rows[0].distance)
        return np.stack([row.vector for row in rows]), [row.box for row in rows]

    # What takes long to load loads before the stream opens, which does not wait.
    encoder = models.encoder
    if cut == "objects":
        _ = models.sam2
    opened, shown = _opened(source, opening, realtime=realtime, options=options)
    pictures = sample_pictures(shown if clean is None else FilteredSource(shown, clean), chosen)
    if end_s is not None:
        last = end_s
        pictures = takewhile(lambda picture: picture.timestamp < last, pictures)
    return Watch(
        pictures,
        asked,
        encoder=encoder,
        embed=embed,
        templates=templates,
        settings=settings,
        distances=distances,
        source=opened,
    )


def _opened(
    source: VideoInput, opening: Opening | None, *, realtime: bool, options: Mapping[str, str] | None
) -> tuple[VideoSource, VideoSource]:
    """Where pictures come from, and what is watched of it.

    A stream as it comes, anything else as fast as it is looked at unless in real time.
    """
    from seektrack.video import LiveSource, Opening, VideoSource
    from seektrack.video.live import is_camera
    from seektrack.video.network import as_name, is_address
    from seektrack.video.wrapped import InterpolatedSource

    how = opening or Opening()
    if isinstance(source, VideoSource):
        stream = source if source.live else None
    else:
        name = as_name(source) if isinstance(source, (str, os.PathLike)) else str(source)
        camera = isinstance(source, int) or (is_camera(name) and not os.path.lexists(name))
        is_stream = camera or (isinstance(source, (str, os.PathLike)) and is_address(name))
        stream = LiveSource(name, options=options) if is_stream else None
    if stream is None:
        opened = how.open(source)
        opened = LiveSource(opened) if realtime else opened
        return opened, opened
    if replace(how, interpolate=1) != Opening():
        stream.close()
        raise InputError(
            f"{stream.info.path} is a stream: no part, rate or window of it can be chosen",
            hint="leave them out",
        )
    shown = stream if how.interpolate == 1 else InterpolatedSource(stream, how.interpolate)
    return stream, shown
