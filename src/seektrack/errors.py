"""Every error seektrack raises on purpose.

::

    SeekTrackError                      anything below; the CLI prints it as one line
    ├── InputError (ValueError)         what the caller gave cannot be used
    │   ├── VideoError                  a file that is missing, not a video, or broken
    │   ├── QueryError                  an empty or malformed text query
    │   └── PromptError                 a point, box or mask outside what is allowed
    ├── ModelError                      a model that is unknown, incomplete or does not fit
    ├── LibraryError                    a library folder that cannot be opened or used
    │   └── LibraryMismatchError        a library indexed by another model
    ├── NothingFoundError               the search or grounding ended with nothing to show
    ├── OutputError (OSError)           a result that cannot be written
    ├── ClusterError                    workers that cannot be reached, started or kept alive
    └── UnforeseenError                 anything else that was raised below, told in one line

Each carries ``message`` (what failed, the value that came, what is allowed), ``hint`` (the way out)
and ``exit_code`` (the status the command line ends with).
"""

from __future__ import annotations


class SeekTrackError(Exception):
    """Base of all errors seektrack raises on purpose.

    Args:
        message: What failed and the value that came, in one sentence.
        hint: The way out, in one sentence; empty when there is none.
    """

    exit_code: int = 1
    code: str = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InputError(SeekTrackError, ValueError):
    """What the caller gave cannot be used."""

    exit_code = 2
    code = "bad_input"


class VideoError(InputError):
    """A video that is missing, not a video, or broken."""

    exit_code = 3
    code = "bad_video"


class QueryError(InputError):
    """An empty or malformed text query."""

    code = "bad_query"


class PromptError(InputError):
    """A point, box or mask prompt outside what is allowed."""

    code = "bad_prompt"


class ModelError(SeekTrackError):
    """A model that is unknown, incomplete or does not fit."""

    exit_code = 4
    code = "bad_model"


class LibraryError(SeekTrackError):
    """A library folder that cannot be opened or used."""

    exit_code = 5
    code = "bad_library"


class LibraryMismatchError(LibraryError):
    """A library whose vectors were made by another model than the one asked for."""

    code = "library_mismatch"


class NothingFoundError(SeekTrackError):
    """The search or the grounding ended with nothing to show."""

    exit_code = 6
    code = "nothing_found"


class OutputError(SeekTrackError, OSError):
    """A result that cannot be written."""

    exit_code = 7
    code = "bad_output"

    def __str__(self) -> str:
        return SeekTrackError.__str__(self)


class ClusterError(SeekTrackError):
    """Workers that cannot be reached, started or kept alive."""

    exit_code = 9
    code = "no_workers"


class UnforeseenError(SeekTrackError):
    """What nobody foresaw: a fault of seektrack or of a library below it, told in one line."""

    exit_code = 8
    code = "unforeseen"


def needs_torch(what: str) -> ModelError:
    """The error where torch is needed and not installed.

    Args:
        what: What needs it.
    """
    return ModelError(f"{what} needs torch, which is not installed", hint="pip install 'seektrack[torch]'")


def foreseen(error: Exception, *, what: str = "") -> SeekTrackError:
    """An error of any kind as one of ours, which says in one line what failed; ours as they are.

    Args:
        error: What was raised.
        what: What was being worked on, to be named.
    """
    if isinstance(error, SeekTrackError):
        return error
    before = f"{what}: " if what else ""
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] in ("torch", "transformers"):
        return needs_torch(what or "this")
    if isinstance(error, MemoryError):
        hint = "take a smaller model, --resolution or video"
        return UnforeseenError(f"{before}there is not enough memory", hint=hint)
    where = "SEEKTRACK_DEBUG=1 shows where it came from"
    if isinstance(error, OSError) and error.strerror:
        file = "" if error.filename is None else f"{error.filename}: "
        return UnforeseenError(f"{before}{file}{error.strerror}", hint=where)
    said = " ".join(str(error).split())[:500]
    return UnforeseenError(
        f"{before}{type(error).__name__}{': ' if said else ''}{said}",
        hint=f"this was not foreseen, please report it; {where}",
    )
