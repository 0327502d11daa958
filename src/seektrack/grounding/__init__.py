"""Text to objects in one picture: what is asked for, where it is, and how to tell the segmenter."""

from seektrack.grounding.ground import (
    Grounding,
    GroundSettings,
    distinct,
    embed_objects,
    ground,
    ground_proposals,
)
from seektrack.grounding.prompts import PROMPT_KINDS, PromptKind, make_prompt, to_prompts
from seektrack.grounding.scoring import TextScorer
from seektrack.grounding.target import Motion, Target, counter_texts, parse_target

__all__ = [
    "PROMPT_KINDS",
    "GroundSettings",
    "Grounding",
    "Motion",
    "PromptKind",
    "Target",
    "TextScorer",
    "counter_texts",
    "distinct",
    "embed_objects",
    "ground",
    "ground_proposals",
    "make_prompt",
    "parse_target",
    "to_prompts",
]
