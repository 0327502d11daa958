"""What the first bytes of a file say of its length: whether the end is missing."""

from __future__ import annotations

from pathlib import Path

import av

_SEGMENT = b"\x18\x53\x80\x67"
_LOOKED_AT = 4096


def cut_short(path: Path, container: av.container.InputContainer) -> bool:
    """Whether a file ends before its container says; False where the container does not tell.

    Matroska and WebM tell the length of their segment, AVI of its first chunk; MP4 and MOV list where each
    sample lies.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(_LOOKED_AT)
    except OSError:
        return False
    kind = container.format.name.split(",")[0]
    if kind == "matroska":
        end = _segment_end(head)
        return end is not None and end > size
    if kind == "avi":
        return head[:4] == b"RIFF" and int.from_bytes(head[4:8], "little") + 8 > size + 1
    if kind == "mov":
        return any(_last_byte(stream) > size for stream in container.streams)
    return False


def _segment_end(head: bytes) -> int | None:
    """Byte behind a Matroska segment, or None when it was written without knowing its length."""
    at = head.find(_SEGMENT)
    if at < 0 or at + 5 > len(head) or head[at + 4] == 0:
        return None
    length = 9 - head[at + 4].bit_length()
    bits = 7 * length
    value = int.from_bytes(head[at + 4 : at + 4 + length], "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else at + 4 + length + value


def _last_byte(stream: av.stream.Stream) -> int:
    entries = stream.index_entries
    last = entries[len(entries) - 1] if len(entries) else None
    return 0 if last is None else last.pos + last.size
