"""A small world of coloured rectangles, and an engine that knows it by heart and errs as it is told to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from seektrack.geometry import mask_to_box
from seektrack.video import open_video

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (40, 60, 210), "grey": (128, 128, 128)}
PAINTS = {**COLOURS, "rust": (172, 69, 69)}
HW = (96, 160)
FPS = 10


class ColourEncoder:
    """Sees the mean colour of the middle of a picture; reads colour words."""

    name, dim, fingerprint, logit_scale, image_size = "colour", 4, "colour", 30.0, 16

    def embed_images(self, images, *, batch_size=32):
        rows = []
        for image in images:
            h, w = image.shape[:2]
            middle = image[h // 4 : -h // 4, w // 4 : -w // 4].reshape(-1, 3).astype(float)
            rows.append([np.exp(-np.abs(middle - c).sum(axis=1) / 60).mean() for c in COLOURS.values()])
        out = np.array(rows, dtype=np.float32).reshape(-1, 4)
        return out / np.linalg.norm(out, axis=1, keepdims=True)

    def embed_texts(self, texts, *, batch_size=64):
        rows = np.array([[float(c in t) for c in COLOURS] for t in texts], dtype=np.float32)
        rows[rows.sum(axis=1) == 0] = 0.5
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass
class Thing:
    """A rectangle: colour by frame, centre by frame (NaN when absent), size."""

    colours: list[str]
    xs: np.ndarray
    ys: np.ndarray
    w: int = 22
    h: int = 16

    def mask(self, t: int) -> np.ndarray:
        out = np.zeros(HW, dtype=bool)
        if not np.isnan(self.xs[t]):
            x0, y0 = round(self.xs[t] - self.w / 2), round(self.ys[t] - self.h / 2)
            out[max(y0, 1) : max(y0 + self.h, 0), max(x0, 0) : max(x0 + self.w, 0)] = True
        return out


def thing(colour, x0, y, step, n, *, absent=(), **size) -> Thing:
    xs = x0 + step * np.arange(n, dtype=float)
    xs[list(absent)] = np.nan
    return Thing([colour] * n, xs, np.full(n, float(y)), **size)


@dataclass
class Proposal:
    mask: np.ndarray
    score: float = 0.9

    @property
    def box(self):
        return mask_to_box(self.mask)


@dataclass
class Answer:
    obj_ids: list[int]
    object_scores: list[float]
    pixels: np.ndarray

    @property
    def pointers(self):
        return np.ones((len(self.obj_ids), 4), np.float32)

    def masks(self):
        return self.pixels


@dataclass
class World:
    """Ground truth, rendered; an `Engine` whose errors are chosen by the test.

    Attributes:
        things: What there is; later ones are in front.
        forget_after: Frames without sight after which a session has lost an object for good.
        blind: (frame, thing) pairs the session does not see.
        drift: frame → (thing, thing): sessions following the first take the second from that frame on.
        unproposed: (frame, thing) pairs not among the proposals.
        halved: thing → frame up to which only its left half is proposed.
        other_half: Things of which only the right half is proposed from that frame on.
    """

    things: list[Thing]
    forget_after: int = 4
    blind: set = field(default_factory=set)
    drift: dict = field(default_factory=dict)
    unproposed: set = field(default_factory=set)
    halved: dict = field(default_factory=dict)
    other_half: frozenset = frozenset()
    steps: list[int] = field(default_factory=list)

    def __post_init__(self):
        n = len(self.things[0].xs)
        self.video = np.full((n, *HW, 3), 128, dtype=np.uint8)
        self.truth = np.zeros((n, len(self.things), *HW), dtype=bool)
        for t in range(n):
            for k, one in enumerate(self.things):
                mask = one.mask(t)
                self.truth[t, :k] &= ~mask
                self.truth[t, k] = mask
                self.video[t][mask] = PAINTS[one.colours[t]]
            self.video[t, 0, 0] = t

    @property
    def source(self):
        return open_video(self.video, fps=FPS)

    def encode(self, image):
        return int(image[0, 0, 0])

    def session(self):
        return Session(self)

    def propose(self, t, settings):
        rng = np.random.default_rng(t)
        out = []
        for k in range(len(self.things)):
            mask = self.truth[t, k]
            if mask.sum() < 20 or (t, k) in self.unproposed:
                continue
            half = mask & ~left_half(mask)
            if t < self.halved.get(k, 0):
                out.append(Proposal(left_half(mask)))
                continue
            if k in self.other_half:
                out.append(Proposal(half))
                continue
            out += [Proposal(rough(mask, rng)), Proposal(half, 0.6)]
        background = ~self.truth[t].any(axis=0)
        return [*out, Proposal(background, 0.8)]


def rough(mask, rng):
    """The mask with its border moved by up to a pixel."""
    return np.roll(mask, rng.integers(-1, 2, 2), axis=(0, 1)) if mask.any() else mask


def left_half(mask):
    half = mask.copy()
    if mask.any():
        half[:, int(np.flatnonzero(mask.any(axis=0)).mean()) :] = False
    return half


class WholeEncoder(ColourEncoder):
    """Believes in a red thing the more, the more of the crop is red."""

    def embed_images(self, images, *, batch_size=32):
        red = [(np.abs(i.astype(int) - COLOURS["red"]).sum(axis=2) < 60).mean() for i in images]
        cosine = np.clip(0.85 + 0.5 * (np.array(red) - 0.2), 0, 1)
        zeros = np.zeros_like(cosine)
        return np.stack([cosine, zeros, zeros, np.sqrt(1 - cosine**2)], axis=1).astype(np.float32)


class Session:
    def __init__(self, world):
        self.world, self.prompts, self.follows, self.unseen, self.at = world, [], {}, {}, None
        self.partly = {}

    @property
    def obj_ids(self):
        return list(self.follows)

    def add(self, prompt):
        self.prompts.append(prompt)

    def remove(self, obj_id):
        del self.follows[obj_id]

    def leave_out(self, obj_id):
        assert obj_id in self.follows

    def swap(self, one, other):
        self.follows[one], self.follows[other] = self.follows[other], self.follows[one]

    def step(self, t, frame_index):
        world = self.world
        world.steps.append(frame_index)
        assert t == frame_index, "features of another frame"
        for prompt in [p for p in self.prompts if p.frame_index == frame_index]:
            self.follows[prompt.obj_id] = self._pointed_at(prompt, t)
            self.unseen[prompt.obj_id] = 0
            box = prompt.box or (prompt.mask.box if prompt.mask else None)
            whole = mask_to_box(world.truth[t, self.follows[prompt.obj_id]])
            narrow = box is not None and whole is not None and box[2] - box[0] < 0.7 * (whole[2] - whole[0])
            self.partly[prompt.obj_id] = narrow
        self.prompts = [p for p in self.prompts if p.frame_index != frame_index]
        rng = np.random.default_rng(1000 + t)
        pixels, scores = [], []
        for obj_id, k in self.follows.items():
            if frame_index in world.drift and world.drift[frame_index][0] == k:
                k = self.follows[obj_id] = world.drift[frame_index][1]
            mask = left_half(world.truth[t, k]) if self.partly[obj_id] else world.truth[t, k]
            if (t, k) in world.blind or mask.sum() < 30 or self.unseen[obj_id] > world.forget_after:
                mask = np.zeros_like(mask)
                self.unseen[obj_id] += self.at != t
            else:
                self.unseen[obj_id] = 0
            pixels.append(rough(mask, rng))
            scores.append(0.95 if mask.any() else 0.05)
        self.at = t
        stacked = np.stack(pixels) if pixels else np.zeros((0, *HW), dtype=bool)
        return Answer(list(self.follows), scores, stacked)

    def _pointed_at(self, prompt, t):
        if prompt.mask is not None:
            given = prompt.mask.to_array()
            return int(
                np.argmax([(given & m).sum() / max((given | m).sum(), 1) for m in self.world.truth[t]])
            )
        x, y = prompt.points[0] if prompt.points is not None else np.add(prompt.box[:2], prompt.box[2:]) / 2
        return int(np.argmax(self.world.truth[t, :, int(y), int(x)]))


@pytest.fixture
def encoder():
    return ColourEncoder()


@pytest.fixture
def whole_encoder():
    return WholeEncoder()


@pytest.fixture
def make_world():
    return World


@pytest.fixture
def make_thing():
    return thing


@pytest.fixture
def truth_of():
    """Which thing a track's masks lie on, and on which frames."""

    def find(world, track):
        lies = {}
        for o in track.observations:
            if o.visible:
                pixels = o.mask.to_array()
                iou = [(pixels & m).sum() / max((pixels | m).sum(), 1) for m in world.truth[o.frame_index]]
                lies[o.frame_index] = int(np.argmax(iou)) if max(iou) > 0.15 else None
        return lies

    return find
