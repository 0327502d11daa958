"""Finding: text or picture to hits, hits to moments and chains of them, and results written out."""

from typing import TYPE_CHECKING

from seektrack.lazy import lazily
from seektrack.retrieval.likeness import likeness, search_image

if TYPE_CHECKING:
    from seektrack.retrieval.align import AlignSettings, TimedText, align_texts, read_srt
    from seektrack.retrieval.calibrate import calibrated, derive
    from seektrack.retrieval.clips import save_clips, write_clip
    from seektrack.retrieval.compare import Comparison, Wording, compare_prompts
    from seektrack.retrieval.confidence import ConfidenceSettings, query_probability, temporal_evidence
    from seektrack.retrieval.editor import (
        codes_of,
        save_edl,
        save_otio,
        save_vtt,
        timed,
        to_edl,
        to_timeline,
        to_vtt,
    )
    from seektrack.retrieval.export import (
        chains_to_csv,
        contact_sheet,
        hits_to_csv,
        hits_to_json,
        key_hits,
        moments_to_csv,
        moments_to_json,
        save_csv,
        save_key_frames,
        save_sheet,
    )
    from seektrack.retrieval.hits import search
    from seektrack.retrieval.labels import Labelled, label_images
    from seektrack.retrieval.moments import (
        MomentSettings,
        find_moments,
        moments_from_scores,
        temporal_iou,
        temporal_nms,
    )
    from seektrack.retrieval.motion import MotionQuery, MotionScorer, MotionSettings, parse_motion
    from seektrack.retrieval.query import TextQuery, prepare_query
    from seektrack.retrieval.ranking import RANK_BY, QueryBank, RankBy, stored_bank
    from seektrack.retrieval.scores import Scores, known_video, score_library, score_query
    from seektrack.retrieval.segments import FrameScorer, SegmentScorer, SegmentScores
    from seektrack.retrieval.sequence import (
        Chain,
        SequenceSettings,
        Step,
        find_sequences,
        steps_of,
    )
    from seektrack.retrieval.timecodes import timecode
    from seektrack.retrieval.wordings import library_templates

__all__ = [
    "RANK_BY",
    "AlignSettings",
    "Chain",
    "Comparison",
    "ConfidenceSettings",
    "FrameScorer",
    "Labelled",
    "MomentSettings",
    "MotionQuery",
    "MotionScorer",
    "MotionSettings",
    "QueryBank",
    "RankBy",
    "Scores",
    "SegmentScorer",
    "SegmentScores",
    "SequenceSettings",
    "Step",
    "TextQuery",
    "TimedText",
    "Wording",
    "align_texts",
    "calibrated",
    "chains_to_csv",
    "codes_of",
    "compare_prompts",
    "contact_sheet",
    "derive",
    "find_moments",
    "find_sequences",
    "hits_to_csv",
    "hits_to_json",
    "key_hits",
    "known_video",
    "label_images",
    "library_templates",
    "likeness",
    "moments_from_scores",
    "moments_to_csv",
    "moments_to_json",
    "parse_motion",
    "prepare_query",
    "query_probability",
    "read_srt",
    "save_clips",
    "save_csv",
    "save_edl",
    "save_key_frames",
    "save_otio",
    "save_sheet",
    "save_vtt",
    "score_library",
    "score_query",
    "search",
    "search_image",
    "steps_of",
    "timed",
    "timecode",
    "to_edl",
    "to_timeline",
    "to_vtt",
    "write_clip",
    "stored_bank",
    "temporal_evidence",
    "temporal_iou",
    "temporal_nms",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "align": "AlignSettings TimedText align_texts read_srt",
        "calibrate": "calibrated derive",
        "clips": "save_clips write_clip",
        "compare": "Comparison Wording compare_prompts",
        "confidence": "ConfidenceSettings query_probability temporal_evidence",
        "editor": "codes_of save_edl save_otio save_vtt timed to_edl to_timeline to_vtt",
        "export": "chains_to_csv contact_sheet hits_to_csv hits_to_json key_hits moments_to_csv "
        "moments_to_json save_csv save_key_frames save_sheet",
        "hits": "search",
        "labels": "Labelled label_images",
        "moments": "MomentSettings find_moments moments_from_scores temporal_iou temporal_nms",
        "motion": "MotionQuery MotionScorer MotionSettings parse_motion",
        "query": "TextQuery prepare_query",
        "ranking": "RANK_BY QueryBank RankBy stored_bank",
        "scores": "Scores known_video score_library score_query",
        "segments": "FrameScorer SegmentScorer SegmentScores",
        "sequence": "Chain SequenceSettings Step find_sequences steps_of",
        "timecodes": "timecode",
        "wordings": "library_templates",
    },
)
