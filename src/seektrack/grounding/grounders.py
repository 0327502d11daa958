"""Grounders by name.

A package of one's own adds a grounder by an entry point of the group ``seektrack.grounders`` whose object is
a `GrounderKind`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seektrack.errors import InputError
from seektrack.grounding.found import Found, Grounding, GroundSettings
from seektrack.grounding.ground import ground_proposals
from seektrack.grounding.grounder import Grounder, GrounderContext, GrounderKind, Image, Propose
from seektrack.grounding.scoring import TextScorer
from seektrack.registry import Registry

GROUP = "seektrack.grounders"
DEFAULT = "proposals"


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


def _detector(context: GrounderContext) -> Grounder:
    from seektrack.grounding.detectors import make_detector_grounder

    return make_detector_grounder(context)


def _sam3(context: GrounderContext) -> Grounder:
    from seektrack.grounding.sam3 import make_sam3_grounder

    return make_sam3_grounder(context)


GROUNDERS: Registry[GrounderKind] = Registry(
    GrounderKind,
    GROUP,
    (
        GrounderKind(DEFAULT, "what SAM 2 proposes, scored by CLIP", ProposalGrounder.of),
        GrounderKind("hf", "a detector of transformers that reads texts", _detector, "ID", 0.25),
        GrounderKind("sam3", "SAM 3, masks of its own", _sam3, "ID", 0.4),
    ),
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
