"""Indexing the sound track instead of the pictures, for encoders that hear."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from seektrack.library import FrameRow, LibraryStore

if TYPE_CHECKING:
    from seektrack.encoders.audio import SoundEncoder

LENGTH_S, HOP_S = 4.0, 2.0
"""Seconds of a stretch that is embedded, and from one beginning to the next."""
_AT_ONCE = 8


def index_sound(
    store: LibraryStore,
    encoder: SoundEncoder,
    file: Path,
    *,
    reindex: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> int | None:
    """Stretches of sound embedded, or None when the file was up to date.

    A row's ``frame_index`` counts stretches and its time is their beginning, so moments and resuming work as
    they do for pictures.

    Raises:
        VideoError: The file cannot be read, or has no sound.
    """
    from seektrack.video import prefetch
    from seektrack.video.sound import read_sound, sound_info

    settings = f"sound length={LENGTH_S:g} hop={HOP_S:g}"
    anew = reindex and store.making.fingerprint == store.fingerprint
    if not anew and store.status(file, settings=settings) == "done":
        return None
    info = sound_info(file)
    total = round((info.duration_s or 0) / HOP_S)
    count = 0
    with store.begin_video(file, info, settings=settings, restart=anew) as handle:
        stretches = prefetch(
            read_sound(file, rate=encoder.sample_rate, length_s=LENGTH_S, hop_s=HOP_S), depth=2 * _AT_ONCE
        )
        fresh = (s for s in stretches if s.index > handle.last_frame_index)
        for chunk in iter(lambda: list(islice(fresh, _AT_ONCE)), []):
            vectors = encoder.embed_sounds([s.samples for s in chunk])
            handle.append([FrameRow(s.index, s.timestamp, v) for s, v in zip(chunk, vectors, strict=True)])
            count += len(chunk)
            if progress:
                progress(chunk[-1].index + 1, max(total, chunk[-1].index + 2), f"indexing {file.name}")
        handle.finish()
    if progress and total:
        progress(total, total, f"indexing {file.name}")
    return count
