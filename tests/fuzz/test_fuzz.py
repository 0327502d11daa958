"""Some hundred hostile inputs through each door, and any text as a question; hours of it: run.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seektrack.errors import SeekTrackError
from seektrack.query import read

HERE = Path(__file__).parent
QUICK = {"video": 60, "picture": 60, "scan": 60, "tracks": 120, "library": 60, "query": 120, "prompts": 60}
SLOW = {"model": 3, "session": 3, "options": 3, "kept": 8, "settings": 3, "graphs": 8, "server": 12}


@pytest.mark.parametrize("door", [*QUICK, *SLOW])
def test_only_our_errors_come_out_of_a_door(door):
    count = {**QUICK, **SLOW}[door]
    source = str(HERE.parents[1] / "src")
    done = subprocess.run(
        [sys.executable, str(HERE / "run.py"), "--door", door, "--inputs", str(count), "--json"],
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])[door]
    assert counts.get("fine", 0) + counts.get("told", 0) == count
    if door in ("tracks", "scan", "picture"):
        assert counts["told"] >= count // 10, "what was spoilt was hardly hostile"


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=2000)
def test_any_text_is_a_question_or_one_of_our_errors(text):
    try:
        query = read(text)
    except SeekTrackError as error:
        assert len(str(error)) < 2000
        return
    assert query.concepts
