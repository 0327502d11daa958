"""Pure functions that say how good a result is: masks, tracks, rankings."""

from seektrack.metrics.higher_order import HotaScores, hota
from seektrack.metrics.masks import (
    MaskScores,
    SequenceScores,
    boundary_f,
    boundary_iou,
    j_and_f,
    mask_scores,
    match_objects,
    sequence_scores,
)
from seektrack.metrics.matching import FrameMatch, frame_matches
from seektrack.metrics.over_time import OverTimeScores, over_time
from seektrack.metrics.rankings import Rankings, rank_tables
from seektrack.metrics.retrieval import RetrievalScores, evaluate
from seektrack.metrics.tracking import ClearScores, IdentityScores, clear, identity

__all__ = [
    "ClearScores",
    "FrameMatch",
    "HotaScores",
    "IdentityScores",
    "MaskScores",
    "OverTimeScores",
    "Rankings",
    "RetrievalScores",
    "SequenceScores",
    "boundary_f",
    "boundary_iou",
    "clear",
    "evaluate",
    "frame_matches",
    "hota",
    "identity",
    "j_and_f",
    "mask_scores",
    "match_objects",
    "rank_tables",
    "over_time",
    "sequence_scores",
]
