"""A scene: who is in it, how each one moves, what hides them, and how the camera moves.

Everything is decided here, from one seed; rendering only draws it. Positions are pixels of a still
camera's picture, per frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import check_size
from seektrack.limits import Limits
from seektrack.world.drawing import Drawing
from seektrack.world.everyday import EVERYDAY
from seektrack.world.palette import COLOURS
from seektrack.world.setting import Setting
from seektrack.world.shapes import ALL_CATEGORIES, CATEGORIES

Floats = NDArray[np.float64]

STYLES = ("plain", "rich", "scan")


@dataclass(frozen=True, kw_only=True)
class SceneSettings:
    """What kind of scene to sample.

    Attributes:
        style: ``plain`` streets and patchworks in daylight; ``rich`` places, light, weather, shadows and
            cameras of every kind; ``scan`` grey pictures like an ultrasound's.
        categories: What named objects may be. None: the twelve of ``CATEGORIES``, and in rich scenes also
            ``EVERYDAY``; ``HELD_OUT`` only when asked for.
        height, width: Of the picture in pixels; objects scale with the smaller one over 256.
        n_frames: Frames in the clip.
        cast: ``(category, colour)`` of objects that must be in the scene, before any others.
        actors: Fewest and most named objects beside the cast.
        things: Fewest and most nameless objects, which no caption mentions.
        occluders: Most posts, trees and walls in front.
        look_alikes: Chance that a scene repeats categories and colours on purpose.
        object_size: Smallest and largest half-height of an object, in 256ths of the picture. None: 11 to 56,
            in rich scenes 4 to 64, in scans 8 to 64.
        speed: Slowest and fastest, in 256ths of the picture per frame.
        street_only: Only street backgrounds, for the demo.
        texture: Chance that an object's surface carries a pattern.
        rough: Chance of each: noise, blur, gain change, camera pan, shake, zoom, and in rich
            scenes JPEG compression, motion blur, flicker and weather.
        crowds: Chance that a rich or scan scene has up to 15 named objects instead of ``actors``.
    """

    style: str = "plain"
    categories: tuple[str, ...] | None = None
    height: int = 256
    width: int = 256
    n_frames: int = 24
    cast: tuple[tuple[str, str], ...] = ()
    actors: tuple[int, int] = (1, 6)
    things: tuple[int, int] = (0, 0)
    occluders: int = 3
    look_alikes: float = 0.35
    object_size: tuple[float, float] | None = None
    speed: tuple[float, float] = (0.5, 5.0)
    street_only: bool = False
    texture: float = 0.3
    rough: float = 0.5
    crowds: float = 0.1

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 64 or self.n_frames < 1:
            raise InputError(
                "a scene needs at least 64x64 pixels and one frame,"
                f" got {self.width}x{self.height} and {self.n_frames}",
                hint="pass height, width >= 64 and n_frames >= 1",
            )
        check_size((self.height, self.width))
        pixels, most = self.height * self.width * self.n_frames, Limits.current().max_volume
        if pixels > most:
            raise InputError(
                f"a scene of {self.n_frames} frames of {self.width}x{self.height} has {pixels} pixels",
                hint=f"at most {most} are held in memory: make more scenes, or smaller ones",
            )
        if self.style not in STYLES:
            raise InputError(f"no style {self.style!r} of scenes", hint=f"styles: {', '.join(STYLES)}")
        unknown = sorted(set(self.categories or ()) - set(ALL_CATEGORIES))
        if unknown or self.categories == ():
            raise InputError(
                f"the world cannot draw {', '.join(unknown) or 'no category at all'}",
                hint=f"categories: {', '.join(ALL_CATEGORIES)}",
            )
        for category, colour in self.cast:
            if category not in ALL_CATEGORIES or colour not in COLOURS:
                raise InputError(
                    f"the world has no {colour} {category}",
                    hint=f"categories: {', '.join(ALL_CATEGORIES)}; colours: {', '.join(COLOURS)}",
                )

    @property
    def scale(self) -> float:
        """The smaller side over 256."""
        return min(self.height, self.width) / 256

    @property
    def names(self) -> tuple[str, ...]:
        """Categories that named objects are drawn from."""
        if self.categories is not None:
            return self.categories
        return (*CATEGORIES, *EVERYDAY) if self.style == "rich" else tuple(CATEGORIES)

    @property
    def half_heights(self) -> tuple[float, float]:
        """Smallest and largest half-height of an object, in 256ths of the picture."""
        default = {"plain": (11.0, 56.0), "rich": (4.0, 64.0), "scan": (8.0, 64.0)}
        return self.object_size or default[self.style]


@dataclass(frozen=True, eq=False)
class Look:
    """How the surface of an object in a rich scene looks.

    Attributes:
        fills: Colour of every part role, see :func:`seektrack.world.palette.tones`.
        seed: Of the pattern painted on it.
        paint: Share of a painted pattern over the fills, 0 for none.
        shading: How much the light models its roundness, 0 flat to 1.
        gloss: Strength of a highlight, 0 to 1.
        outline, rim: Draw a dark outline, a lit edge on the side of the light.
        alpha: Opacity.
        warp: Amplitude of a smooth wobble of its outline in units of its half-height, 0 for none.
        warp_step: Phase of the wobble per frame, radians.
    """

    fills: dict[str, tuple[float, float, float]]
    seed: int
    paint: float = 0.0
    shading: float = 0.0
    gloss: float = 0.0
    outline: bool = False
    rim: bool = False
    alpha: float = 1.0
    warp: float = 0.0
    warp_step: float = 0.0


@dataclass(frozen=True, eq=False)
class Scenery:
    """What surrounds the objects of a rich scene and what the camera makes of it.

    Attributes:
        setting: Place, light and weather.
        horizon: Where the ground begins, in heights of the picture from its top.
        sun: Direction shadows fall to, x and y in object heights.
        shadows: Darkness of shadows, 0 for none.
        cast_shadows: Skewed silhouettes instead of soft spots under the objects.
        parallax: How much nearer things move more than farther ones when the camera pans, 0 for none.
        uneven: Contrast of an uneven illumination over the picture.
        haze: Share of fog at the horizon.
        fall: Share of the picture rain or snow covers.
        shutter: Share of a frame's time the shutter is open: motion blur.
        jpeg: Quality of the compression, 0 for none.
        gamma: Of the sensor.
        flicker: Relative deviation of the brightness from frame to frame.
    """

    setting: Setting
    horizon: float
    sun: tuple[float, float] = (0.4, 0.0)
    shadows: float = 0.0
    cast_shadows: bool = False
    parallax: float = 0.0
    uneven: float = 0.0
    haze: float = 0.0
    fall: float = 0.0
    shutter: float = 0.0
    jpeg: int = 0
    gamma: float = 1.0
    flicker: float = 0.0


@dataclass(frozen=True, eq=False)
class Actor:
    """One object of a scene.

    Attributes:
        obj_id: 1-based; its value in the id picture.
        category, colour: Its name; both None for a nameless thing.
        draw: Its drawing at an animation phase.
        rgb: Body colour, float (3,).
        x, y, size, angle: Centre in pixels, half-height in pixels, radians; each (T,).
        facing: 1 right, -1 left.
        direction: 1 moving right, -1 left, 0 standing still.
        phase, phase_step: Animation phase at the first frame, and per frame.
        depth: Larger is nearer.
        stretch: Horizontal over vertical scale.
        texture: float (64, 64) multiplied onto its surface, or None.
        look: Its surface in a rich or scan scene; None in a plain one.
    """

    obj_id: int
    category: str | None
    colour: str | None
    draw: Drawing
    rgb: Floats
    x: Floats
    y: Floats
    size: Floats
    angle: Floats
    facing: int
    direction: int
    phase: float
    phase_step: float
    depth: float
    stretch: float
    texture: NDArray[np.float32] | None
    look: Look | None = None


@dataclass(frozen=True, eq=False)
class Occluder:
    """Something in front that has no identity: a post, a tree, a wall, a fence or tinted glass.

    Attributes:
        x, top: Middle and upper end, pixels of a still camera's picture.
        width: Pixels.
        depth: Larger is nearer.
        rgb: Colour, float (3,).
        leaves: Circles (K, 3) of x, y, radius, or None.
        leaf_rgb: Their colour.
        alpha: Opacity; what can be seen through it keeps its identity.
        bars: Posts of a fence, spread over ``width``; 1 is one solid piece.
    """

    x: float
    width: float
    top: float
    depth: float
    rgb: Floats
    leaves: Floats | None
    leaf_rgb: Floats
    alpha: float = 1.0
    bars: int = 1


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a clip shows.

    Attributes:
        seed, settings: What it was sampled from.
        actors, occluders: In no order; depth decides who covers whom.
        camera: Pan in pixels (T, 2).
        zoom: Per frame (T,).
        gain, noise, blur: Exposure factor, noise amplitude in grey levels, blur sigma in pixels.
        scenery: Surroundings of a rich or scan scene; None in a plain one.
    """

    seed: int
    settings: SceneSettings
    actors: tuple[Actor, ...]
    occluders: tuple[Occluder, ...]
    camera: Floats
    zoom: Floats
    gain: float
    noise: float
    blur: float
    scenery: Scenery | None = None

    @property
    def setting(self) -> Setting | None:
        """Place, light and weather; None in a plain scene."""
        return self.scenery.setting if self.scenery is not None else None

    @property
    def margin(self) -> int:
        """Background pixels around the picture that the camera comes to see."""
        widest = min(self.settings.height, self.settings.width) / 2 * (1 / float(self.zoom.min()) - 1)
        return int(np.abs(self.camera).max() + max(widest, 0.0)) + 4
