"""Names that a person taught to what knows photographs: vectors beside its own, in one file of a folder.

They change no vector of any picture: a library made before they were taught can be asked for them at once,
and the fingerprint of the weights leaves the file out.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.checkpoints.fingerprints import NAMES_FILE
from seektrack.errors import ModelError
from seektrack.files import write_bytes

FORMAT = 1
_ROWS = "rows"


@dataclass(frozen=True, eq=False)
class Taught:
    """What was taught.

    Attributes:
        weights: Fingerprint of the encoder it was taught to.
        names: In the order of ``rows``; one that the encoder knew before is known by these instead.
        rows: float32 (N, D) of unit length.
        words: Name by word or words, lower case and singular, of any language.
        kinds: What each name is a kind of, where that was said.
        pictures: Of each name, how many it was learnt from.
    """

    weights: str
    names: tuple[str, ...]
    rows: NDArray[np.float32]
    words: Mapping[str, str]
    kinds: Mapping[str, tuple[str, ...]]
    pictures: Mapping[str, int]

    @property
    def digest(self) -> str:
        """16 hexadecimal digits; equal where texts have equal vectors."""
        made = hashlib.sha256(json.dumps([self.names, dict(self.words)], sort_keys=True).encode())
        made.update(np.ascontiguousarray(self.rows, "<f4").tobytes())
        return made.hexdigest()[:16]

    def labels(self) -> tuple[str, ...]:
        """The names as they are asked for: ``"a giraffe"``."""
        return tuple(as_label(name) for name in self.names)

    def over(self, before: Taught | None) -> Taught:
        """These, and of what was taught before the other names."""
        if before is None:
            return self
        kept = [i for i, name in enumerate(before.names) if name not in self.names]
        names = tuple(before.names[i] for i in kept)
        words = {word: name for word, name in before.words.items() if name in names}
        return Taught(
            self.weights,
            (*names, *self.names),
            np.concatenate([before.rows[kept], self.rows]).astype(np.float32),
            {**words, **self.words},
            {**{name: before.kinds[name] for name in names if name in before.kinds}, **self.kinds},
            {**{name: before.pictures[name] for name in names if name in before.pictures}, **self.pictures},
        )

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``names.safetensors`` into an encoder's folder.

        Raises:
            OutputError: It cannot be written.
        """
        from safetensors.numpy import save

        told = {
            "format": FORMAT, "weights": self.weights, "names": self.names, "words": dict(self.words),
            "kinds": {name: list(above) for name, above in self.kinds.items()},
            "pictures": dict(self.pictures),
        }  # fmt: skip
        target = Path(folder) / NAMES_FILE
        rows = np.ascontiguousarray(self.rows, np.float32)
        write_bytes(target, save({_ROWS: rows}, metadata={"seektrack": json.dumps(told)}))
        return target


def read_taught(folder: str | os.PathLike[str], *, weights: str, dim: int) -> Taught | None:
    """The names that lie beside an encoder, or None.

    Args:
        folder: Of the encoder.
        weights: Its fingerprint.
        dim: Length of a name's vector.

    Raises:
        ModelError: The file cannot be read, or was taught to other weights.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(folder) / NAMES_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            told: dict[str, Any] = json.loads((file.metadata() or {})["seektrack"])
            rows = np.asarray(file.get_tensor(_ROWS), np.float32)
        names = tuple(map(str, told["names"]))
        if told["format"] != FORMAT or rows.shape != (len(names), dim) or not np.isfinite(rows).all():
            raise ValueError(f"{len(names)} names, vectors {rows.shape}, {dim} numbers wanted")
        words = {str(word): str(name) for word, name in told["words"].items()}
        if not set(words.values()) <= set(names):
            raise ValueError("a word of no name")
        kinds = {str(name): tuple(map(str, above)) for name, above in told["kinds"].items()}
        pictures = {str(name): int(count) for name, count in told["pictures"].items()}
        made_of = str(told["weights"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"cannot read the names taught to {str(folder)!r}: {error}",
            hint=f"remove {NAMES_FILE} from it, and teach them again: seektrack train clip",
        ) from error
    if made_of != weights:
        raise ModelError(
            f"the names in {str(path)!r} were taught to other weights than lie beside them",
            hint="teach them again: seektrack train clip",
        )
    return Taught(made_of, names, rows, words, kinds, pictures)


def as_label(name: str) -> str:
    """A name as it is asked for: ``"an otter"``."""
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
