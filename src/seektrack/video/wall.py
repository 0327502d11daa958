"""The wall around foreign code: whatever a decoder raises is the failure of the file it was reading."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from seektrack.errors import SeekTrackError, VideoError


@contextmanager
def wall(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever PyAV, Pillow, OpenCV, nibabel or pydicom raise into a `VideoError` that names the file.

    Errors of ours pass as they are, and so do ``SystemExit`` and ``KeyboardInterrupt``.
    """
    try:
        yield
    except SeekTrackError:
        raise
    except MemoryError as error:
        raise VideoError(f"{path} does not fit into memory", hint="make its pictures smaller") from error
    except Exception as error:
        raise VideoError(
            f"cannot read {path}: {reason(error)}", hint="it is damaged, or of a kind that is not known"
        ) from error


def reason(error: BaseException) -> str:
    """What an error says, in one line, or its kind when it says nothing."""
    said = str(getattr(error, "strerror", None) or error)
    return " ".join(said.split())[:200] or type(error).__name__
