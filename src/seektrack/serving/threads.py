"""How many threads one calculation of a server takes, and how many heaps all of them share."""

from __future__ import annotations

import ctypes
import os

_ARENA_MAX = -8
"""``M_ARENA_MAX`` of glibc's malloc.h."""


def hold_threads(count: int) -> None:
    """Let BLAS, OpenMP, graphs and OpenCV calculate in so many threads each, from now on.

    Many ask a server at once: threads that share one small calculation among each other mostly wait for those
    of another, and all of them take many times as long.

    Args:
        count: Threads of one calculation; who asks at the same time is answered at the same time either way.
    """
    import cv2
    from threadpoolctl import threadpool_limits

    os.environ["OMP_NUM_THREADS"] = str(count)  # what is loaded from now on looks there
    threadpool_limits(count)
    cv2.setNumThreads(count)


def share_heaps(count: int = 2) -> bool:
    """Let all threads take their memory from so many heaps of glibc's; call before there are threads.

    It gives every thread one of its own, and memory that is free in one is of no use to the others: a server
    of many threads grows for as long as they take turns.

    Returns:
        Whether it was done; False where the C library is not glibc, which alone needs and offers it.
    """
    try:
        option = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return False
    return bool(option(_ARENA_MAX, count))
