"""Texts to tokens without transformers: a ``tokenizer.json`` and how the model wants it used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import ModelError

Ids = NDArray[np.int64]


class TextReader:
    """Turns texts into ids; what is too long is cut, what is shorter than the longest is filled up.

    Args:
        tokenizer: Of the library tokenizers.
        length: Most ids of a text.
        padded: Fill every text up to ``length``, not to the longest.
        pad_id, pad_token: What fills.
    """

    def __init__(self, tokenizer: Any, *, length: int, padded: bool, pad_id: int, pad_token: str) -> None:
        tokenizer.enable_truncation(max_length=length)
        tokenizer.enable_padding(pad_id=pad_id, pad_token=pad_token, length=length if padded else None)
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any]) -> TextReader:
        """Read a folder's tokenizer.

        Args:
            folder: Holding ``tokenizer.json``.
            settings: The other arguments of the class.

        Raises:
            ModelError: It is missing or cannot be read.
        """
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ModelError(
                f"the model in {folder} has no tokenizer.json, which is read without transformers",
                hint="use it with torch",
            )
        try:
            return cls(Tokenizer.from_file(str(path)), **settings)
        except Exception as error:  # the library raises bare Exceptions
            raise ModelError(f"cannot read {path}: {error}", hint="fetch or write the model again") from error

    def is_whole(self, word: str) -> bool:
        """Whether a word is stored as one token, as those are that were seen often."""
        read = self._tokenizer.encode(word, add_special_tokens=False)
        tokens = [token for token, counts in zip(read.tokens, read.attention_mask, strict=True) if counts]
        return len(tokens) == 1 and tokens[0] != getattr(self._tokenizer.model, "unk_token", None)

    def __call__(self, texts: Sequence[str]) -> tuple[Ids, Ids]:
        """Ids (B, L), and 1 where they count, (B, L)."""
        read = self._tokenizer.encode_batch(list(texts))
        ids = np.array([one.ids for one in read], dtype=np.int64).reshape(len(texts), -1)
        mask = np.array([one.attention_mask for one in read], dtype=np.int64).reshape(len(texts), -1)
        return ids, mask
