"""Encoders measured on pictures, videos and moments with texts: what a paper's table of retrieval holds."""

from seektrack.evaluation.captions.material import Thing, read_things
from seektrack.evaluation.captions.report import TextReport
from seektrack.evaluation.captions.retrieval import TextSettings, evaluate_texts
from seektrack.evaluation.captions.searched import evaluate_libraries
from seektrack.evaluation.captions.zero_shot import ZeroShotReport, evaluate_zero_shot, read_labels

__all__ = [
    "TextReport",
    "TextSettings",
    "Thing",
    "ZeroShotReport",
    "evaluate_libraries",
    "evaluate_texts",
    "evaluate_zero_shot",
    "read_labels",
    "read_things",
]
