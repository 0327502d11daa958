"""The documentation as pages: built strictly, the API reference in it, and nothing fetched from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_what_is_public_has_a_place_in_the_reference(site):
    import seektrack

    page = (site / "reference" / "index.html").read_text(encoding="utf-8")
    told = {name for name in seektrack.__all__ if f'id="seektrack.{name}"' in page}
    assert told >= {name for name in seektrack.__all__ if not name.startswith("_")}


def test_no_page_loads_anything_from_elsewhere(site):
    loads = re.compile(r"<(?:script|img|iframe)[^>]+src=\"https?:|<link[^>]+stylesheet[^>]+href=\"https?:")
    assert [page.name for page in site.rglob("*.html") if loads.search(page.read_text("utf-8"))] == []
