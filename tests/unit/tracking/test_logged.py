"""A session of an engine that keeps no state is logged nowhere, and followed anew."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from seektrack.tracking.logged import LoggedEngine


class Answered:
    obj_ids: tuple[int, ...] = ()
    object_scores = np.zeros(0, np.float32)
    pointers = np.zeros((0, 4), np.float32)
    hw = (8, 8)

    def masks(self):
        return np.zeros((0, 8, 8), dtype=bool)


class Log:
    """Always due; counts what it is given."""

    def __init__(self):
        self.kept = []

    def answer(self, session, step):
        return None

    def resumes(self, session, step):
        return False

    def put(self, session, step, answer):
        pass

    def due(self):
        return True

    def keep(self, session, step, state):
        self.kept.append((step, state))


@pytest.mark.parametrize(("keeps_state", "kept"), [(True, [(1, b"state"), (2, b"state")]), (False, [])])
def test_states_are_kept_of_engines_that_have_them(keeps_state, kept):
    session = SimpleNamespace(step=lambda image, frame_index: Answered(), obj_ids=[])
    engine = SimpleNamespace(
        session=lambda: session, state_of=lambda session: b"state", keeps_state=keeps_state
    )
    log = Log()
    logged = LoggedEngine(engine, log).session()
    for t in range(3):
        logged.step(np.zeros((8, 8, 3), np.uint8), t)
    assert log.kept == kept
