"""Text to objects in one picture: what is asked for, where it is, and how to tell the segmenter."""

from seektrack.grounding.found import CropKind, Grounding, GroundSettings
from seektrack.grounding.ground import ground, ground_proposals
from seektrack.grounding.merging import distinct, join_parts, masked_confidence, touch
from seektrack.grounding.prompts import PROMPT_KINDS, PromptKind, make_prompt, to_prompts
from seektrack.grounding.scoring import TextScorer, counter_texts, embed_objects, one_concept

__all__ = [
    "PROMPT_KINDS",
    "CropKind",
    "GroundSettings",
    "Grounding",
    "PromptKind",
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
    "to_prompts",
    "touch",
]
