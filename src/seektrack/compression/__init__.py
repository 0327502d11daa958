"""Networks made smaller and carried elsewhere: as ONNX graphs, in half precision or eight bits, pruned.

Checkpoints in, model folders out. It knows the networks and what loads them, and nothing of the product.
"""

from typing import TYPE_CHECKING

from seektrack.lazy import lazily

if TYPE_CHECKING:
    from seektrack.compression.models import export_beside, export_model
    from seektrack.compression.pruned import Pruned, prune

__all__ = ["Pruned", "export_beside", "export_model", "prune"]

__getattr__, __dir__ = lazily(__name__, {"models": "export_beside export_model", "pruned": "Pruned prune"})
