"""What importing costs: the package and its help must not load the networks' libraries."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import seektrack
from seektrack.library import LibraryStore

HEAVY = (
    "torch",
    "transformers",
    "cv2",
    "faiss",
    "av",
    "scipy",
    "PIL",
    "pandas",
    "sklearn",
    "huggingface_hub",
    "urllib.request",
)
LAZY = [
    "seektrack",
    *(
        f"seektrack.{p}"
        for p in ("checkpoints", "encoders", "library", "pipeline", "retrieval", "serving", "video")
    ),
]


def loaded_after(code: str, said: str = "") -> set[str]:
    """The heavy libraries that are loaded once the code has run; what it printed must hold ``said``."""
    script = f"import sys\n{code}\nprint('\\n' + ' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    env = os.environ | {"PYTHONPATH": str(Path(seektrack.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env)
    assert said in done.stdout
    return set(done.stdout.splitlines()[-1].split())


def test_the_check_sees_a_heavy_library():
    assert loaded_after("import PIL") == {"PIL"}


def call(*args: str) -> str:
    return f"import seektrack.cli\ntry:\n    seektrack.cli.main({list(args)})\nexcept SystemExit:\n    pass"


def test_nothing_heavy_is_loaded_by_the_package():
    assert loaded_after("import seektrack\nfrom seektrack import Mask, Track, SeekTrackError") == set()


def test_nothing_heavy_is_loaded_by_help():
    calls = [(), ("track",), ("train", "clip"), ("eval", "retrieval"), ("models", "fetch")]
    assert loaded_after("\n".join(call(*args, "--help") for args in calls)) == set()


def test_the_videos_of_a_library_are_told_without_the_networks_libraries(tmp_path: Path):
    with LibraryStore.create(tmp_path, model="test", fingerprint="test", dim=8):
        pass
    loaded = loaded_after(call("videos", "--library", str(tmp_path)), said="0 indexed")
    assert loaded & {"torch", "transformers", "scipy", "pandas"} == set()


@pytest.mark.parametrize("package", LAZY)
def test_every_name_of_a_package_that_loads_late_is_there(package: str):
    loaded = importlib.import_module(package)
    assert [n for n in loaded.__all__ if not hasattr(loaded, n) or n not in dir(loaded)] == []


def test_unknown_names_are_attribute_errors():
    assert not hasattr(seektrack, "nonsense")
    assert {"Library", "track_objects", "search_and_track", "Tracks"} <= set(dir(seektrack))


def test_there_are_no_import_circles():
    graph = grimp.build_graph("seektrack", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    while ends := [module for module, found in imports.items() if not found & imports.keys()]:
        for module in ends:  # what imports nothing that is left lies on no circle
            del imports[module]
    assert circle(imports) == []


def circle(imports: dict[str, set[str]]) -> list[str]:
    """One circle among modules each of which imports another of them."""
    way = list(imports)[:1]
    while way and len(set(way)) == len(way):
        way.append(sorted(imports[way[-1]] & imports.keys())[0])
    return way[way.index(way[-1]) :] if way else []


def test_the_check_sees_a_circle():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
