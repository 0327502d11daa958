"""Measuring on real footage and photographs with truth, in folders anybody can lay out."""

from seektrack.evaluation.real.layouts import LAYOUTS, Layout, evaluate_real
from seektrack.evaluation.real.results import PROMPTS, Measured, RealSettings

__all__ = ["LAYOUTS", "PROMPTS", "Layout", "Measured", "RealSettings", "evaluate_real"]
