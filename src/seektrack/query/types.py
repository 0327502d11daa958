"""What a question says, taken apart: the nouns of reading. Frozen, and without any model behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Event = Literal["appears", "leaves", "returns", "stops", "starts"]
EVENTS: tuple[Event, ...] = ("appears", "leaves", "returns", "stops", "starts")
_WAYS = {(-1, 0): "left", (1, 0): "right", (0, -1): "up", (0, 1): "down"}


@dataclass(frozen=True)
class Term:
    """Some words and how much they count.

    Attributes:
        text: The words, as they were said.
        weight: 1 is as usual; of what must not show, less only disfavours.
        english: The same in English where every word of it is known, else empty.
    """

    text: str
    weight: float = 1.0
    english: str = ""


@dataclass(frozen=True)
class Motion:
    """How something asked for moves in the picture.

    Attributes:
        moving: True when it must move, False when it must stand still.
        direction: ``(x, y)`` of the way it moves, each -1, 0 or 1, y down; None when any will do.
        approach: 1 towards the camera, -1 away from it, 0 when not said.
        rate: ``"fast"``, ``"slow"`` or empty.
    """

    moving: bool
    direction: tuple[int, int] | None = None
    approach: int = 0
    rate: str = ""

    @property
    def kind(self) -> str:
        """``left``, ``right``, ``up``, ``down``, ``approaching``, ``receding`` or ``still``; else empty."""
        if not self.moving:
            return "still"
        if self.direction is not None:
            return _WAYS.get(self.direction, "")
        return {1: "approaching", -1: "receding"}.get(self.approach, "")


@dataclass(frozen=True)
class Clause:
    """What a concept does, in the words of its language, and the same thing doing something else.

    Attributes:
        text: ``a red car moving left``.
        otherwise: ``a red car moving right``, ``a red car standing still``.
    """

    text: str
    otherwise: tuple[str, ...]


@dataclass(frozen=True)
class Concept:
    """One thing that is asked for.

    Attributes:
        said: Its words as they were said, without marks, politeness and exclusions; what a track is called.
        text: What a frame can show of it: ``said`` without words of motion and events.
        instance: One of it on a crop of its own: singular, with its article, without words of size.
        category: The thing alone, singular: ``"car"``, ``"fire truck"``; in the language of the question.
        english: The category and its colour in English where every word is known, else empty.
        colour: Its colour by the English word, or None.
        size: ``"small"``, ``"large"`` or None.
        attributes: What else is said of it before or after its name, such as ``striped``.
        plural: Several are asked for.
        motion: How it moves, or None when nothing is said of that.
        event: What happens to it, or None.
        clause: How to ask pieces of video about motion or event; None where single frames can answer.
        weights: Words of ``text`` that count more or less.
        without: What must not show.
        beside: Things that show with it: ``a man with a dog``.
        language: Code of the language it is said in.
    """

    said: str
    text: str
    instance: str
    category: str
    english: str = ""
    colour: str | None = None
    size: str | None = None
    attributes: tuple[str, ...] = ()
    plural: bool = False
    motion: Motion | None = None
    event: Event | None = None
    clause: Clause | None = None
    weights: tuple[Term, ...] = ()
    without: tuple[Term, ...] = ()
    beside: tuple[str, ...] = ()
    language: str = "en"

    @property
    def things(self) -> tuple[str, ...]:
        """What its frame shows, each a text of its own."""
        return self.beside or (self.text,)


@dataclass(frozen=True)
class Query:
    """A question, read.

    Attributes:
        typed: As it came, cleaned of broken characters; several texts are joined by ``;``.
        groups: Concepts of one group show together. Groups are asked for one by one, or in order.
        ordered: The groups follow each other in time.
        close: The order was said in one sentence (``a dog appears, then a car leaves``), not by an arrow.
        language: Code of the language, as far as it can be told.
        notices: What of the question was understood only in part, one line each.
    """

    typed: str
    groups: tuple[tuple[Concept, ...], ...]
    ordered: bool = False
    close: bool = False
    language: str = "en"
    notices: tuple[str, ...] = ()

    @property
    def concepts(self) -> tuple[Concept, ...]:
        """Everything asked for, in order."""
        return tuple(concept for group in self.groups for concept in group)

    @property
    def text(self) -> str:
        """What frames are asked: ``a red car and a dog``."""
        return "; ".join(" and ".join(c.text for c in group) for group in self.groups)

    @property
    def without(self) -> tuple[Term, ...]:
        """Everything that must not show."""
        return tuple(dict.fromkeys(t for c in self.concepts for t in c.without))

    def alone(self) -> tuple[Query, ...]:
        """Each group as a question of its own."""
        if len(self.groups) == 1:
            return (self,)
        return tuple(
            replace(self, typed=" and ".join(c.said for c in g), groups=(g,), ordered=False, close=False)
            for g in self.groups
        )

    def __str__(self) -> str:
        return self.typed
