"""Work on many processes and machines with Ray: the tasks of a run done by workers that load a model once.

Calls the pipeline and nothing below it: what a task is and how it is done is said there
(`seektrack.pipeline.workers`); here it is carried to who is free.
"""

from typing import TYPE_CHECKING

from seektrack.lazy import lazily

if TYPE_CHECKING:
    from seektrack.distributed.workers import RayWorkers

__all__ = ["RayWorkers"]

__getattr__, __dir__ = lazily(__name__, {"workers": "RayWorkers"})
