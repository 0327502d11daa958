"""What is wrong with a call is said before the networks' libraries load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from seektrack.cli import app, main
from seektrack.cli.early import check_device
from seektrack.errors import ModelError

WRONG = {
    "an option there is not": (["search", "a car", "--no-such"], 2, "No such option: --no-such"),
    "a command there is not": (["serch", "a car"], 2, "Did you mean 'search'"),
    "a library that is not there": (["search", "a car", "-l", "nosuch"], 5, "'nosuch' does not exist"),
    "a part without a frame": (["search", "a car", "--start", "5", "--end", "3"], 2, "--end 3 does not lie"),
    "an order that is none": (["search", "a car", "--hits", "--rank-by", "luck"], 2, "confidence, cosine"),
    "what to look at": (["search", "a car", "--only", "faces"], 2, "objects, frames"),
    "a device that is none": (["search", "a car", "--device", "banana"], 4, "there is no device 'banana'"),
    "a device torch was not built for": (
        ["index", "a.mp4", "--device", "xpu:7"],
        4,
        "built without XPU",
    ),
    "a device to train on": (["pocket", "sam2", "-o", "o", "--device", "banana"], 4, "no device 'banana'"),
    "a device to measure with": (["eval", "retrieval", "--device", "banana"], 4, "no device 'banana'"),
    "a device for track": (["track", "a.mp4", "-t", "x", "--device", "banana"], 4, "no device 'banana'"),
    "a device for index": (["index", "a.mp4", "--device", "banana"], 4, "no device 'banana'"),
    "a device for live": (["live", "a.mp4", "--query", "x", "--device", "banana"], 4, "no device 'banana'"),
    "a video that is not there": (["track", "nosuch.mp4", "-t", "a car"], 3, "no such video: nosuch.mp4"),
    "nothing for a video": (["track", "", "-t", "a car"], 3, "no such video: ''"),
    "a video for index": (["index", "nosuch.mp4"], 3, "no such video: nosuch.mp4"),
    "the current folder by mistake": (["index", ""], 3, "no such video: ''"),
    "a video for live": (["live", "nosuch.mp4", "--query", "x"], 3, "no such video: nosuch.mp4"),
    "a format": (["track", "a.mp4", "-t", "x", "-f", "gif"], 2, "json"),
    "a filter": (["track", "a.mp4", "-t", "x", "--filter", "sharpen"], 2, "unknown filter 'sharpen'"),
    "too much of a filter": (["track", "a.mp4", "-t", "x", "--filter", "gaussian=1e6"], 2, "≤ 255"),
    "how masks are carried": (["track", "a.mp4", "-t", "x", "--propagation", "magic"], 2, "memory, hybrid"),
    "a step of cleaning": (["track", "a.mp4", "-t", "x", "--post", "polish:3"], 2, "close, open"),
    "too fine": (["track", "a.mp4", "-t", "x", "--resolution", "100000"], 2, "4096"),
    "regions": (["index", "a.mp4", "--regions", "faces"], 2, "objects, tiles, none"),
    "a search index": (["index", "a.mp4", "--ann", "lsh"], 2, "auto, flat"),
    "what a library holds": (["videos", "-l", "nosuch"], 5, "'nosuch' does not exist"),
    "wordings": (["prompts", "compare", "a", "b", "-l", "nosuch"], 5, "'nosuch' does not exist"),
    "two of one": (["track", "a.mp4", "-l", "lib", "-t", "x"], 2, "both a video and a --library"),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_is_said_at_once(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    args, status, said = WRONG[what]
    monkeypatch.chdir(tmp_path)
    Path("a.mp4").touch()
    with pytest.raises(SystemExit) as ended:
        main(args)
    err = capsys.readouterr().err
    assert (ended.value.code, said in err) == (status, True), err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4"]


def test_none_of_it_loads_a_network_library(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    code = (
        "import sys\nfrom seektrack.cli import main\n"
        f"for args in {[args for args, _, _ in WRONG.values()]!r}:\n"
        "    try:\n        main(args)\n    except SystemExit as ended:\n        assert ended.code\n"
        "    heavy = {'torch', 'transformers', 'faiss', 'scipy'} & set(sys.modules)\n"
        "    assert not heavy, (args, heavy)\n"
    )
    source = str(Path(__file__).parents[3] / "src")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("told", "device", "refused"),
    [
        ("cuda: Optional[str] = None\nhip: Optional[str] = None\n", "cuda:1", True),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.2'\n", "cuda", False),
        ("cuda = '12.8'\nhip = None\nxpu = None\n", "cuda", False),
        ("cuda = '12.8'\nhip = None\nxpu = None\n", "xpu", True),
        ("cuda = None\nhip = None\nxpu = None\n", "cpu", False),
        ("something else\n", "cuda", False),
    ],
)
def test_what_torch_was_built_for_is_read_from_its_files(
    told: str, device: str, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "version.py").write_text(told)
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found)
    context = typer.Context(typer.main.get_command(app))
    if refused:
        with pytest.raises(ModelError, match="was built without"):
            check_device(context, device)
    else:
        assert check_device(context, device) == device
