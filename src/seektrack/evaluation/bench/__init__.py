"""Speed, latency and memory on this machine, beside transformers' own loop in the same run."""

from seektrack.evaluation.bench.following import follow_rows
from seektrack.evaluation.bench.rows import BenchSettings, Row
from seektrack.evaluation.bench.searching import search_rows
from seektrack.evaluation.bench.told import markdown, write_bench
from seektrack.evaluation.bench.whole import whole_rows

__all__ = ["BenchSettings", "Row", "follow_rows", "markdown", "search_rows", "whole_rows", "write_bench"]
