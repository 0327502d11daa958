"""Every way the program ends: a status, one line and its hint, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import typer

from seektrack import VideoError
from seektrack.cli import main
from seektrack.cli.ending import run

ROOT = Path(__file__).parents[3]


def app_that(does) -> typer.Typer:
    """An application of one command."""
    app = typer.Typer()

    @app.command()
    def command(as_json: bool = typer.Option(False, "--json")) -> None:
        does()

    return app


def raising(error: BaseException):
    def does() -> None:
        raise error

    return app_that(does)


def ended(app, *args: str) -> int:
    with pytest.raises(SystemExit) as status:
        run(app, args)
    return int(status.value.code or 0)


UNFORESEEN = {
    "a fault": (RuntimeError("shape [2, 3]\nis odd"), "RuntimeError: shape [2, 3] is odd"),
    "a bare fault": (AssertionError(), "AssertionError"),
    "no memory": (MemoryError(), "there is not enough memory"),
    "no rights": (PermissionError(13, "Permission denied", "/shut/a.mp4"), "/shut/a.mp4: Permission denied"),
    "too deep": (RecursionError("maximum recursion depth exceeded"), "RecursionError: maximum recursion"),
    "no text": (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid"), "UnicodeDecodeError: 'utf-8' codec"),
}


@pytest.mark.parametrize("case", UNFORESEEN)
def test_what_nobody_foresaw_is_one_line_and_status_8(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    error, said = UNFORESEEN[case]
    assert ended(raising(error)) == 8
    out, err = capsys.readouterr()
    first, hint = err.splitlines()
    assert (out, first.startswith(f"error: {said}"), hint.startswith("hint: ")) == ("", True, True)
    assert ended(raising(error), "--json") == 8
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "unforeseen"


def test_debugging_shows_where_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEKTRACK_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(raising(ZeroDivisionError()), [])


def test_an_error_of_ours_keeps_its_status_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(VideoError("no such video: a[/b]", hint="check it"))) == 3
    assert capsys.readouterr().err.splitlines() == ["error: no such video: a[/b]", "hint: check it"]


def test_a_status_of_a_command_is_the_status_of_the_program() -> None:
    assert ended(raising(typer.Exit(12))) == 12
    assert ended(app_that(lambda: None)) == 0


@pytest.mark.parametrize(
    "args, said",
    [
        (["search", "--nosuch"], "No such option: --nosuch"),
        (["search", "x", "-k", "many"], "Invalid value for '-k' / '--count'"),
        (["nosuch"], "No such command 'nosuch'"),
        (["track", "a.mp4", "--top", "0", "-t", "x"], "Invalid value for '--top'"),
    ],
)
def test_a_wrong_call_is_a_line_too_or_json(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as status:
        main(args)
    first, hint = capsys.readouterr().err.splitlines()
    assert (status.value.code, first.startswith(f"error: {said}")) == (2, True)
    assert hint.startswith("hint: seektrack") and hint.endswith(" --help lists what it takes")
    with pytest.raises(SystemExit) as status:
        main([*args, "--json"])
    body = json.loads(capsys.readouterr().err)["error"]
    assert (status.value.code, body["code"]) == (2, "bad_input")
    assert body["message"].startswith(said)


def test_warnings_of_ours_are_lines_and_those_of_libraries_are_not_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def warns() -> None:
        warnings.warn_explicit("a.mp4 is\ndamaged", UserWarning, "/x/seektrack/video/file.py", 1)
        warnings.warn_explicit("use something newer", FutureWarning, "/x/torch/nn.py", 1)

    assert ended(app_that(warns)) == 0
    assert capsys.readouterr().err == "warning: a.mp4 is damaged\n"


BUSY = """
import sys, time
import typer
from seektrack.cli.ending import run
app = typer.Typer()

@app.command()
def index(how: str) -> None:
    print("begun", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        if how == "deaf":
            time.sleep(60)
        raise

@app.command()
def other() -> None: ...

run(app, sys.argv[1:])
"""


def started(*args: str, code: str = BUSY) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )


@pytest.mark.parametrize(
    "number, how",
    [
        (signal.SIGINT, "at once"),
        (signal.SIGTERM, "at once"),
        (signal.SIGHUP, "at once"),
        (signal.SIGTERM, "deaf"),
    ],
)
def test_a_signal_ends_the_work_with_a_line(number: signal.Signals, how: str) -> None:
    process = started("index", how)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=20)  # the work would go on for a minute
    assert process.returncode == 130
    assert err.splitlines() == [
        "error: interrupted",
        "hint: the same command goes on where this one stopped",
    ]


SPEAKS = """
import sys
import typer
from seektrack.cli.common import Screen
from seektrack.cli.ending import run
app = typer.Typer()

@app.command()
def command(as_json: bool = typer.Option(False, "--json")) -> None:
    Screen(as_json=as_json).result(list(range(9999)), lambda console: console.print("x" * 99999))

run(app, sys.argv[1:])
"""


@pytest.mark.parametrize("option", ["", "--json"])
@pytest.mark.parametrize("where", ["closed", "full", "gone"])
def test_standard_output_that_takes_nothing_is_one_line(where: str, option: str) -> None:
    to = {"closed": ">&-", "full": ">/dev/full", "gone": "| true"}[where]
    done = subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {option} {to}; exit ${{PIPESTATUS[0]}}', sys.executable, SPEAKS],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    assert done.returncode == 7, done.stderr
    told = json.loads(done.stderr)["error"]["message"] if option else done.stderr.splitlines()[0]
    assert "standard output" in told
    assert len(done.stderr.splitlines()) <= 2


@pytest.mark.parametrize("edit", [["--undo"], ["--correct", "1,2@3#1"], ["--correct=1,2@3#1"]])
def test_an_interrupted_correction_is_not_to_be_said_again(
    edit: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is kept before frames are repaired: the same command would undo, or say it, twice."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit):
        run(interrupted, ["track", "--session", "a.session", *edit])
    told = capsys.readouterr().err
    assert "without --undo, --edit and --correct" in told and "same command" not in told
