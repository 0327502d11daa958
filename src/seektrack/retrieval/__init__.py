"""Finding: text or picture to hits, hits to moments, and results written out."""

from seektrack.retrieval.confidence import ConfidenceSettings, query_probability, temporal_evidence
from seektrack.retrieval.export import (
    contact_sheet,
    hits_to_csv,
    hits_to_json,
    moments_to_csv,
    moments_to_json,
)
from seektrack.retrieval.hits import (
    Scores,
    score_library,
    search,
    search_image,
)
from seektrack.retrieval.moments import (
    MomentSettings,
    find_moments,
    moments_from_scores,
    temporal_iou,
    temporal_nms,
)
from seektrack.retrieval.query import TextQuery, prepare_query

__all__ = [
    "ConfidenceSettings",
    "MomentSettings",
    "Scores",
    "TextQuery",
    "contact_sheet",
    "find_moments",
    "hits_to_csv",
    "hits_to_json",
    "moments_from_scores",
    "moments_to_csv",
    "moments_to_json",
    "prepare_query",
    "query_probability",
    "score_library",
    "search",
    "search_image",
    "temporal_evidence",
    "temporal_iou",
    "temporal_nms",
]
