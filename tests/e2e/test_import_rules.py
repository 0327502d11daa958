"""What importing costs: the package and its help must not load the networks' libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import seektrack

HEAVY = ("torch", "transformers", "cv2", "faiss", "av", "scipy", "PIL", "huggingface_hub")


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n' + ' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    env = os.environ | {"PYTHONPATH": str(Path(seektrack.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env)
    return set(done.stdout.splitlines()[-1].split())


def test_the_check_sees_a_heavy_library():
    assert loaded_after("import PIL") == {"PIL"}


def help_of(*command: str) -> str:
    args = [*command, "--help"]
    return f"import seektrack.cli\ntry:\n    seektrack.cli.main({args})\nexcept SystemExit:\n    pass"


@pytest.mark.parametrize(
    "code",
    [
        "import seektrack",
        "from seektrack import Mask, Track, SeekTrackError, __version__",
        "import seektrack.cli",
        help_of(),
        help_of("track"),
    ],
)
def test_nothing_heavy_is_loaded(code: str):
    assert loaded_after(code) == set()


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
