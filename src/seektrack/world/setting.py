"""Where and in what light and weather a scene plays, in words a caption can use."""

from __future__ import annotations

from dataclasses import dataclass

from seektrack.errors import InputError

MIN_PIXELS = 20
"""Fewer visible pixels than this do not count as seen."""

PLACES = ("street", "meadow", "beach", "water", "snow field", "room", "table", "studio", "pattern", "scan")
"""``pattern`` is a backdrop of pure texture; ``scan`` the grey medical-like picture of that style."""

LIGHTS = ("day", "dusk", "night")

WEATHERS = ("clear", "rain", "snow", "fog")

INDOORS = frozenset({"room", "table", "studio", "pattern", "scan"})
"""Places without weather; their light still changes."""


@dataclass(frozen=True)
class Setting:
    """Place, light and weather of a scene.

    Attributes:
        place: One of :data:`PLACES`.
        light: One of :data:`LIGHTS`.
        weather: One of :data:`WEATHERS`; always ``clear`` indoors.
    """

    place: str
    light: str = "day"
    weather: str = "clear"

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("place", self.place, PLACES),
            ("light", self.light, LIGHTS),
            ("weather", self.weather, WEATHERS),
        ):
            if value not in allowed:
                raise InputError(f"a scene has no {name} {value!r}", hint=f"{name}: {', '.join(allowed)}")
