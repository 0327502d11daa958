"""What finds the objects a question asks for in one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder
from seektrack.encoders.prompts import Templates
from seektrack.grounding.found import Found, GroundSettings
from seektrack.grounding.ground import ProposalLike
from seektrack.grounding.scoring import TextScorer
from seektrack.query import Concept

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
        takes: What must stand behind ``name:``, as ``ID``; empty when nothing does.
        min_confidence: Least confidence of a track where nobody says another: detectors have scales of their
            own.
    """

    name: str
    about: str
    make: Callable[[GrounderContext], Grounder]
    takes: str = ""
    min_confidence: float = 0.5
