"""What is remembered of each object: its prompted frames and a short ring of the frames just passed.

Positions count the frames the session stepped, from the index of the first: going forward adds one, going
backward takes one away, so a video sampled at every tenth frame is remembered like one that was not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from seektrack.errors import InputError
from seektrack.segmentation.features import Array

Remember = Literal["all", "seen"]
REMEMBER: tuple[Remember, ...] = get_args(Remember)
"""Which followed frames leave a memory: every one, as the reference does, or those the object was seen on."""

T = TypeVar("T")


def check_remember(remember: str) -> Remember:
    """The choice, if it is one.

    Raises:
        InputError: It is not.
    """
    for allowed in REMEMBER:
        if remember == allowed:
            return allowed
    raise InputError(f"remember={remember!r}", hint=f"frames to remember are {' or '.join(REMEMBER)}")


@dataclass(frozen=True, eq=False)
class Remembered:
    """One object on one frame, as later frames look at it.

    Attributes:
        tokens: (T, 64), T = f * f, in the type memories are stored in.
        keys: (layers, T, C), the tokens as memory attention's keys before their age is added; None where they
            are made when read.
    """

    tokens: Array
    keys: Array | None = None


@dataclass(frozen=True, eq=False)
class Row:
    """One object's answer on one frame, on the network's device.

    Attributes:
        logits: float (h, h), low-resolution mask logits.
        score: float (), logit that the object is on the frame.
        iou: float (), predicted overlap of the mask with the truth.
        pointer: float (C,).
        memory: What is remembered of it.
    """

    logits: Array
    score: Array
    iou: Array
    pointer: Array
    memory: Remembered


@dataclass(frozen=True, eq=False)
class Conditioning:
    """A prompted frame: where it lies and the answer it gave."""

    frame_index: int
    position: int
    row: Row


@dataclass(frozen=True, eq=False)
class Recall:
    """What memory attention reads for one object on one frame.

    Attributes:
        memories: M of them.
        offsets: M ints, 0 for a prompted frame, else how many steps ago.
        pointers: P arrays (C,).
        pointer_offsets: P ints.
    """

    memories: list[Remembered]
    offsets: list[int]
    pointers: list[Array]
    pointer_offsets: list[int]


@dataclass(frozen=True)
class MemorySettings:
    """How much is remembered.

    Attributes:
        n_memories: Memories read besides the prompted frames' plus one, ``num_maskmem``.
        n_pointers: Pointers read, ``max_object_pointers_in_encoder``.
        max_conditioning: Prompted frames kept for an object: the first and the latest.
        select_conditioning: Prompted frames read, the nearest ones; -1 for all.
        remember: ``all``, the last followed frames, as in the reference; ``seen``, the last ones on which the
            object was, so that one hidden for long is still known by its looks: a memory without the object
            only displaces one with it. After Videnovic et al., A Distractor-Aware Memory for Visual Object
            Tracking with SAM2, arXiv:2411.17576, which leaves frames without the object out.
    """

    n_memories: int
    n_pointers: int
    max_conditioning: int = 8
    select_conditioning: int = -1
    remember: Remember = "all"


@dataclass(eq=False)
class ObjectMemory:
    """The bounded memory of one object.

    One memory and one pointer more than are read are kept, so that the latest frame can be corrected.

    Attributes:
        settings: How much is remembered, and of which frames.
        conditioning: Prompted frames.
        memories, pointers: Of followed frames, with their positions.
        followed: Position of the latest followed frame, whether or not it left a memory.
    """

    settings: MemorySettings
    conditioning: list[Conditioning] = field(default_factory=list)
    memories: deque[tuple[int, Remembered]] = field(default_factory=deque)
    pointers: deque[tuple[int, Array]] = field(default_factory=deque)
    followed: int | None = None

    def conditioned_at(self, position: int) -> Conditioning | None:
        """The prompted frame at a position, or None."""
        return next((c for c in self.conditioning if c.position == position), None)

    def tracked_at(self, position: int) -> bool:
        """Whether the object was followed, not prompted, at the latest position."""
        return self.followed == position

    def condition(self, frame_index: int, position: int, row: Row) -> None:
        """Keep a prompted frame, in place of an earlier answer on it."""
        kept = [c for c in self.conditioning if c.position != position]
        kept.append(Conditioning(frame_index, position, row))
        if len(kept) > self.settings.max_conditioning:
            del kept[1]
        self.conditioning = kept

    def track(self, position: int, row: Row) -> None:
        """Keep a followed frame, in place of an earlier answer on it, and forget the oldest."""
        self.followed = position
        kept = self.settings.remember == "all" or float(row.score) > 0
        _push(self.memories, position, row.memory if kept else None, self.settings.n_memories)
        _push(self.pointers, position, row.pointer if kept else None, self.settings.n_pointers)

    def leave_out(self, position: int) -> None:
        """Forget what a followed frame showed; a prompted one stays. A prompt for it then starts afresh."""
        if self.followed == position:
            _push(self.memories, position, None, self.settings.n_memories)
            _push(self.pointers, position, None, self.settings.n_pointers)
            self.followed = None

    def forget_passed(self) -> None:
        """Drop the ring; prompted frames stay."""
        self.memories.clear()
        self.pointers.clear()
        self.followed = None

    def recall(self, position: int, direction: int) -> Recall:
        """What to read at a position when moving in a direction, 1 or -1; 0, unknown yet, counts as 1."""
        direction = direction or 1
        settings = self.settings
        chosen, others = self._select(position)
        passed = dict(self.memories)
        passed.update({c.position: c.row.memory for c in others if c.position not in passed})
        near = _behind(passed, position, direction, settings.n_memories - 1, settings.remember)
        memories = [c.row.memory for c in chosen] + [memory for _, memory in reversed(near)]
        ranks = range(len(near), 0, -1)  # time codes go no further than n_memories - 1
        ages = ranks if settings.remember == "seen" else [ago for ago, _ in reversed(near)]
        behind = [(c, (position - c.position) * direction) for c in self.conditioning]
        pointers = [c.row.pointer for c, ago in behind if ago >= 0]
        pointer_offsets = [ago for _, ago in behind if ago >= 0]
        for ago, pointer in _behind(
            dict(self.pointers), position, direction, settings.n_pointers - 1, settings.remember
        ):
            pointers.append(pointer)
            pointer_offsets.append(ago)
        return Recall(memories, [0] * len(chosen) + list(ages), pointers, pointer_offsets)

    def _select(self, position: int) -> tuple[list[Conditioning], list[Conditioning]]:
        """The prompted frames to read and the rest: the nearest on either side, then the nearest at all."""
        limit = self.settings.select_conditioning
        if limit == -1 or len(self.conditioning) <= limit:
            return self.conditioning, []
        before = [c for c in self.conditioning if c.position < position]
        after = [c for c in self.conditioning if c.position >= position]
        chosen = [max(before, key=lambda c: c.position)] if before else []
        chosen += [min(after, key=lambda c: c.position)] if after else []
        rest = sorted(
            (c for c in self.conditioning if c not in chosen), key=lambda c: abs(c.position - position)
        )
        n_more = max(limit - len(chosen), 0)
        return chosen + rest[:n_more], rest[n_more:]


def _push(ring: deque[tuple[int, T]], position: int, value: T | None, size: int) -> None:
    if ring and ring[-1][0] == position:
        ring.pop()
    if value is not None:
        ring.append((position, value))
    while len(ring) > size:
        ring.popleft()


def _behind(
    passed: Mapping[int, T], position: int, direction: int, count: int, remember: Remember
) -> list[tuple[int, T]]:
    """Steps ago and what was kept then, nearest first: of the last ``count`` steps, or the last kept."""
    found = sorted(((position - p) * direction, p) for p in passed)
    near = [(ago, passed[p]) for ago, p in found if ago > 0]
    return near[:count] if remember == "seen" else [(ago, value) for ago, value in near if ago <= count]


@dataclass
class Timeline:
    """Where the session stands along the video.

    Attributes:
        frame_index: The latest frame, or None before the first.
        position: Its position.
        direction: 1 forward, -1 backward, 0 while unknown.
        stride: Mean distance in frames between steps of the present run.
        run_start: Frame and position the present run began at.
        turning: The next frame begins a run in ``direction``, wherever it lies.
    """

    frame_index: int | None = None
    position: int = 0
    direction: int = 0
    stride: float = 1.0
    run_start: tuple[int, int] = (0, 0)
    turning: bool = False

    def turn(self) -> None:
        """Go the other way from the next frame on."""
        self.direction = -(self.direction or 1)
        self.turning = True

    def advance(self, frame_index: int, anchors: Iterable[Conditioning]) -> bool:
        """Move to a frame; True when that turned round, so that frames just passed no longer lie behind.

        After a turn the position follows from the nearest prompted frame.
        """
        if self.frame_index is None:
            self.position = frame_index
            self.run_start = (frame_index, self.position)
        elif self.turning or frame_index != self.frame_index:
            sign = 1 if frame_index > self.frame_index else -1
            turned = self.turning or self.direction == -sign
            self.direction = self.direction if self.turning else sign
            if turned:
                self.position = self._locate(frame_index, anchors)
                self.run_start = (frame_index, self.position)
            else:
                self.position += sign
                steps = self.position - self.run_start[1]
                self.stride = (frame_index - self.run_start[0]) / steps
            self.frame_index, self.turning = frame_index, False
            return turned
        self.frame_index, self.turning = frame_index, False
        return False

    def _locate(self, frame_index: int, anchors: Iterable[Conditioning]) -> int:
        nearest = min(anchors, key=lambda c: abs(c.frame_index - frame_index), default=None)
        if nearest is None:
            return self.position + self.direction
        distance = frame_index - nearest.frame_index
        if distance == 0:
            return nearest.position
        steps = max(round(abs(distance) / self.stride), 1)
        return nearest.position + (steps if distance > 0 else -steps)
