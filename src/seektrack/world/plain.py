"""Sample a plain scene: who is in it, how each one moves, what hides them, and how the camera moves.

Everything is decided here, from one seed; rendering only draws it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seektrack.world.palette import COLOURS
from seektrack.world.scene import Actor, Floats, Occluder, Scene, SceneSettings
from seektrack.world.shapes import ALL_CATEGORIES, FLYING, WIDE, random_thing


def _smooth(points: list[tuple[float, float]], t: Floats) -> Floats:
    """Piecewise-linear path through (frame, position) points."""
    frames, values = zip(*points, strict=True)
    return np.asarray(np.interp(t, frames, values), dtype=np.float64)


def path(rng: np.random.Generator, s: SceneSettings, reach: float, facing: int) -> tuple[Floats, str]:
    """Horizontal path (T,) in pixels and what kind it is; ``reach`` is the object's half-width."""
    t, w, n = np.arange(s.n_frames, dtype=np.float64), s.width, s.n_frames
    speed = float(np.exp(rng.uniform(*np.log(s.speed)))) * s.scale * facing
    start = rng.uniform(0.08, 0.92) * w
    kinds = ("still", "steady", "stop", "enter", "leave", "return")
    kind = str(rng.choice(kinds, p=(0.2, 0.4, 0.1, 0.12, 0.08, 0.1)))
    if n < 4 and kind in {"enter", "leave", "return"}:
        kind = "steady"
    behind, ahead = (-reach, w + reach) if facing > 0 else (w + reach, -reach)
    if kind == "still":
        return np.full(n, start), kind
    if kind == "stop":
        return start + speed * np.minimum(t, rng.integers(1, n + 1)), kind
    if kind == "enter":
        arrive = rng.uniform(0.15, 0.6) * n
        inside = rng.uniform(0.2, 0.8) * w
        return _smooth([(0, behind), (arrive * 0.5, behind), (n, inside)], t), kind
    if kind == "leave":
        return _smooth([(0, start), (rng.uniform(0.4, 0.9) * n, ahead), (n, ahead)], t), kind
    if kind == "return":
        out0, out1 = rng.uniform(0.25, 0.45) * n, rng.uniform(0.5, 0.7) * n
        edge = ahead if abs(ahead - start) < abs(behind - start) else behind
        back = rng.uniform(0.2, 0.8) * w
        return _smooth([(0, start), (out0, edge), (out1, edge), (n, back)], t), kind
    return start + speed * t, kind


def texture(rng: np.random.Generator) -> NDArray[np.float32]:
    """A surface pattern (64, 64) of mean about 1: shading, stripes, checks, spots or noise."""
    ys, xs = np.mgrid[0:64, 0:64] / 64.0
    out = 1.0 + 0.25 * (0.5 - ys) * rng.random()
    kind = rng.integers(5)
    strength = rng.uniform(0.08, 0.3)
    turn = rng.uniform(0, np.pi)
    along, across = xs * np.cos(turn) + ys * np.sin(turn), ys * np.cos(turn) - xs * np.sin(turn)
    period = rng.uniform(3, 12)
    if kind == 1:
        out = out + strength * np.sign(np.sin(along * period * 6.28))
    elif kind == 2:
        out = out + strength * np.sign(np.sin(along * period * 6.28) * np.sin(across * period * 6.28))
    elif kind == 3:
        out = out + strength * ((np.sin(along * period * 6.28) * np.sin(across * period * 6.28)) > 0.5)
    elif kind == 4:
        coarse = rng.normal(0, strength, (8, 8))
        out = out + np.kron(coarse, np.ones((8, 8)))
    return np.asarray(out, dtype=np.float32)


def _actor(
    rng: np.random.Generator, s: SceneSettings, obj_id: int, category: str | None, colour: str | None
) -> Actor:
    n, k = s.n_frames, s.scale
    draw = ALL_CATEGORIES[category] if category is not None else random_thing(rng)
    base = np.array(COLOURS[colour] if colour is not None else rng.uniform(20, 245, 3), dtype=np.float64)
    base = np.clip(base * rng.uniform(0.85, 1.12) + rng.normal(0, 9, 3), 8, 250)
    size = float(np.exp(rng.uniform(*np.log(s.half_heights)))) * k * (0.85 if category in WIDE else 1.0)
    facing = int(rng.choice([-1, 1]))
    reach = size * (2.3 if category in WIDE else 1.6)
    x, kind = path(rng, s, reach, facing)
    moving = kind != "still"
    t = np.arange(n, dtype=np.float64)
    flying = category in FLYING or category is None
    drift = rng.normal(0, 0.9 if flying else 0.25) * k * moving
    swing = rng.uniform(0, 6) * k * (category in FLYING or category in {"robot", "person"}) * moving
    omega, phase = rng.uniform(0.3, 1.0), rng.uniform(0, 2 * np.pi)
    y = rng.uniform(0.15, 0.9) * s.height + drift * t + swing * (np.sin(omega * t + phase) - np.sin(phase))
    growth = np.clip(np.exp(rng.normal(0, 0.012) * t), 0.5, 2.0)
    turns = category in {"ball"} or (category is None and rng.random() < 0.4)
    tilt = rng.normal(0, 0.08) + np.sin(t * 0.7 + phase) * rng.uniform(0, 0.08)
    travelled = float(x[-1] - x[0])
    direction = 0 if not moving or abs(travelled) < 0.03 * s.width else int(np.sign(travelled))
    return Actor(
        obj_id=obj_id,
        category=category,
        colour=colour,
        draw=draw,
        rgb=base,
        x=x,
        y=y,
        size=size * growth,
        angle=rng.normal(0, 0.12) * t if turns else tilt,
        facing=facing,
        direction=direction,
        phase=phase,
        phase_step=float(rng.uniform(0.4, 1.0) * moving),
        depth=float(y[0] + size if rng.random() < 0.7 else rng.uniform(0, s.height)),
        stretch=float(np.exp(rng.normal(0, 0.12))),
        texture=texture(rng) if rng.random() < s.texture else None,
    )


def occluder(rng: np.random.Generator, s: SceneSettings) -> Occluder:
    """A post, a tree or a wall."""
    k = s.scale
    kind = rng.choice(["post", "tree", "wall"], p=(0.3, 0.4, 0.3))
    radius = rng.uniform(18, 40) * k
    top = rng.uniform(0.2, 0.6) * s.height
    centre = np.array([rng.uniform(0, s.width), top])
    leaves = None
    if kind == "tree":
        centres = centre + rng.normal(0, 0.6, (7, 2)) * radius
        leaves = np.concatenate([centres, np.full((7, 1), radius * 0.72)], axis=1)
    return Occluder(
        x=float(centre[0]),
        width=float((rng.uniform(28, 80) if kind == "wall" else rng.uniform(5, 16)) * k),
        top=float(top if kind != "wall" else rng.uniform(0.0, 0.7) * s.height),
        depth=float(rng.uniform(0, 1.3) * s.height),
        rgb=rng.uniform((60, 55, 50), (150, 140, 130)),
        leaves=leaves,
        leaf_rgb=rng.uniform((40, 80, 40), (110, 140, 90)),
    )


def names(rng: np.random.Generator, s: SceneSettings) -> list[tuple[str, str]]:
    """(category, colour) of every named object; look-alike scenes share one or the other."""
    categories, colours = list(s.names), list(COLOURS)
    alike = rng.random() < s.look_alikes
    chosen = list(s.cast)
    for _ in range(int(rng.integers(s.actors[0], s.actors[1] + 1))):
        category, colour = str(rng.choice(categories)), str(rng.choice(colours))
        if alike and chosen:
            other = chosen[rng.integers(len(chosen))]
            category, colour = (other[0], colour) if rng.random() < 0.5 else (category, other[1])
        chosen.append((category, colour))
    return chosen


def camera(rng: np.random.Generator, s: SceneSettings, *, swift: float = 1.0) -> tuple[Floats, Floats]:
    """Pan (T, 2) in pixels, starting at 0, and zoom (T,), starting at 1; ``swift`` multiplies the pan."""
    n, k = s.n_frames, s.scale
    pan = rng.normal(0, 1.0, 2) * k * swift * (rng.random() < s.rough)
    shake = rng.uniform(0, 1.0) * k * (rng.random() < s.rough)
    path = np.cumsum(np.tile(pan, (n, 1)) + rng.normal(0, 1, (n, 2)) * shake, axis=0)
    limit = 0.3 * min(s.height, s.width)
    zoom = np.clip(np.exp(rng.normal(0, 0.005) * (rng.random() < s.rough * 0.7) * np.arange(n)), 0.8, 1.4)
    return np.clip(path - path[0], -limit, limit), zoom


def plain_scene(seed: int, s: SceneSettings) -> Scene:
    """A street, a patchwork, a gradient or waves, in daylight."""
    rng = np.random.default_rng(seed)
    pan, zoom = camera(rng, s)
    called: list[tuple[str | None, str | None]] = list(names(rng, s))
    called += [(None, None)] * int(rng.integers(s.things[0], s.things[1] + 1))
    actors = tuple(_actor(rng, s, i + 1, category, colour) for i, (category, colour) in enumerate(called))
    occluders = tuple(occluder(rng, s) for _ in range(int(rng.integers(0, s.occluders + 1))))
    return Scene(
        seed=seed,
        settings=s,
        actors=actors,
        occluders=occluders,
        camera=pan,
        zoom=zoom,
        gain=float(rng.uniform(0.75, 1.15)) if rng.random() < s.rough else 1.0,
        noise=float(rng.uniform(0, 9)) if rng.random() < s.rough else 1.0,
        blur=float(rng.uniform(0.4, 1.2)) if rng.random() < s.rough * 0.4 else 0.0,
    )
