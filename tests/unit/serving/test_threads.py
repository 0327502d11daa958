"""A server's calculations take as many threads as it is told."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

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


HEAPS = """
import sys, threading
from seektrack.serving.threads import share_heaps
assert share_heaps(int(sys.argv[1]))
held, begun = [], threading.Barrier(24)
def take():
    begun.wait()
    held.append([bytearray(2000) for _ in range(500)])
threads = [threading.Thread(target=take) for _ in range(24)]
[one.start() for one in threads], [one.join() for one in threads]
import ctypes, re
libc = ctypes.CDLL(None)
libc.fopen.restype, libc.malloc_info.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
told = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, told), libc.fclose(told)
print(len(re.findall("<heap nr=", open(sys.argv[2]).read())))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heaps are glibc's")
def test_threads_share_heaps(tmp_path: Path):
    def heaps(most: int) -> int:
        command = [sys.executable, "-c", HEAPS, str(most), str(tmp_path / "heaps.xml")]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert heaps(2) <= 2 < heaps(8) <= 8


def test_what_is_loaded_and_what_will_be_is_held():
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    env.pop("OPENBLAS_NUM_THREADS", None)
    done = subprocess.run([sys.executable, "-c", LOOK], check=False, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
