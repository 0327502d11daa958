"""The guide as its reader meets it: every block of every page, in order, on what ``make demo`` made.

A block that cannot run here says so in its first line, ``# needs …``, by one of `NEEDS`; a line that is to
end with another status than 0 says so behind it, ``# status 6``. All pages share the demo's folder, the
blocks of one page their names and the server that one of them starts.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.core import TyperCommand

from seektrack.cli import main
from seektrack.evaluation import demo as demo_module

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs/guide").glob("*.md"))]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SETTING = re.compile(r"[A-Z_]+=.*")  # of the shell, before a command
RUN = ("sh", "python")
SHOWN = ("text", "csv", "json", "toml")
NEEDS = {
    "the base weights": r"--model (base|large|multilingual)\b",
    "a network": r"\bgit clone|\bmodels fetch\b|--grounder hf:",
    "the package trackers": r"--tracker (bytetrack|ocsort)",
    "a camera": r"\b(live|track) (0|rtsp:)",
    "hours": r"seektrack pocket .*minutes|seektrack eval (demo|pocket|tracking|smaller)",
    "files of your own": "",
}
"""What a block may need, and how its own text shows that it does; files have to be missing from the demo."""
PORT = "8642"
_MADE = ("make demo", "cd demo-out")
_FILE = re.compile(r"[\w./-]+/[\w./-]*|[\w-]+\.(?:mp4|jpg|json|txt|xml|srt|nii)\b")


def blocks(page: Path) -> list[tuple[str, str]]:
    return FENCE.findall(page.read_text(encoding="utf-8"))


def need(body: str) -> str | None:
    found = re.match(r"# needs ([\w ]+)", body)
    reason = found[1] if found else None
    there = reason == "the package trackers" and importlib.util.find_spec("trackers")
    return None if there else reason


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``seektrack demo`` leaves, of its first videos and its first question only."""
    out = tmp_path_factory.mktemp("made") / "demo-out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(demo_module._SIZES, True, (4, 24))
        patch.setattr(demo_module, "QUERIES", demo_module.QUERIES[:1])
        demo_module.run_demo(out, small=True)
    return out


def run_shell(body: str) -> None:
    for line in body.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words or line.split("#")[0].strip() in _MADE or is_server(line):
            continue
        assert words[0] == "seektrack", f"a block of commands holds {line!r}"
        status = re.search(r"# status (\d+)", line)
        with pytest.raises(SystemExit) as ended:
            main(words[1:])
        assert int(ended.value.code or 0) == int(status[1] if status else 0), line


@contextlib.contextmanager
def serving(page: Path) -> Iterator[str]:
    """The server that a page starts, if it does, at a port of its own, which is given."""
    starts = [line for _, body in blocks(page) for line in body.splitlines() if is_server(line)]
    if not starts:
        yield PORT
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "seektrack", *shlex.split(starts[0])[1:], "--port", port]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}) as server:
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end and server.poll() is None:
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"http://127.0.0.1:{port}/api/v1/health").status_code == 200:
                        break
                time.sleep(0.1)
            yield port
        finally:
            server.terminate()


def is_server(line: str) -> bool:
    return line.startswith("seektrack serve ")


@pytest.mark.parametrize("page", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in PAGES])
def test_a_page_runs_from_top_to_bottom(
    page: Path, demo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo_folder)
    names: dict[str, object] = {"__name__": "__main__"}
    with serving(page) as port:
        for number, (language, body) in enumerate(blocks(page), 1):
            if need(body) or language not in RUN:
                continue
            try:
                if language == "sh":
                    run_shell(body)
                else:
                    exec(compile(body.replace(PORT, port), f"{page.name}, block {number}", "exec"), names)
            except Exception as error:
                error.add_note(f"in block {number} of {page.name}:\n{body}")
                raise


@pytest.mark.parametrize("page", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in PAGES])
def test_every_block_says_what_it_is_and_what_it_needs_is_so(page: Path, demo_folder: Path) -> None:
    for language, body in blocks(page):
        assert language in (*RUN, *SHOWN), body
        reason = need(body)
        if reason is None:
            continue
        assert language in RUN and reason in NEEDS, body
        assert re.search(NEEDS[reason], body), f"this needs no {reason}:\n{body}"
        if reason == "files of your own":
            assert [f for f in _FILE.findall(body) if not (demo_folder / f).exists()], body


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line reads every option and value of a command, and stops where it would run it."""
    monkeypatch.setattr(TyperCommand, "invoke", lambda _command, _context: None)


@pytest.mark.parametrize("page", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in PAGES])
@pytest.mark.usefixtures("read_only")
def test_a_command_that_is_not_run_is_understood(page: Path) -> None:
    commands = [body for language, body in blocks(page) if language == "sh" and need(body)]
    for line in "\n".join(commands).replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and SETTING.fullmatch(words[0]):
            del words[0]
        if words and words[0] == "seektrack":
            with pytest.raises(SystemExit) as ended:
                main(words[1:])
            assert not ended.value.code, line


@pytest.mark.parametrize(
    "words", [["eval", "real", "films/", "--no-such"], ["eval", "demo", "--scenes", "x"]]
)
@pytest.mark.usefixtures("read_only")
def test_a_command_of_another_version_is_not_understood(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)


def test_few_blocks_are_not_run() -> None:
    every = [body for page in PAGES for language, body in blocks(page) if language in RUN]
    assert len([body for body in every if need(body)]) <= 0.22 * len(every)


def test_the_check_sees_a_block_that_fails(demo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo_folder)
    run_shell('seektrack search "a red car" --library library\n')
    run_shell('seektrack search "a purple boat" --library library  # status 6: no video shows one\n')
    with pytest.raises(AssertionError, match="no-such"):
        run_shell("seektrack videos --library no-such\n")
