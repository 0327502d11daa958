"""How the program ends: every way out is a status and at most one line and its hint, never a traceback.

Signals end it within a second, also while a network computes: a thread that the signal wakes waits that long
for the commands to put away what they hold, and then ends the process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TextIO

import typer

from seektrack.cli.common import debugging, report_error
from seektrack.cli.shown import one_line
from seektrack.errors import InputError, OutputError, SeekTrackError, foreseen

INTERRUPTED = 130
GRACE_S = 0.8
"""What a command has to put away its things after a signal."""

_GOES_ON = {
    "index": "the same command goes on where this one stopped",
    "pocket": "the same command goes on from the last checkpoint",
    "train": "the same command goes on from the last checkpoint",
    "track": "the same command goes on: videos followed to their end are not followed again",
    "track --session": "what was said is kept; without --undo, --edit and --correct, --session FILE goes on",
}
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
# Typer brings its own copy of click, whose errors it does not name.
_UsageError: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)


class Interrupted(SeekTrackError):
    """A signal asked the program to end."""

    exit_code = INTERRUPTED
    code = "interrupted"


def _way_on(options: Sequence[str]) -> str:
    """How what was interrupted goes on; edits of a session are kept before frames are repaired."""
    edits = {option.partition("=")[0] for option in options} & {"--undo", "--edit", "--correct"}
    command = options[0] if options else ""
    return _GOES_ON.get("track --session" if command == "track" and edits else command, "")


def run(app: Callable[..., Any], args: Sequence[str]) -> NoReturn:
    """Run the command line and exit with the status of what came.

    Args:
        app: The Typer application.
        args: Arguments without the program's name.

    Raises:
        SystemExit: Always, unless SEEKTRACK_DEBUG lets the error itself through.
    """
    options = args[: args.index("--")] if "--" in args else args
    as_json = "--json" in options
    stopped = Interrupted("interrupted", hint=_way_on(options))
    with _streams(), _told_warnings(quiet=bool({"--quiet", "-q"} & set(options))), _signals(stopped, as_json):
        try:
            status = app(list(args), prog_name="seektrack", standalone_mode=False)
            if status == INTERRUPTED:  # Typer makes this of KeyboardInterrupt
                raise stopped
            _flush()
        except SystemExit as ended:
            status = ended.code
        except _UsageError as error:
            status = _usage(error, as_json=as_json)
        except KeyboardInterrupt:
            status = _report(stopped, as_json=as_json)
        except SeekTrackError as error:
            if debugging():
                raise
            status = _report(error, as_json=as_json)
        except typer.Abort:
            status = _report(InputError("no answer came on standard input"), as_json=as_json)
        except Exception as error:
            if debugging():
                raise
            status = _report(foreseen(error), as_json=as_json)
        _let_go_of_output()
    sys.exit(status if isinstance(status, int) else 0)


def _report(error: SeekTrackError, *, as_json: bool) -> int:
    with contextlib.suppress(OSError, ValueError):  # standard error may be closed or full itself
        report_error(error, as_json=as_json)
    return error.exit_code


def _usage(error: Any, *, as_json: bool) -> int:
    """A wrong call: the same line and hint, or JSON, as every other error; a bare call shows the help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return int(error.exit_code)
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "seektrack"
    message = one_line(error.format_message()).rstrip(".")
    hint = f"{command} --help lists what it takes"
    option = getattr(error, "option_name", None) or ""
    if option.startswith("-") and not option.startswith("--"):
        hint += "; a text that begins with - goes last, behind --"
    return _report(InputError(message, hint=hint), as_json=as_json)


@contextlib.contextmanager
def _streams() -> Iterator[None]:
    """Let a character the terminal's encoding lacks be written out instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    yield


def _flush() -> None:
    if sys.stdout is None:
        raise OutputError("standard output is closed", hint="write it to a file, or take --out and the like")
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        raise OutputError(
            f"cannot write to standard output: {getattr(error, 'strerror', None) or error}"
        ) from error


def _let_go_of_output() -> None:
    """Keep Python from trying once more, at its very end, to write what could not be written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def _told_warnings(*, quiet: bool) -> Iterator[None]:
    """Warnings of seektrack as one line each; those of libraries only to who debugs."""

    def tell(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if debugging():
            usual(message, category, filename, lineno, file, line)
        elif not quiet and sys.stderr is not None and os.sep + "seektrack" + os.sep in filename:
            print(f"warning: {one_line(message)}", file=sys.stderr)

    usual = warnings.showwarning
    warnings.showwarning = tell
    try:
        yield
    finally:
        warnings.showwarning = usual


@contextlib.contextmanager
def _signals(stopped: SeekTrackError, as_json: bool) -> Iterator[None]:
    """Make SIGINT, SIGTERM and SIGHUP end what is under way, by force when it does not end by itself."""
    if threading.current_thread() is not threading.main_thread() or os.name != "posix":
        yield
        return
    wanted = [number for name in _SIGNALS if (number := getattr(signal, name, None)) is not None]
    wanted = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]  # nohup, &
    ended = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def watch() -> None:
        with contextlib.suppress(OSError):
            while (byte := os.read(reader, 1)) and byte[0] not in wanted:
                pass
            if not byte or ended.wait(GRACE_S):
                return
            if sys.stderr is not None and sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h\n")  # a bar hides the cursor
            _report(stopped, as_json=as_json)
            os._exit(stopped.exit_code)

    before = {number: signal.signal(number, stop) for number in wanted}
    woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, name="seektrack-signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writer)
        watcher.join()
        os.close(reader)
