"""The one way to weights: names, folders, the hub, fingerprints, devices and loading, for every network."""

from typing import TYPE_CHECKING

from seektrack.lazy import lazily

if TYPE_CHECKING:
    from seektrack.checkpoints.devices import pick_device, pick_dtype
    from seektrack.checkpoints.finding import (
        Checkpoint,
        find,
        has_tokenizer,
        model_type,
        read_config,
        stable_name,
    )
    from seektrack.checkpoints.fingerprints import folder_fingerprint, weights_fingerprint
    from seektrack.checkpoints.loading import (
        check_finite,
        load_config,
        load_network,
        load_other,
        load_tokenizer,
        load_weights,
        obtain,
        quietly,
    )
    from seektrack.checkpoints.names import PRESETS, Part, Preset, names_of, packaged_folder
    from seektrack.checkpoints.presets import parse_model, parse_preset

__all__ = [
    "PRESETS",
    "Checkpoint",
    "Part",
    "Preset",
    "check_finite",
    "find",
    "folder_fingerprint",
    "has_tokenizer",
    "load_config",
    "load_network",
    "load_other",
    "load_tokenizer",
    "load_weights",
    "model_type",
    "names_of",
    "obtain",
    "packaged_folder",
    "parse_model",
    "parse_preset",
    "pick_device",
    "pick_dtype",
    "quietly",
    "read_config",
    "stable_name",
    "weights_fingerprint",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "devices": "pick_device pick_dtype",
        "finding": "Checkpoint find has_tokenizer model_type read_config stable_name",
        "fingerprints": "folder_fingerprint weights_fingerprint",
        "loading": "check_finite load_config load_network load_other load_tokenizer load_weights obtain "
        "quietly",
        "names": "PRESETS Part Preset names_of packaged_folder",
        "presets": "parse_model parse_preset",
    },
)
