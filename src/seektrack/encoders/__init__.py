"""Images and texts in one space: the encoder protocol, its registry, the CLIP family, and query wordings."""

from seektrack.encoders.base import Encoder, Vocabulary, l2_normalise
from seektrack.encoders.contrast import contrast_texts
from seektrack.encoders.preprocess import ImageSettings, clip_transform
from seektrack.encoders.prompts import TEMPLATES, clean_query, embed_queries, embed_query, is_noun_query
from seektrack.encoders.registry import encoder_names, load_encoder, register_encoder

__all__ = [
    "TEMPLATES",
    "Encoder",
    "ImageSettings",
    "Vocabulary",
    "clean_query",
    "clip_transform",
    "contrast_texts",
    "embed_queries",
    "embed_query",
    "encoder_names",
    "is_noun_query",
    "l2_normalise",
    "load_encoder",
    "register_encoder",
]
