"""Text to objects in one picture: what is asked for, where it is, and how to tell the segmenter."""

from seektrack.grounding.found import CropKind, Found, Grounding, GroundSettings
from seektrack.grounding.ground import ground, ground_proposals
from seektrack.grounding.grounder import Grounder, GrounderContext, GrounderKind
from seektrack.grounding.grounders import GROUNDERS, ProposalGrounder, parse_grounder
from seektrack.grounding.merging import distinct, join_parts, masked_confidence, touch
from seektrack.grounding.prompts import PROMPT_KINDS, PromptKind, make_prompt, to_prompts
from seektrack.grounding.scoring import TextScorer, counter_texts, embed_objects, one_concept

__all__ = [
    "GROUNDERS",
    "PROMPT_KINDS",
    "CropKind",
    "Found",
    "GroundSettings",
    "Grounder",
    "GrounderContext",
    "GrounderKind",
    "Grounding",
    "PromptKind",
    "ProposalGrounder",
    "TextScorer",
    "counter_texts",
    "distinct",
    "embed_objects",
    "ground",
    "ground_proposals",
    "join_parts",
    "make_prompt",
    "one_concept",
    "masked_confidence",
    "parse_grounder",
    "to_prompts",
    "touch",
]
