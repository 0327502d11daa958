"""How each condition is staged from a plain scene, and how its truth is checked to bear it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seektrack.world.captions import noun
from seektrack.world.palette import COLOURS
from seektrack.world.plain import occluder
from seektrack.world.sampling import sample_scene
from seektrack.world.scene import Actor, Floats, Scene, SceneSettings
from seektrack.world.setting import MIN_PIXELS
from seektrack.world.shapes import CATEGORIES
from seektrack.world.sights import MAIN, Sights, Staged, runs

_HIDDEN = 0.1
"""Share of an object that shows, below which it counts as hidden."""


def _settings(n_frames: int, side: int, name: tuple[str, str], **changes: object) -> SceneSettings:
    basic = SceneSettings(
        height=side,
        width=side,
        n_frames=n_frames,
        cast=(name,),
        actors=(0, 2),
        occluders=0,
        look_alikes=0.0,
        object_size=(16.0, 34.0),
        rough=0.0,
    )
    return replace(basic, **changes)  # type: ignore[arg-type]  # names of fields


def _name(rng: np.random.Generator) -> tuple[str, str]:
    return str(rng.choice(list(CATEGORIES))), str(rng.choice(list(COLOURS)))


def _one_shot(condition: str, scene: Scene) -> Staged:
    main = scene.actors[MAIN - 1]
    numbers = tuple(actor.obj_id for actor in scene.actors)
    return Staged(condition, scene.seed, noun(main.colour, main.category), (scene,), (numbers,))


def _half_width(actor: Actor) -> float:
    """Half the width of an object as drawn, at its largest."""
    corners = np.concatenate([polygon for _, polygon in actor.draw(actor.phase)])
    return float(np.abs(corners[:, 0]).max() * actor.size.max() * actor.stretch)


def _on_path(actor: Actor, x: Floats, y: Floats, *, turn: bool = True) -> Actor:
    """The object on a path (T,), facing where it goes at first."""
    travelled = float(x[-1] - x[0])
    first = np.diff(x)[np.abs(np.diff(x)) > 1e-6]
    facing = int(np.sign(first[0])) if turn and len(first) else actor.facing
    direction = int(np.sign(travelled)) if abs(travelled) > 0.03 * len(x) else 0
    return replace(actor, x=x, y=y, facing=facing, direction=direction)


def _with_main(scene: Scene, main: Actor, *others: Actor) -> Scene:
    changed = {actor.obj_id: actor for actor in (main, *others)}
    return replace(scene, actors=tuple(changed.get(a.obj_id, a) for a in scene.actors))


def _walk(rng: np.random.Generator, n: int, side: int) -> tuple[Floats, Floats]:
    """A gentle way across the picture, (T,) and (T,)."""
    t = np.linspace(0, 1, n)
    ends = np.array([rng.uniform(0.18, 0.35), rng.uniform(0.65, 0.82)]) * side
    if rng.random() < 0.5:
        ends = ends[::-1]
    height = rng.uniform(0.3, 0.7) * side
    sway = rng.uniform(0, 0.06) * side * np.sin(t * rng.uniform(2, 8))
    return ends[0] + (ends[1] - ends[0]) * t, height + sway


def _plain(rng: np.random.Generator, seed: int, n: int, side: int) -> Staged:
    scene = sample_scene(seed, _settings(n, side, _name(rng)))
    main = _on_path(scene.actors[0], *_walk(rng, n, side))
    return _one_shot("plain", _with_main(scene, main))


def _moving_camera(rng: np.random.Generator, seed: int, n: int, side: int) -> Staged:
    scene = sample_scene(seed, _settings(n, side, _name(rng)))
    t = np.arange(n)
    swing = rng.uniform(0.2, 0.3) * side * np.sin(t * rng.uniform(0.08, 0.16) + rng.uniform(0, 6))
    rise = rng.uniform(0.05, 0.12) * side * np.sin(t * rng.uniform(0.05, 0.12))
    camera = np.stack([swing, rise], axis=1) + rng.normal(0, 0.8, (n, 2)) * side / 256
    camera = camera - camera[0]
    x, y = _walk(rng, n, side)
    share = rng.uniform(0.5, 0.8)  # how far the object goes along with the camera
    main = _on_path(scene.actors[0], x + share * camera[:, 0], y + share * camera[:, 1])
    return _one_shot("moving-camera", replace(_with_main(scene, main), camera=camera))


def _crowded(rng: np.random.Generator, seed: int, n: int, side: int) -> Staged:
    crowd = _settings(n, side, _name(rng), actors=(9, 12), object_size=(11.0, 24.0), look_alikes=0.35)
    scene = sample_scene(seed, crowd)
    main = _on_path(scene.actors[0], *_walk(rng, n, side))
    return _one_shot("crowded", _with_main(scene, main))


def _occluded(rng: np.random.Generator, seed: int, n: int, side: int) -> Staged:
    settings = _settings(n, side, _name(rng), object_size=(14.0, 26.0))
    scene = sample_scene(seed, settings)
    x, y = _walk(rng, n, side)
    main = _on_path(scene.actors[0], x, y)
    half, speed = _half_width(main), abs(float(x[1] - x[0]))
    wall = occluder(rng, settings)
    hidden = rng.uniform(7, 14)
    wall = replace(
        wall,
        x=float(side * rng.uniform(0.45, 0.55)),
        top=float(max(0.0, y.min() - 3 * main.size.max())),
        width=2 * half + hidden * speed,
        depth=side * 9.0,
        leaves=None,
    )
    return _one_shot("occluded", replace(_with_main(scene, main), occluders=(wall,)))


def _returning(rng: np.random.Generator, seed: int, n: int, side: int) -> Staged:
    scene = sample_scene(seed, _settings(n, side, _name(rng)))
    reach = _half_width(scene.actors[0]) + 6
    out, back = rng.uniform(0.25, 0.35) * n, rng.uniform(0.5, 0.62) * n
    left = rng.random() < 0.5
    edges = np.array([-reach, side + reach])
    gone = edges[0 if left else 1]
    entry = gone if rng.random() < 0.7 else edges[1 if left else 0]
    inside = rng.uniform(0.35, 0.65, 2) * side
    points = [(0, inside[0]), (out, gone), (0.5 * (out + back), gone)]
    points += [(0.5 * (out + back) + 0.01, entry), (back, entry), (n - 1, inside[1])]
    at, where = zip(*points, strict=True)
    x = np.interp(np.arange(n), at, where)
    y = np.full(n, rng.uniform(0.3, 0.7) * side)
    return _one_shot("returning", _with_main(scene, _on_path(scene.actors[0], x, y)))


def _fast(rng: np.random.Generator, seed: int, n: int, side: int) -> Staged:
    scene = sample_scene(seed, _settings(n, side, _name(rng), object_size=(13.0, 24.0)))
    half = _half_width(scene.actors[0])
    low, high = half + 2, side - half - 2
    if high - low < 4 * half:
        return _one_shot("fast", scene)
    speed = rng.uniform(0.45, 0.7) * 2 * half
    way = np.abs((np.arange(n) * speed + rng.uniform(0, high - low)) % (2 * (high - low)) - (high - low))
    y = side * (rng.uniform(0.35, 0.65) + 0.12 * np.sin(np.arange(n) * rng.uniform(0.2, 0.4)))
    return _one_shot("fast", _with_main(scene, _on_path(scene.actors[0], low + way, y)))


def _look_alikes(rng: np.random.Generator, seed: int, n: int, side: int) -> Staged:
    name = _name(rng)
    scene = sample_scene(seed, _settings(n, side, name, cast=(name, name), object_size=(16.0, 28.0)))
    one = scene.actors[0]
    one = replace(one, size=np.full(n, float(one.size[0])))
    t = np.linspace(0, 1, n)
    ends = np.array([rng.uniform(0.12, 0.2), rng.uniform(0.8, 0.88)]) * side
    height = rng.uniform(0.4, 0.6) * side
    apart = rng.uniform(0.1, 0.6) * float(one.size.max())
    bump = np.sin(t * rng.uniform(2, 5)) * 0.02 * side
    same_way = bool(rng.random() < 0.5)
    first = _on_path(one, ends[0] + (ends[1] - ends[0]) * t, height + bump)
    second = _on_path(one, ends[1] + (ends[0] - ends[1]) * t, height + apart - bump, turn=not same_way)
    near, far = (2.0, 1.0) if rng.random() < 0.5 else (1.0, 2.0)
    first = replace(first, obj_id=1, depth=near * side)
    second = replace(second, obj_id=2, depth=far * side)
    return _one_shot("look-alikes", _with_main(scene, first, second))


def _cuts(rng: np.random.Generator, seed: int, n: int, side: int) -> Staged | None:
    name, other = _name(rng), _name(rng)
    if name[0] == other[0] or name[1] == other[1]:
        return None
    lengths = [n // 3, n // 3, n - 2 * (n // 3)]
    casts = [name, other, name]
    shots: list[Scene] = []
    numbers: list[tuple[int, ...]] = []
    next_number = 2
    for k, (length, cast) in enumerate(zip(lengths, casts, strict=True)):
        scene = sample_scene(seed + k * 20_000_000, _settings(length, side, cast))
        main = scene.actors[0] if k < 2 else replace(shots[0].actors[0], size=shots[0].actors[0].size[:1])
        x, y = _walk(rng, length, side)
        if k == 1:  # the stranger begins where the main object was
            x, y = x - x[0] + shots[0].actors[0].x[-1], y - y[0] + shots[0].actors[0].y[-1]
            x = np.clip(x, 0.15 * side, 0.85 * side)
        main = _on_path(replace(main, size=np.full(length, float(main.size[0]))), x, y)
        scene = _with_main(scene, main)
        shots.append(scene)
        here = []
        for actor in scene.actors:
            is_main = k != 1 and actor.obj_id == MAIN
            here.append(MAIN if is_main else next_number)
            next_number += not is_main
        numbers.append(tuple(here))
    return Staged("cuts", seed, noun(name[1], name[0]), tuple(shots), tuple(numbers))


def _gap(absent: NDArray[np.bool_], clear: NDArray[np.bool_], frames: int) -> bool:
    """Whether there is a stretch of absence with clear sights on both sides."""
    return any(b - a >= frames and clear[:a].sum() >= 10 and clear[b:].sum() >= 10 for a, b in runs(absent))


def _in_sight(s: Sights, share: float) -> bool:
    return bool(s.clear(MAIN).mean() >= share)


def _is_moving_camera(staged: Staged, s: Sights) -> bool:
    return bool(np.ptp(staged.shots[0].camera, axis=0).max() >= 0.25 * staged.hw[1] and _in_sight(s, 0.7))


def _is_crowded(staged: Staged, s: Sights) -> bool:
    covered = ((s.visibility < 0.9) & (s.area >= MIN_PIXELS)).any(axis=1)
    return bool(
        (s.area >= MIN_PIXELS).sum(axis=1).mean() >= 7 and covered.mean() >= 0.3 and _in_sight(s, 0.5)
    )


def _is_occluded(staged: Staged, s: Sights) -> bool:
    hidden = (s.full[:, MAIN - 1] > 0) & (s.visibility[:, MAIN - 1] < _HIDDEN)
    return _gap(hidden, s.clear(MAIN), 4)


def _is_returning(staged: Staged, s: Sights) -> bool:
    return _gap(s.full[:, MAIN - 1] == 0, s.clear(MAIN), 10)


def _is_fast(staged: Staged, s: Sights) -> bool:
    moved = np.linalg.norm(np.diff(s.centres[:, MAIN - 1], axis=0), axis=1)
    share = moved / np.maximum(s.widths[1:, MAIN - 1], 1)
    return bool(np.nanmedian(share) >= 0.35 and _in_sight(s, 0.85))


def _is_crossing(staged: Staged, s: Sights) -> bool:
    one, two = s.centres[:, 0, 0], s.centres[:, 1, 0]
    apart = one - two
    near = np.abs(apart) < s.widths[:, :2].mean()
    crossed = np.flatnonzero(near)
    if not len(crossed) or len(runs(np.isnan(apart))) > 1:
        return False
    before, after = slice(0, crossed[0]), slice(crossed[-1] + 1, None)
    both = s.clear(1) & s.clear(2)
    covers = bool((s.visibility[near][:, :2].min(axis=1) <= 0.75).any())
    swapped = np.nanmedian(apart[before]) * np.nanmedian(apart[after]) < 0
    return bool(covers and swapped and both[before].sum() >= 10 and both[after].sum() >= 10)


def _is_cut(staged: Staged, s: Sights) -> bool:
    first, second = staged.cuts
    clear = s.clear(MAIN)
    return bool(
        clear[:first].mean() >= 0.7 and not s.seen(MAIN)[first:second].any() and clear[second:].mean() >= 0.7
    )


STAGES: dict[str, Callable[[np.random.Generator, int, int, int], Staged | None]] = {
    "plain": _plain,
    "moving-camera": _moving_camera,
    "crowded": _crowded,
    "occluded": _occluded,
    "returning": _returning,
    "fast": _fast,
    "look-alikes": _look_alikes,
    "cuts": _cuts,
}
"""Condition → draws a clip of so many frames and pixels from a seed; None where the seed does not do."""

HOLDS: dict[str, Callable[[Staged, Sights], bool]] = {
    "plain": lambda _, s: _in_sight(s, 0.9),
    "moving-camera": _is_moving_camera,
    "crowded": _is_crowded,
    "occluded": _is_occluded,
    "returning": _is_returning,
    "fast": _is_fast,
    "look-alikes": _is_crossing,
    "cuts": _is_cut,
}
"""Condition → whether a drawn clip shows it."""
