"""How a belief is told when the encoder was never shown pictures like those it is about.

A network answers for any picture, and as surely for those it knows nothing of. Where a frame lies outside the
domain its encoder learnt (`seektrack.encoders.domain`), how sure it is means nothing and is told as unknown.
"""

from __future__ import annotations

from typing import Literal, cast, get_args

from seektrack.errors import InputError

Known = Literal["inside", "outside", "unmeasured"]
"""Where a picture lies: in the encoder's domain, outside it, or not measured."""

UNKNOWN = "unknown"
WARNING = "the model was not shown pictures like these, so how sure it is cannot be known"


def read_known(value: object, where: str = "domain") -> Known:
    """A domain as a file holds it; nothing means unmeasured.

    Raises:
        InputError: It is something else.
    """
    if value is None:
        return "unmeasured"
    for known in get_args(Known):
        if value == known:
            return cast(Known, known)
    raise InputError(f"{where} must be inside, outside or unmeasured, got {value!r}")


def told(confidence: float, domain: Known) -> float | None:
    """A belief for a machine: None where it cannot be known."""
    return None if domain == "outside" else confidence


def shown(confidence: float, domain: Known) -> str:
    """A belief for a person, two decimals, or `UNKNOWN`."""
    return UNKNOWN if domain == "outside" else f"{confidence:.2f}"


def fields(domain: Known) -> dict[str, str]:
    """What JSON says of the domain: nothing where it was not measured, and a warning outside."""
    if domain == "unmeasured":
        return {}
    return {"domain": domain} | ({"warning": WARNING} if domain == "outside" else {})
