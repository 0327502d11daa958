"""The procedural world: street-like clips whose every pixel, identity and motion is known.

It trains the pocket models, fills the demo and disagrees with the tracker in tests. A scene is sampled
from a seed (:func:`sample_scene`), rendered (:func:`render`) and its truth told in seektrack's own nouns
(:func:`truth`). Equal seeds give equal pixels; :mod:`seektrack.world.seeds` keeps the seeds of training,
validation, benchmarks, tests and the demo apart.
"""

from seektrack.world.captions import actor_caption, frame_caption, vocabulary
from seektrack.world.everyday import EVERYDAY, HELD_OUT
from seektrack.world.palette import COLOURS
from seektrack.world.render import Clip, frames, render
from seektrack.world.sampling import sample_scene
from seektrack.world.scene import Actor, Scene, SceneSettings
from seektrack.world.seeds import Split, seeds
from seektrack.world.shapes import ALL_CATEGORIES, CATEGORIES
from seektrack.world.truth import TruthRecorder, truth

__all__ = [
    "ALL_CATEGORIES",
    "CATEGORIES",
    "COLOURS",
    "EVERYDAY",
    "HELD_OUT",
    "Actor",
    "Clip",
    "Scene",
    "SceneSettings",
    "Split",
    "TruthRecorder",
    "actor_caption",
    "frame_caption",
    "frames",
    "render",
    "sample_scene",
    "seeds",
    "truth",
    "vocabulary",
]
