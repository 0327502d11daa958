"""SMPTE time codes: how editors name frames."""

from __future__ import annotations

import re
from fractions import Fraction

from seektrack.errors import InputError

_DROPPING = (Fraction(30000, 1001), Fraction(60000, 1001))
_CODE = re.compile(r"(\d{1,2}):(\d\d):(\d\d)([:;.,])(\d\d)")


def is_drop_frame(fps: Fraction) -> bool:
    """Whether time codes of this rate leave numbers out: 29.97 and 59.94."""
    return any(abs(fps - rate) < Fraction(1, 1000) for rate in _DROPPING)


def frame_number(time_s: float | Fraction, fps: Fraction) -> int:
    """The frame that begins nearest to a time, from 0 at constant rate."""
    return round(Fraction(time_s) * fps)


def timecode(frame: int, fps: Fraction) -> str:
    """``HH:MM:SS:FF`` of a frame from 0, ``HH:MM:SS;FF`` where numbers are left out; after 24 h from 0 again.

    At 29.97 frames a second the numbers 0 and 1 of each minute but every tenth are left out (SMPTE 12M), at
    59.94 the first four, so that the code stays with the clock.

    >>> timecode(1800, Fraction(30000, 1001)), timecode(1800, Fraction(30))
    ('00:01:00;02', '00:01:00:00')
    """
    nominal, left_out = _numbering(fps)
    minute, ten = 60 * nominal - left_out, 600 * nominal - 9 * left_out
    tens, rest = divmod(frame % (144 * ten), ten)
    if left_out and rest >= 60 * nominal:
        rest += left_out * ((rest - left_out) // minute)
    number = tens * 600 * nominal + rest if left_out else frame % (86400 * nominal)
    seconds, part = divmod(number, nominal)
    mark = ";" if left_out else ":"
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{part:02d}"


def frame_of(code: str, fps: Fraction) -> int:
    """The reverse of `timecode`.

    Raises:
        InputError: It is no time code, or one that is left out.
    """
    match = _CODE.fullmatch(code.strip())
    nominal, left_out = _numbering(fps)
    hours, minutes, seconds, _, part = match.groups() if match else ("0", "99", "99", "", "0")
    if int(minutes) > 59 or int(seconds) > 59 or int(part) >= nominal:
        raise InputError(f"no time code at {float(fps):g} frames a second: {code!r}", hint="HH:MM:SS:FF")
    if left_out and int(seconds) == 0 and int(minutes) % 10 and int(part) < left_out:
        raise InputError(f"the time code {code} is left out at {float(fps):g} frames a second")
    total = 60 * int(hours) + int(minutes)
    return (60 * total + int(seconds)) * nominal + int(part) - left_out * (total - total // 10)


def _numbering(fps: Fraction) -> tuple[int, int]:
    """Whole frames a second of the numbering, and how many numbers a minute leaves out."""
    if fps <= 0:
        raise InputError(f"frames a second must lie above 0, got {fps}")
    nominal = max(1, round(fps))
    return nominal, nominal // 15 if is_drop_frame(fps) else 0
