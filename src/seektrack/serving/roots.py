"""Which files may be named over the network: those below the roots, and what the served libraries hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from seektrack.errors import InputError
from seektrack.serving.refusals import RefusedError, not_found
from seektrack.video.network import is_address

# Small texts that make a player open other files: HLS, DASH, concat lists, session descriptions.
_PLAYLIST = re.compile(rb"\s*(#EXTM3U|ffconcat|<\?xml|<MPD|<smil|\[playlist\]|v=0\s)", re.IGNORECASE)


class Roots:
    """Folders below which videos may be named.

    Args:
        folders: The roots.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = [Path(os.path.realpath(folder.expanduser())) for folder in folders]

    def find(self, name: str, *, links: bool = False) -> Path:
        """The file or folder of a name: a path, or one relative to a root.

        What lies outside is told as what is not there, so that nothing can be learnt of it.

        Args:
            name: The name.
            links: Whether a folder may hold links that lead outside, as its caller leaves them out.

        Raises:
            InputError: It is no name of a file, but an address or a camera.
            RefusedError: There is none below the roots.
        """
        if not name or "\0" in name or len(name) > 4096:
            raise InputError(f"no name of a video: {name[:80]!r}", hint="name a file below a root")
        if is_address(name) or re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", name):
            raise InputError(
                f"{name[:200]!r} is an address; the service opens files only",
                hint="save it to a file below a root, or upload it",
            )
        given = Path(name)
        for candidate in [given] if given.is_absolute() else [root / given for root in self.folders]:
            resolved = self.inside(candidate)
            if resolved is not None:
                if not (links and resolved.is_dir()):
                    check_plain(resolved, self)
                return resolved
        raise not_found(
            f"video {name[:200]!r} below the roots",
            hint="GET /api/v1/about lists them; or upload the video",
            code="bad_video",
        )

    def inside(self, path: Path) -> Path | None:
        """The real path, if it exists and lies below a root; links and ``..`` are followed first."""
        try:
            resolved = Path(os.path.realpath(path, strict=True))
        except (OSError, ValueError):
            return None
        return resolved if any(resolved.is_relative_to(root) for root in self.folders) else None

    def holds(self, path: Path) -> bool:
        """Whether a path is written as one below a root, wherever links in it lead."""
        absolute = Path(os.path.abspath(path))
        return any(absolute.is_relative_to(root) for root in self.folders)


def check_plain(path: Path, roots: Roots) -> None:
    """Refuse what would make other files be opened: a playlist, a folder with links that lead outside.

    Raises:
        RefusedError: It would.
        InputError: It is neither a file nor a folder.
    """
    try:
        if path.is_dir():
            for entry in os.scandir(path):
                if entry.is_symlink() and roots.inside(Path(entry.path)) is None:
                    raise RefusedError(
                        403, "forbidden", f"{path.name} holds a link that leads outside the roots"
                    )
            return
        if not path.is_file():
            raise InputError(f"{path.name} is neither a file nor a folder")
        with path.open("rb") as file:
            head = file.read(256)
    except OSError as error:
        raise RefusedError(403, "forbidden", f"{path.name} cannot be read: {error.strerror}") from error
    if _PLAYLIST.match(head.removeprefix(b"\xef\xbb\xbf")):
        raise RefusedError(
            403,
            "forbidden",
            f"{path.name} is a list that leads to other files",
            hint="name the video itself",
        )
