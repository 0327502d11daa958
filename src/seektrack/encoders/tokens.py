"""Words to tokens, by one thread at a time: a fast tokenizer keeps its settings in itself and refuses two."""

from __future__ import annotations

import threading
from typing import Any

_LOCK = threading.Lock()


def tokens_of(tokenizer: Any, texts: Any, **settings: Any) -> Any:
    """What a tokenizer makes of texts, whatever other threads ask of it meanwhile."""
    with _LOCK:
        return tokenizer(texts, **settings)
