"""A server's calculations take as many threads as it is told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("threadpoolctl", reason="pip install 'seektrack[serve]'")
LOOK = """
import numpy, cv2, faiss
from threadpoolctl import threadpool_info
before = {one["internal_api"]: one["num_threads"] for one in threadpool_info()}
from seektrack.serving.threads import hold_threads
hold_threads(1)
import scipy.linalg
after = {one["filepath"]: one["num_threads"] for one in threadpool_info()}
assert set(before) >= {"openblas", "openmp"}, before
assert set(before.values()) == {2}, before
assert len(after) >= 3 and set(after.values()) == {1}, after
assert cv2.getNumThreads() == 1
from seektrack.checkpoints.graphs import thread_count
assert thread_count() == 1
"""


def test_what_is_loaded_and_what_will_be_is_held():
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    env.pop("OPENBLAS_NUM_THREADS", None)
    done = subprocess.run([sys.executable, "-c", LOOK], check=False, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
