"""Sample scenes of every style.

Everything is decided here, from one seed; rendering only draws it.
"""

from __future__ import annotations

from seektrack.world.plain import plain_scene
from seektrack.world.rich import rich_scene
from seektrack.world.scene import Scene, SceneSettings


def sample_scene(seed: int, settings: SceneSettings | None = None) -> Scene:
    """Sample a scene; the same seed and settings always give the same scene."""
    s = settings or SceneSettings()
    return plain_scene(seed, s) if s.style == "plain" else rich_scene(seed, s)
