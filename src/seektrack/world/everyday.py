"""More drawings: everyday things, and three that the pocket models are never trained on."""

from __future__ import annotations

import math

import numpy as np

from seektrack.world.drawing import Drawing, Part, ellipse, limb, poly, rect


def _bottle(phase: float) -> list[Part]:
    return [
        ("D", rect(-0.15, -1.0, 0.15, -0.82)),
        (
            "B",
            poly(
                -0.12,
                -0.84,
                0.12,
                -0.84,
                0.13,
                -0.5,
                0.34,
                -0.22,
                0.36,
                0.95,
                -0.36,
                0.95,
                -0.34,
                -0.22,
                -0.13,
                -0.5,
            ),
        ),
        ("L", rect(-0.35, 0.08, 0.35, 0.55)),
        ("D", rect(-0.35, 0.24, 0.35, 0.38)),
    ]


def _chair(phase: float) -> list[Part]:
    return [
        ("D", limb(-0.35, 0.1, -0.42, 1.0, 0.1)),
        ("D", limb(0.4, 0.1, 0.42, 1.0, 0.1)),
        ("B", limb(-0.52, -1.0, -0.48, 0.2, 0.14)),
        ("B", limb(-0.5, -0.9, -0.12, -0.98, 0.14)),
        ("B", limb(-0.14, -1.0, -0.12, 0.05, 0.12)),
        ("L", limb(-0.5, -0.5, -0.12, -0.56, 0.14)),
        ("B", poly(-0.55, 0.05, -0.15, -0.08, 0.7, -0.08, 0.58, 0.2, -0.55, 0.2)),
        ("B", limb(-0.5, 0.15, -0.54, 1.0, 0.12)),
        ("B", limb(0.52, 0.15, 0.56, 1.0, 0.12)),
    ]


def _lamp(phase: float) -> list[Part]:
    return [
        ("D", limb(0, -0.2, 0, 0.85, 0.1)),
        ("D", ellipse(0, 0.88, 0.5, 0.12, 18)),
        ("Y", ellipse(0, -0.18, 0.22, 0.14, 12)),
        ("B", poly(-0.3, -1.0, 0.3, -1.0, 0.72, -0.2, -0.72, -0.2)),
        ("L", poly(-0.3, -1.0, 0.3, -1.0, 0.34, -0.9, -0.34, -0.9)),
    ]


def _plane(phase: float) -> list[Part]:
    windows: list[Part] = [("W", ellipse(x, -0.1, 0.08, 0.08, 8)) for x in (-0.7, -0.35, 0.0, 0.35, 0.7)]
    return [
        ("D", poly(-0.1, 0.0, 0.4, 0.0, -0.55, -0.75, -0.85, -0.75)),
        ("B", poly(-1.75, -1.0, -1.4, -1.0, -0.85, -0.2, -1.55, -0.1)),
        ("B", poly(-1.85, -0.15, -1.4, -0.3, 1.2, -0.34, 1.7, -0.12, 1.85, 0.08, 1.6, 0.24, -1.0, 0.3)),
        ("W", poly(1.2, -0.26, 1.46, -0.24, 1.66, -0.06, 1.25, -0.06)),
        *windows,
        ("D", poly(-1.7, -0.1, -1.25, -0.1, -1.65, 0.25, -2.0, 0.25)),
        ("L", poly(0.0, 0.1, 0.55, 0.1, -0.35, 0.95, -0.75, 0.95)),
    ]


def _fish(phase: float) -> list[Part]:
    s = 0.3 * math.sin(phase)
    return [
        ("D", poly(-0.8, 0.0, -1.55, -0.6 + s, -1.3, 0.05 + 0.5 * s, -1.5, 0.65 + s)),
        ("D", poly(-0.45, -0.45, 0.1, -0.95, 0.5, -0.45)),
        ("D", poly(-0.2, 0.45, 0.1, 0.85, 0.35, 0.4)),
        (
            "B",
            poly(
                1.25,
                0.05,
                1.0,
                -0.3,
                0.5,
                -0.55,
                -0.1,
                -0.56,
                -0.6,
                -0.3,
                -0.95,
                0.0,
                -0.6,
                0.32,
                -0.1,
                0.55,
                0.5,
                0.55,
                1.0,
                0.32,
            ),
        ),
        ("L", ellipse(0.1, 0.3, 0.6, 0.14, 14)),
        ("D", poly(0.2, 0.0, -0.25, -0.15 - s, -0.25, 0.25 - s)),
        ("W", ellipse(0.85, -0.12, 0.14, 0.14, 10)),
        ("K", ellipse(0.88, -0.12, 0.07, 0.07, 8)),
    ]


def _horse(phase: float) -> list[Part]:
    s = math.sin(phase)
    return [
        ("K", poly(-0.85, -0.3, -1.12, 0.05, -1.1 + 0.1 * s, 0.55, -0.9, 0.1)),
        ("D", limb(-0.6, 0.1, -0.62 + 0.25 * s, 0.98, 0.15)),
        ("D", limb(0.5, 0.1, 0.5 + 0.25 * s, 0.98, 0.15)),
        ("B", limb(-0.72, 0.1, -0.72 - 0.25 * s, 1.0, 0.16)),
        ("B", limb(0.62, 0.1, 0.64 - 0.25 * s, 1.0, 0.16)),
        ("B", ellipse(-0.05, -0.05, 0.9, 0.36, 20)),
        ("B", poly(0.4, -0.25, 0.85, -1.0, 1.1, -0.85, 0.85, 0.1)),
        ("B", poly(0.85, -1.02, 1.12, -0.92, 1.5, -0.5, 1.38, -0.38, 1.0, -0.6)),
        ("B", poly(0.86, -0.95, 0.9, -1.16, 1.02, -0.95)),
        ("K", poly(0.42, -0.28, 0.7, -0.98, 0.9, -1.02, 0.66, -0.3)),
        ("K", ellipse(1.12, -0.78, 0.05, 0.05, 8)),
    ]


def _umbrella(phase: float) -> list[Part]:
    angle = np.radians(np.linspace(180, 360, 17))
    dome = np.stack([1.2 * np.cos(angle), 0.95 * np.sin(angle)], axis=1)
    scallops = [ellipse(x, 0.0, 0.2, 0.16, 7, 0, -180) for x in (1.0, 0.6, 0.2, -0.2, -0.6, -1.0)]
    middle = np.stack([0.4 * np.cos(angle), 0.95 * np.sin(angle)], axis=1)
    return [
        ("D", limb(0, -1.1, 0, 0.85, 0.09)),
        ("D", limb(0.0, 0.85, 0.15, 0.98, 0.1)),
        ("D", limb(0.15, 0.98, 0.32, 0.8, 0.1)),
        ("B", np.concatenate([dome, *scallops])),
        ("L", np.concatenate([middle, scallops[2], scallops[3]])),
    ]


def _teapot(phase: float) -> list[Part]:
    ring = ellipse(-0.95, 0.1, 0.42, 0.42, 18, 90, 270)
    hole = ellipse(-0.95, 0.1, 0.24, 0.26, 18, 270, 90)
    return [
        ("D", np.concatenate([ring, hole])),
        ("B", poly(0.6, 0.05, 1.05, -0.15, 1.3, -0.65, 1.55, -0.6, 1.3, 0.2, 0.7, 0.55)),
        ("B", ellipse(0, 0.2, 0.95, 0.7, 26)),
        ("D", rect(-0.5, 0.8, 0.5, 0.95)),
        ("L", ellipse(0, -0.46, 0.55, 0.16, 16)),
        ("D", ellipse(0, -0.72, 0.15, 0.15, 12)),
    ]


def _snail(phase: float) -> list[Part]:
    stretch = 0.1 * math.sin(phase)
    turn = np.linspace(0, 5.2 * np.pi, 40)
    radius = 0.06 + 0.033 * turn
    outer = np.stack([-0.2 + radius * np.cos(turn), -0.12 + radius * np.sin(turn)], axis=1)
    inner = np.stack([-0.2 + (radius - 0.09) * np.cos(turn), -0.12 + (radius - 0.09) * np.sin(turn)], axis=1)
    head = 1.05 + stretch
    return [
        (
            "S",
            poly(
                -1.35 - stretch,
                0.85,
                -0.6,
                0.5,
                0.5,
                0.5,
                head - 0.15,
                -0.2,
                head + 0.15,
                -0.3,
                head + 0.3,
                -0.1,
                0.85,
                0.85,
            ),
        ),
        ("S", limb(head + 0.05, -0.2, head, -0.75, 0.07)),
        ("S", limb(head + 0.15, -0.2, head + 0.32, -0.7, 0.07)),
        ("K", ellipse(head, -0.78, 0.07, 0.07, 8)),
        ("K", ellipse(head + 0.33, -0.73, 0.07, 0.07, 8)),
        ("B", ellipse(-0.2, -0.08, 0.82, 0.74, 26)),
        ("D", np.concatenate([outer, inner[::-1]])),
    ]


EVERYDAY: dict[str, Drawing] = {
    "bottle": _bottle,
    "chair": _chair,
    "lamp": _lamp,
    "plane": _plane,
    "fish": _fish,
    "horse": _horse,
}
"""Everyday things a rich scene shows beside :data:`seektrack.world.shapes.CATEGORIES`."""

HELD_OUT: dict[str, Drawing] = {"umbrella": _umbrella, "teapot": _teapot, "snail": _snail}
"""Never shown unless asked for: pocket models have not seen them, so fine-tuning can be proved on them."""
