"""All that a library knows of one video, on its way into another library of either back end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from seektrack.library.beside import Extra

Picture = tuple[int, str, float, int, float | None, float | None, float | None, float | None, bytes]
"""Frame index, exact time as text, seconds, kind, box and vector of one embedded picture."""
KEPT = (
    "path", "size", "mtime_ns", "digest", "whole", "width", "height", "fps", "duration_s", "n_frames",
    "settings", "fingerprint", "damage", "pictures",
)  # fmt: skip
"""What is known of a video itself."""
_SAME = ("size", "digest", "settings", "fingerprint", "pictures", "damage")


@dataclass(frozen=True, eq=False)
class WholeVideo:
    """One video.

    Attributes:
        about: What is known of it, by the names of `KEPT`.
        pictures: Its pictures in order, each already compared with its checksum; can be gone over once.
        extras: Numbers kept beside them, by kind.
        stretch_settings: How its stretches were cut; None where it has none, or they are left out.
        stretches: Start, end and vector of each.
    """

    about: Mapping[str, object]
    pictures: Iterable[Picture]
    extras: Mapping[str, Extra]
    stretch_settings: str | None = None
    stretches: Sequence[tuple[float, float, bytes]] = ()

    @property
    def path(self) -> str:
        """As the libraries know it."""
        return str(self.about["path"])

    def same_as(self, about: Mapping[str, object]) -> bool:
        """Whether another library holds it alike."""
        return all(self.about[name] == about[name] for name in _SAME)
