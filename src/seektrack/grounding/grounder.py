"""What finds the objects a question asks for in one picture, by name.

A package of one's own adds a grounder by an entry point of the group ``seektrack.grounders`` whose object is
a `GrounderKind`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder
from seektrack.encoders.prompts import Templates
from seektrack.errors import InputError
from seektrack.grounding.found import Found, Grounding, GroundSettings
from seektrack.grounding.ground import ProposalLike, ground_proposals
from seektrack.grounding.scoring import TextScorer
from seektrack.query import Concept
from seektrack.registry import Registry

GROUP = "seektrack.grounders"
DEFAULT = "proposals"
Image = NDArray[np.uint8]
Propose = Callable[[Any, GroundSettings], Sequence[ProposalLike]]


class Grounder(Protocol):
    """Finds the objects of a question in pictures.

    Attributes:
        judges: Whether its confidence is the word on what an object is. Where it is not, the encoder's looks
            at the followed object decide.
    """

    @property
    def judges(self) -> bool: ...  # noqa: D102

    def find(self, image: Image, features: Any) -> list[Found]:
        """Every object on a picture that one of the concepts asks for.

        Args:
            image: uint8 (H, W, 3), RGB.
            features: The engine's features of it, for `GrounderContext.propose`; computed when first used.

        Returns:
            In any order; with a box inside the picture, and where there is a mask, one of its size.
        """
        ...


@dataclass(frozen=True)
class GrounderContext:
    """What a grounder is made from.

    Attributes:
        concepts: What is asked for, at least one.
        encoder: The CLIP-family encoder.
        propose: The segmenter's masks of what could be objects, of the features of a picture.
        settings: What counts as found.
        templates: See `seektrack.encoders.embed_query`.
        device: Where networks of its own go; chosen when None.
        argument: What stands behind the colon of its name: ``id`` of ``hf:id``.
        progress: Called with ``(done, total, stage)`` while something is loaded.
    """

    concepts: tuple[Concept, ...]
    encoder: Encoder
    propose: Propose
    settings: GroundSettings = field(default_factory=GroundSettings)
    templates: Templates = "auto"
    device: str | None = None
    argument: str = ""
    progress: Callable[[int, int, str], None] | None = None

    @cached_property
    def scorers(self) -> tuple[TextScorer, ...]:
        """The concepts embedded, one scorer each."""
        return tuple(TextScorer(self.encoder, c, templates=self.templates) for c in self.concepts)


@dataclass(frozen=True)
class GrounderKind:
    """A grounder that can be asked for by name.

    Attributes:
        name: What the user calls it.
        about: One line on what it is.
        make: Makes one for the concepts of a question.
        takes: What may stand behind ``name:``, as ``ID``; empty when nothing does.
    """

    name: str
    about: str
    make: Callable[[GrounderContext], Grounder]
    takes: str = ""


@dataclass(frozen=True)
class ProposalGrounder:
    """Ours: SAM 2 proposes what could be an object, CLIP says what it is.

    Attributes:
        scorers: One a concept.
        propose: The segmenter's masks.
        settings: What counts as found.
        judges: No: one look is less sure than all looks along a track.
    """

    scorers: tuple[TextScorer, ...]
    propose: Propose
    settings: GroundSettings
    judges: bool = False

    @classmethod
    def of(cls, context: GrounderContext) -> ProposalGrounder:
        """The grounder for some concepts."""
        return cls(context.scorers, context.propose, context.settings)

    def find(self, image: Image, features: Any) -> list[Found]:
        """Proposals that are what was asked for, each under the concept that claims it best."""
        found = ground_proposals(
            self.scorers, image, self.propose(features, self.settings), settings=self.settings
        )
        return [as_found(g) for g in found]


def as_found(grounding: Grounding) -> Found:
    """A grounding as a grounder tells it."""
    g = grounding
    return Found(g.box, g.confidence, g.label, g.mask, g.quality, g.embedding)


GROUNDERS: Registry[GrounderKind] = Registry(
    GrounderKind,
    GROUP,
    (GrounderKind(DEFAULT, "what SAM 2 proposes, scored by CLIP", ProposalGrounder.of),),
    what="grounder",
)


def parse_grounder(name: str) -> tuple[GrounderKind, str]:
    """The grounder a name asks for, and what stands behind its colon.

    Raises:
        InputError: There is none, or it lacks what must stand there.
    """
    head, _, argument = name.partition(":")
    kind = GROUNDERS.named(head)
    if bool(argument) != bool(kind.takes):
        asked = f"{kind.name}:{kind.takes}" if kind.takes else kind.name
        raise InputError(f"{name!r} names no grounder", hint=f"write {asked}")
    return kind, argument
