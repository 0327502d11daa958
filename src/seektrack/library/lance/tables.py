"""The tables of a LanceDB library, how they are reached, and what goes wrong there in one line.

``catalogue`` has a row for the library and one for each video; ``frames_…`` the pictures of one encoder;
``beside`` numbers, stretches and arrays. What a reader sees hangs on the catalogue alone, and every change of
what is served is one commit to it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from seektrack.errors import LibraryError
from seektrack.library.address import CATALOGUE, place_of
from seektrack.library.database import not_a_library

if TYPE_CHECKING:
    import lancedb

CATALOGUE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("about", pa.string(), nullable=False),
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("owner", pa.string(), nullable=False),
        pa.field("beat_s", pa.float64(), nullable=False),
        pa.field("checksum", pa.int64(), nullable=False),
    ]
)
BESIDE_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("video_id", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("note", pa.string(), nullable=False),
        pa.field("numbers", pa.large_binary(), nullable=False),
        pa.field("checksum", pa.int64(), nullable=False),
    ]
)
BESIDE = "beside"
_STABLE = {"new_table_enable_stable_row_ids": "true"}
"""A row keeps its id when tables are compacted, so that what one search found another call can read."""
_QUICK = {"client_max_retries": "3", "client_retry_timeout": "20", "connect_timeout": "5s"}
"""So that what cannot be reached is told after seconds, not minutes."""


def frames_schema(dim: int) -> pa.Schema:
    """Columns of the pictures of an encoder with embeddings of some length."""
    return pa.schema(
        [
            pa.field("video_id", pa.int64(), nullable=False),
            pa.field("frame_index", pa.int64(), nullable=False),
            pa.field("number", pa.int64(), nullable=False),
            pa.field("pts", pa.string(), nullable=False),
            pa.field("time_s", pa.float64(), nullable=False),
            pa.field("kind", pa.int8(), nullable=False),
            *(pa.field(name, pa.float64()) for name in ("x0", "y0", "x1", "y1")),
            pa.field("checksum", pa.int64(), nullable=False),
            pa.field("vector", pa.list_(pa.float16(), dim), nullable=False),
        ]
    )


def connect(place: Path | str) -> lancedb.DBConnection:
    """The database at a folder or an address; nothing is made.

    Credentials, region and endpoint come from the environment variables of the storage's own tools, as
    ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION`` and ``AWS_ENDPOINT_URL``,
    ``GOOGLE_APPLICATION_CREDENTIALS``, or ``AZURE_STORAGE_ACCOUNT_NAME`` and ``AZURE_STORAGE_ACCOUNT_KEY``.

    Raises:
        LibraryError: LanceDB is not installed, or the place cannot be reached.
    """
    os.environ.setdefault("LANCE_LOG", "error")  # it warns of what it does by itself, on standard error
    try:
        import lancedb
    except ImportError as error:
        raise LibraryError(
            f"the library {str(place)!r} needs LanceDB, which is not installed",
            hint="pip install 'seektrack[lance]'",
        ) from error
    options: dict[str, str] = {}
    if isinstance(place, str):
        options = dict(_QUICK)
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
        if endpoint.startswith("http://"):
            options["allow_http"] = "true"
    with guard(place):
        return lancedb.connect(
            str(place), read_consistency_interval=timedelta(0), storage_options=options or None
        )


def names_of(connection: lancedb.DBConnection, place: Path | str) -> list[str]:
    """Tables that are there.

    Raises:
        LibraryError: The place cannot be reached.
    """
    with guard(place):
        found: list[str] = []
        page: str | None = None
        while True:
            listed = connection.list_tables(page_token=page)
            found += listed.tables
            page = listed.page_token
            if not page:
                return found


def open_catalogue(connection: lancedb.DBConnection, place: Path | str) -> lancedb.table.Table:
    """The catalogue of a library.

    Raises:
        LibraryError: There is no library, or only the beginnings of one.
    """
    with guard(place):
        try:
            return connection.open_table(CATALOGUE)
        except (ValueError, FileNotFoundError) as error:
            if "was not found" not in str(error):
                raise
        if isinstance(place, Path) and (place / f"{CATALOGUE}.lance").is_dir():
            raise LibraryError(
                f"the library {str(place)!r} was never made whole: its catalogue has no version",
                hint=f"remove the folder and index again: seektrack index VIDEO --library "
                f"{shlex.quote(str(place))}",
            )
        raise no_library(place)


def open_or_make(
    connection: lancedb.DBConnection, place: Path | str, name: str, schema: pa.Schema
) -> lancedb.table.Table:
    """A table, made when it is not there; safe when two processes do so at once."""
    with guard(place):
        with contextlib.suppress(ValueError, FileNotFoundError):
            return connection.open_table(name)
        try:
            return connection.create_table(name, schema=schema, storage_options=_STABLE)
        except (ValueError, RuntimeError, OSError) as error:
            if "already exists" not in str(error) and "ommit conflict" not in str(error):
                raise
        return connection.open_table(name)


def damaged(place: Path | str, what: str) -> LibraryError:
    """The error for a library whose rows are not what was written."""
    return LibraryError(
        f"the library {str(place)!r} is damaged: {what}",
        hint="copy what is whole: seektrack library copy OLD NEW --video VIDEO; index the rest again",
    )


def no_library(place: Path | str) -> LibraryError:
    """The error for a place without a library."""
    if isinstance(place, Path):
        return not_a_library(place)
    return LibraryError(
        f"there is no library at {place!r}",
        hint=f"make one with: seektrack index VIDEO --library {shlex.quote(place)}",
    )


@contextlib.contextmanager
def guard(place: Path | str) -> Iterator[None]:
    """Turn what LanceDB and the storage below it say into one line a person can act on."""
    try:
        yield
    except LibraryError:
        raise
    except (RuntimeError, ValueError, OSError, pa.ArrowException) as error:
        raise _explained(place, error) from error


_KEYS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to the file of a key",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_SAID = (
    (
        r"NoSuchBucket|bucket does not exist|ContainerNotFound",
        "{bucket} does not exist",
        "make it, or check its name",
    ),
    (
        r"no storage account configured|no Azure account name",
        "it is not said in which account {bucket} lies",
        "{keys}",
    ),
    (
        r"service account file|GCP credential error|Invalid Access Key",
        "the key for {bucket} cannot be read",
        "{keys}",
    ),
    (
        r"CredentialsNotLoaded|no providers in chain|MissingCredentials|credential provider|169\.254|"
        r"metadata\.google|TokenRequest|FailedToLoadToken|Failed to get AWS credentials",
        "there is no key for {bucket}",
        "{keys}",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|Forbidden|status: 40[13]|InvalidClientTokenId"
        r"|Unauthenticated|AuthorizationFailure|InvalidToken|ExpiredToken|AuthenticationFailed",
        "access to {bucket} is refused: the key is wrong or has no right to it",
        "{keys}",
    ),
    (
        r"resolve region",
        "it cannot be told in which region {bucket} lies",
        "set AWS_REGION, check the network and the name; AWS_ENDPOINT_URL names another server",
    ),
    (
        r"error sending request|onnection refused|dns error|timed out|tcp connect|Connect\b|NotConnected",
        "{bucket} cannot be reached",
        "check the network{endpoint}; nothing that was written is lost",
    ),
    (r"No space left|StorageFull|quota", "the disk is full", "free some space; everything indexed is kept"),
    (
        r"Permission denied|PermissionDenied|Read-only file system",
        "it may not be written to",
        "choose a place you may write to",
    ),
    (
        r"ommit conflict|Too many concurrent writers|Retryable",
        "others change it too quickly",
        "try again; nothing that was written is lost",
    ),
)  # fmt: skip
_DAMAGE = re.compile(
    r"magic number|[Nn]ot found|NotFound|corrupt|[Ii]nvalid|proto|decod|unexpected|out of range|EOF|[Ee]ncod"
    r"|fill whole buffer|is too small"
)
_SOURCE = re.compile(r",? */(root|rustc|home|Users)/\S+\.rs:\d+:\d+")
"""Where in its own source LanceDB met an error; nothing to a person."""


def _explained(place: Path | str, error: Exception) -> LibraryError:
    said = _SOURCE.sub("", str(error))
    scheme = str(place).partition(":")[0].partition("+")[0]
    name = str(place).partition("://")[2].partition("/")[0]
    words = {
        "bucket": f"the {'container' if scheme == 'az' else 'bucket'} {name!r}"
        if isinstance(place, str)
        else "it",
        "keys": _KEYS.get(scheme, _KEYS["s3"]),
        "endpoint": " and AWS_ENDPOINT_URL" if scheme == "s3" else "",
    }
    for pattern, what, hint in _SAID:
        if re.search(pattern, said):
            return LibraryError(
                f"cannot use the library {str(place)!r}: {what.format(**words)}", hint=hint.format(**words)
            )
    if _DAMAGE.search(said):
        return damaged(place, " ".join(said.split())[:160])
    return LibraryError(
        f"cannot use the library {str(place)!r}: {' '.join(said.split())[:200]}",
        hint="check the place and its rights; everything indexed so far is kept",
    )


def resolved(path: str | Path) -> Path | str:
    """A library's place, made absolute where it is a folder."""
    place = place_of(path)
    return place if isinstance(place, str) else place.absolute()
