"""Sample a rich or scan scene: a place in its light and weather, who is in it, and what the camera does.

About a third of the rich scenes are clean: a clear day, plain surfaces, a good camera. In the others every
disturbance has its chance.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seektrack.world.drawing import Drawing
from seektrack.world.nameless import nameless
from seektrack.world.palette import COLOURS, tones
from seektrack.world.plain import camera, names, occluder, path, texture
from seektrack.world.scene import Actor, Floats, Look, Occluder, Scene, Scenery, SceneSettings
from seektrack.world.setting import INDOORS, LIGHTS, PLACES, WEATHERS, Setting
from seektrack.world.shapes import ALL_CATEGORIES, FLYING

CLEAN = 0.35
"""Share of rich scenes without disturbances."""
MOST = 15
"""Named objects in the fullest crowd."""

_PLACES = tuple(p for p in PLACES if p != "scan")
_OFTEN = np.array([0.16, 0.12, 0.09, 0.09, 0.08, 0.12, 0.1, 0.1, 0.14])
_ALOFT = frozenset({*FLYING, "plane", "fish"})
_SWINGING = frozenset({*FLYING, "robot", "person", "fish", "horse", "snail"})


def scenery(rng: np.random.Generator, s: SceneSettings, mess: float) -> Scenery:
    """Place, light, weather and camera; ``mess`` 0 is a clear day, 1 the worst."""
    if s.style == "scan":
        return Scenery(
            Setting("scan"), 0.0, fall=float(rng.uniform(0.35, 0.9)), jpeg=int(rng.choice([0, 70, 90]))
        )
    place = "street" if s.street_only else str(rng.choice(_PLACES, p=_OFTEN))
    light, weather = "day", "clear"
    if rng.random() < (0.6 if mess else 0.1):
        light = str(rng.choice(LIGHTS[1:]))
    if place not in INDOORS and rng.random() < s.rough * mess * 1.2:
        weather = str(rng.choice(WEATHERS[1:]))

    def often(chance: float) -> bool:
        return bool(rng.random() < chance * s.rough * 2 * min(mess * 1.5, 1.0))

    return Scenery(
        setting=Setting(place, light, weather),
        horizon=float(rng.uniform(0.2, 0.5)),
        sun=(float(rng.uniform(-1.2, 1.2)), float(rng.uniform(0.15, 0.4) * rng.choice([-1, 1]))),
        shadows=float(rng.uniform(0.25, 0.6)) if rng.random() < 0.75 else 0.0,
        cast_shadows=bool(light == "day" and rng.random() < 0.5),
        parallax=float(rng.uniform(0.2, 0.8)) if rng.random() < 0.7 else 0.0,
        uneven=float(rng.uniform(0.15, 0.55)) if often(0.5) else 0.0,
        haze=float(rng.uniform(0.45, 0.85))
        if weather == "fog"
        else float(rng.uniform(0, 0.3))
        if often(0.3)
        else 0.0,
        fall=float(rng.uniform(0.2, 1.0)) if weather in ("rain", "snow") else 0.0,
        shutter=float(rng.uniform(0.2, 0.8)) if often(0.35) else 0.0,
        jpeg=int(rng.uniform(20, 92)) if often(0.6) else 0,
        gamma=float(np.exp(rng.normal(0, 0.22))) if often(0.5) else 1.0,
        flicker=float(rng.uniform(0.02, 0.1)) if often(0.2) else 0.0,
    )


def _extent(draw: Drawing) -> tuple[float, float]:
    """Half-width and half-height of a drawing around its origin."""
    corners = np.concatenate([polygon for _, polygon in draw(0.0)])
    return float(np.abs(corners[:, 0]).max()), float(np.ptp(corners[:, 1])) / 2


def _look(
    rng: np.random.Generator, s: SceneSettings, base: Floats, mess: float, *, named: bool, outline: bool
) -> Look:
    fills = tones(base)
    if named:
        skin = rng.uniform(0.35, 1.1) * np.array(fills["S"])
        fills["S"] = (float(skin[0]), float(skin[1]), float(skin[2]))
    dark = rng.uniform(0.45, 0.8)
    fills["D"] = (float(base[0] * dark), float(base[1] * dark), float(base[2] * dark))
    if s.style == "scan":
        for role, rgb in fills.items():
            grey = 0.5 * float(base.mean()) + 0.5 * float(np.mean(rgb))
            fills[role] = (grey, grey, grey)
    glass = rng.random() < 0.1 * (mess > 0)
    wobbles = rng.random() < (0.4 if not named else 0.2) * (mess > 0)
    painted = not named and s.style == "rich" and rng.random() < 0.75
    return Look(
        fills=fills,
        seed=int(rng.integers(1 << 31)),
        paint=float(rng.uniform(0.4, 1.0)) if painted else 0.0,
        shading=float(rng.uniform(0.1, 0.7)) if rng.random() < 0.6 else 0.0,
        gloss=float(rng.uniform(0.2, 0.9)) if rng.random() < 0.3 else 0.0,
        outline=outline,
        rim=bool(rng.random() < 0.15),
        alpha=float(rng.uniform(0.5, 0.8)) if glass else 1.0,
        warp=float(rng.uniform(0.03, 0.12)) if wobbles else 0.0,
        warp_step=float(rng.uniform(0.15, 0.8)),
    )


def _height(
    rng: np.random.Generator, s: SceneSettings, around: Scenery, half: float, *, aloft: bool
) -> float:
    """Where an object's middle is, pixels from the top: on the ground, mostly, unless it flies."""
    if aloft or rng.random() < 0.25:
        return float(rng.uniform(0.1, 0.85) * s.height)
    low = max(around.horizon * s.height, half)
    return float(rng.uniform(low, max(low + 1, 1.02 * s.height)) - half)


def _actor(
    rng: np.random.Generator,
    s: SceneSettings,
    around: Scenery,
    mess: float,
    obj_id: int,
    name: tuple[str | None, str | None],
    *,
    outline: bool,
    twin: Actor | None,
) -> Actor:
    category, colour = name
    k, t = s.scale, np.arange(s.n_frames, dtype=np.float64)
    draw = ALL_CATEGORIES[category] if category is not None else twin.draw if twin else nameless(rng)
    if s.style == "scan":
        base, colour = np.full(3, rng.uniform(85, 200)), None
    elif colour is not None:
        base = np.clip(np.array(COLOURS[colour]) * rng.uniform(0.85, 1.1) + rng.normal(0, 8, 3), 8, 250)
    else:
        base = rng.uniform(10, 250, 3)
    wide, tall = _extent(draw)
    smallest, largest = s.half_heights
    half = float(np.exp(rng.uniform(np.log(smallest), np.log(largest)))) * k
    stretch = float(np.exp(rng.normal(0, 0.14)))
    half = max(min(half, 0.5 * s.width * tall / (wide * stretch)), smallest * k)
    reach = half / tall * wide * stretch + 2
    facing = int(rng.choice([-1, 1]))
    fast = replace(s, speed=(s.speed[0] * 2.5, s.speed[1] * 2.5)) if rng.random() < 0.15 else s
    x, kind = path(rng, fast, reach, facing)
    moving = kind != "still"
    aloft = category in _ALOFT or category is None
    drift = rng.normal(0, 1.2 if aloft else 0.25) * k * moving
    swing = rng.uniform(0, 6 if category else 14) * k * (category in _SWINGING or category is None) * moving
    omega, phase = rng.uniform(0.3, 1.0), rng.uniform(0, 2 * np.pi)
    y = (
        _height(rng, s, around, half, aloft=aloft)
        + drift * t
        + swing * (np.sin(omega * t + phase) - np.sin(phase))
    )
    growth = np.exp(rng.normal(0, 0.05 if rng.random() < 0.15 else 0.01) * t)
    halves = np.clip(half * np.clip(growth, 0.5, 2.0), smallest * k, max(half, largest * k))
    turns = category == "ball" or (category is None and rng.random() < 0.5)
    tilt = rng.normal(0, 0.06 + 0.15 * mess * (rng.random() < 0.4)) + np.sin(t * 0.7 + phase) * rng.uniform(
        0, 0.08
    )
    travelled = float(x[-1] - x[0])
    look = _look(rng, s, base, mess, named=category is not None, outline=outline)
    patterned = rng.random() < s.texture * (1.0 if mess else 0.4)
    surface = texture(rng) if patterned else None
    bottom = float(y[0]) + half
    return Actor(
        obj_id=obj_id,
        category=category,
        colour=colour,
        draw=draw,
        rgb=base,
        x=x,
        y=y,
        size=halves / tall,
        angle=rng.uniform(0, 6.28) + rng.normal(0, 0.15) * t if turns else tilt,
        facing=facing,
        direction=0 if not moving or abs(travelled) < 0.03 * s.width else int(np.sign(travelled)),
        phase=float(phase),
        phase_step=float(rng.uniform(0.4, 1.0) * moving),
        depth=bottom if rng.random() < 0.75 else float(rng.uniform(0.2, 1.1) * s.height),
        stretch=stretch,
        texture=surface,
        look=twin.look if twin and category is None else look,
    )


def _cover(rng: np.random.Generator, s: SceneSettings) -> Occluder:
    """A plain scene's post, tree or wall, a fence, or tinted glass."""
    solid, kind = occluder(rng, s), rng.random()
    if kind < 0.6:
        return replace(solid, rgb=rng.uniform(30, 210, 3), leaf_rgb=rng.uniform(30, 190, 3) * (0.8, 1.0, 0.7))
    width = float(rng.uniform(50, 200) * s.scale)
    if kind < 0.8:
        return replace(
            solid, width=width, leaves=None, bars=int(rng.integers(4, 12)), rgb=rng.uniform(20, 230, 3)
        )
    top, tint = rng.uniform(0, 0.6) * s.height, rng.uniform(20, 255, 3)
    alpha = float(rng.uniform(0.2, 0.5))
    return replace(solid, width=width, top=float(top), leaves=None, alpha=alpha, rgb=tint)


def _hide(rng: np.random.Generator, s: SceneSettings, actors: tuple[Actor, ...]) -> list[Occluder]:
    """A wall that some mover passes behind and is wholly hidden by."""
    movers = [a for a in actors if a.direction and a.size.max() * _extent(a.draw)[0] < 0.14 * s.width]
    if not movers:
        return []
    a = movers[int(rng.integers(len(movers)))]
    t = int(rng.integers(s.n_frames // 3, max(s.n_frames // 3 + 1, 2 * s.n_frames // 3)))
    width = 2.4 * float(a.size[t]) * a.stretch * _extent(a.draw)[0] + 4 * s.scale
    top = float(a.y[t] - 1.6 * a.size[t] - rng.uniform(0, 0.3) * s.height)
    wall = replace(occluder(rng, s), x=float(a.x[t]), top=top, width=width, depth=a.depth + 1.0)
    return [replace(wall, leaves=None, rgb=rng.uniform(30, 210, 3))]


def rich_scene(seed: int, s: SceneSettings) -> Scene:
    """A scene of style ``rich`` or ``scan``."""
    rng = np.random.default_rng(seed)
    mess = 0.0 if rng.random() < CLEAN else float(rng.uniform(0.3, 1.0))
    around = scenery(rng, s, mess)
    pan, zoom = camera(rng, s, swift=1.0 + 2.0 * mess)
    if s.actors[1] > 0 and rng.random() < s.crowds:
        room = max(1, MOST - len(s.cast))
        smaller = (s.half_heights[0], max(s.half_heights[0], 0.5 * s.half_heights[1]))
        s_names = replace(s, actors=(min(7, room), room), object_size=smaller)
    else:
        s_names = s
    called: list[tuple[str | None, str | None]] = list(names(rng, s_names))
    called += [(None, None)] * int(rng.integers(s.things[0], s.things[1] + 1))
    outline, twins = bool(rng.random() < 0.2), bool(rng.random() < s.look_alikes)
    cast: list[Actor] = []
    for i, name in enumerate(called):
        twin = cast[-1] if twins and cast and cast[-1].category is None else None
        cast.append(_actor(rng, s_names, around, mess, i + 1, name, outline=outline, twin=twin))
    actors = tuple(cast)
    covers: list[Occluder] = []
    if s.style == "rich":
        most = s.occluders if mess else min(s.occluders, 1)
        covers = [_cover(rng, s) for _ in range(int(rng.integers(0, most + 1)))]
        if s.occluders and rng.random() < 0.25:
            covers += _hide(rng, s, actors)
    worn = mess > 0 and rng.random() < s.rough
    return Scene(
        seed=seed,
        settings=s,
        actors=actors,
        occluders=tuple(covers),
        camera=pan,
        zoom=zoom,
        gain=float(rng.uniform(0.75 if around.setting.light == "day" else 0.95, 1.2)) if worn else 1.0,
        noise=float(rng.uniform(2, 12)) * s.rough * 2 * mess if rng.random() < 0.7 else 1.0,
        blur=float(rng.uniform(0.4, 1.8)) * s.scale if mess > 0 and rng.random() < s.rough * 0.4 else 0.0,
        scenery=around,
    )
