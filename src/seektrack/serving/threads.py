"""How many threads one calculation of a server takes."""

from __future__ import annotations

import os


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
