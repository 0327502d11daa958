"""Images and texts in one space: the encoder protocol, its registry, the CLIP family, and query wordings."""

from typing import TYPE_CHECKING

from seektrack.lazy import lazily

if TYPE_CHECKING:
    from seektrack.encoders.base import Encoder, PictureView, Vocabulary, l2_normalise, view_picture
    from seektrack.encoders.calibration import Calibration, read_calibration
    from seektrack.encoders.contrast import colours_of, contrast_texts, embed_contrast
    from seektrack.encoders.domain import Domain, read_domain, settled
    from seektrack.encoders.features import embed_and_describe, embed_and_measure
    from seektrack.encoders.loading import load_encoder
    from seektrack.encoders.preprocess import ImageSettings, clip_transform
    from seektrack.encoders.prompts import (
        TEMPLATES,
        Templates,
        check_language,
        check_templates,
        embed_queries,
        embed_query,
        embed_weighted,
        is_noun_query,
    )
    from seektrack.encoders.registry import encoder_names, register_encoder
    from seektrack.encoders.spelling import Correction, Speller, speller_for
    from seektrack.encoders.translation import Translator, load_translator, register_translator
    from seektrack.encoders.whitening import Whitening

__all__ = [
    "TEMPLATES",
    "Calibration",
    "Correction",
    "Domain",
    "Encoder",
    "ImageSettings",
    "PictureView",
    "Speller",
    "Templates",
    "Translator",
    "Vocabulary",
    "Whitening",
    "check_language",
    "check_templates",
    "clip_transform",
    "colours_of",
    "contrast_texts",
    "embed_contrast",
    "embed_and_describe",
    "embed_and_measure",
    "embed_queries",
    "embed_query",
    "embed_weighted",
    "encoder_names",
    "is_noun_query",
    "l2_normalise",
    "load_encoder",
    "load_translator",
    "read_calibration",
    "read_domain",
    "register_encoder",
    "register_translator",
    "settled",
    "speller_for",
    "view_picture",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "base": "Encoder PictureView Vocabulary l2_normalise view_picture",
        "calibration": "Calibration read_calibration",
        "contrast": "colours_of contrast_texts embed_contrast",
        "domain": "Domain read_domain settled",
        "features": "embed_and_describe embed_and_measure",
        "loading": "load_encoder",
        "preprocess": "ImageSettings clip_transform",
        "prompts": "TEMPLATES Templates check_language check_templates embed_queries embed_query "
        "embed_weighted is_noun_query",
        "registry": "encoder_names register_encoder",
        "spelling": "Correction Speller speller_for",
        "translation": "Translator load_translator register_translator",
        "whitening": "Whitening",
    },
)
