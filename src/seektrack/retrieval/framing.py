"""What people say around a query to be polite or complete: ``show me where there is a red car, please``.

An encoder takes every word for something to see, so these are left out, at the beginning and at the end only
and as long as something remains. ``a photo of`` and the like stay: encoders learnt from such captions.
"""

from __future__ import annotations

import re

_FILM = r"(?:videos?|clips?|films?|footage|moments?|parts?|scenes?)"
_NEXT = r"(?=\ (?:an?|the|some|any|all|my|our|every|one|two|three)\b)"
_OF_FILM = rf"""
(?:all|any|every|the|an?|some)?\ ?(?:of\ the\ )?{_FILM}(?:\ (?:of|in|from)\ (?:the|an?|my)\ {_FILM})?
\ (?:of|with|where|showing|in\ which|that\ shows?|when)\b
"""
_LEADING = rf"""
(?:hi|hello|hey|ok|okay|um+|uh+|please|kindly)\b | (?:can|could|would|will)\ (?:you|i)\b |
i\ (?:want|need|would\ like|wish)(?:\ to)?\b | i'd\ like(?:\ to)?\b |
(?:(?:i\ am|i'm|we\ are|we're)\ )?(?:looking|searching)\ for\b | (?:search|look)\ for\b |
(?:show|find|get|give|bring)\ (?:me|us)\b | (?:show|find|get|see|seek|locate|watch){_NEXT} |
{_OF_FILM} | (?:where|when|if|that)\ (?:is|are|there\ (?:is|are)|(?:i|you)\ (?:can\ )?see)\b |
there\ (?:is|are)\b |
zeig(?:e)?\ (?:mir|uns)\b | suche\ nach\b | ich\ (?:suche|möchte|will)\b | wo\ ist\b | bitte\b |
montre(?:z)?-(?:moi|nous)\b | je\ cherche\b | où\ est\b | muéstrame\b | busco\b | dónde\ está\b
"""
_TRAILING = rf"""
please | thanks | thank\ you | bitte | danke | s'il\ (?:vous|te)\ plaît | merci | por\ favor | gracias |
somewhere(?:\ in\ it)? | anywhere | is\ (?:seen|shown|visible) | can\ be\ seen |
in\ (?:it|(?:the|a|my|this)\ (?:picture|image|frame|{_FILM}))
"""
_BEFORE = re.compile(rf"^\s*(?:{_LEADING})\s*,?\s*", re.IGNORECASE | re.VERBOSE)
_AFTER = re.compile(rf"[\s,]+(?:{_TRAILING})[\s.!?]*$", re.IGNORECASE | re.VERBOSE)


def unframed(text: str) -> str:
    """A query without what is said around it.

    >>> unframed("Could you please show me where there is a red car, thanks!")
    'a red car'
    >>> unframed("a photo of a red car")
    'a photo of a red car'
    """
    for pattern in (_BEFORE, _AFTER):
        while True:
            rest = pattern.sub("", text, count=1)
            if rest == text or rest.startswith("-") or not any(c.isalnum() for c in rest):
                break
            text = rest
    return text
