"""Which two networks a model name means, loaded when first needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING

from seektrack import defaults
from seektrack.checkpoints import (
    PRESETS,
    Preset,
    find,
    folder_fingerprint,
    parse_model,
    parse_preset,
    pick_device,
    stable_name,
)
from seektrack.checkpoints.runtimes import check_runtime, has_torch, pick_runtime, quickest
from seektrack.checkpoints.torch_build import picks_cpu
from seektrack.encoders.registry import encoder_names, registered
from seektrack.types import Progress

if TYPE_CHECKING:
    from seektrack.encoders import Encoder
    from seektrack.segmentation import Sam2

__all__ = ["Models", "parse_model"]


class Models:
    """The encoder and the segmenter behind a model name; each loads when first used.

    Args:
        model: See :func:`seektrack.checkpoints.parse_preset`.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; chosen when None.
        resolution: Side of the square the segmenter sees, in pixels; the preset's or the checkpoint's own
            when None.
        runtime: Who computes: ``torch``, ``onnx`` or ``onnx:PROVIDER``. If None, on a CPU the graphs that lie
            beside weights, else torch; a precision that graphs do not compute in is torch's.

    Attributes:
        preset: What the name stands for.
        progress: Called with ``(done, total, stage)`` while something is fetched or loaded; may be set.

    Raises:
        ModelError: The name is empty, the folder no model, or the runtime not here.
    """

    def __init__(
        self,
        model: str = defaults.MODEL,
        *,
        device: str | None = None,
        resolution: int | None = None,
        runtime: str | None = None,
    ) -> None:
        check_runtime(runtime)
        self.name, self.device, self.runtime = model, device, runtime
        self.preset: Preset = parse_preset(model)
        self.encoder_name, self.sam2_name = self.preset.clip, self.preset.sam2
        self.resolution = resolution or self.preset.resolution
        self.progress: Progress | None = None

    def __repr__(self) -> str:
        return f"Models({self.name!r}, encoder={self.encoder_name!r}, sam2={self.sam2_name!r})"

    def check(self) -> None:
        """See that both names stand for something and the device is there, before anything is loaded.

        Raises:
            ModelError: One does not, or it is not.
        """
        if registered(self.encoder_name) is None:
            find(self.encoder_name, "text", more=tuple(encoder_names()))
        found = find(self.sam2_name, "mask")
        kind, _ = pick_runtime(self.runtime, found.folder, self.sam2_name, device=self.device)
        if self.device is not None and kind == "torch":
            pick_device(self.device)

    @cached_property
    def encoder(self) -> Encoder:
        """The CLIP-family encoder."""
        from seektrack.encoders import load_encoder

        with self._loading(self.encoder_name):
            return load_encoder(
                self.encoder_name,
                device=self.device,
                runtime=self.runtime or self._quickest(),
                progress=self.progress,
            )

    def _quickest(self) -> str | None:
        """Graphs that lie beside the encoder's weights, if nothing else is asked for: they load at once."""
        if self.device is not None or registered(self.encoder_name):
            return None
        return quickest(find(self.encoder_name, "text").folder)

    @cached_property
    def encoder_fingerprint(self) -> str | None:
        """Fingerprint of the encoder; None where its weights would have to be fetched to know it."""
        if "encoder" in self.__dict__ or registered(self.encoder_name):
            return self.encoder.fingerprint
        folder = find(self.encoder_name, "text").folder
        return None if folder is None else folder_fingerprint(folder)

    @property
    def stable_name(self) -> str:
        """The name, such that it means the same from every folder."""
        if self.name in PRESETS:
            return self.name
        own = stable_name(self.name)
        return own if own != self.name else f"{stable_name(self.encoder_name)}+{stable_name(self.sam2_name)}"

    @cached_property
    def sam2(self) -> Sam2:
        """The SAM 2."""
        from seektrack.segmentation import load_sam2

        load = partial(
            load_sam2,
            self.sam2_name,
            device=self.device,
            resolution=self.resolution,
            progress=self.progress,
        )
        with self._loading(self.sam2_name):
            if self._by_graphs():
                by_torch = partial(load, runtime="torch") if has_torch() else None
                return load(runtime="onnx").or_by_torch(by_torch)
            return load(runtime=self.runtime)

    def _by_graphs(self) -> bool:
        """Whether graphs beside the segmenter's weights compute it, being quicker than torch on a CPU."""
        if self.runtime is not None or self.device not in (None, "cpu") or self.resolution is not None:
            return False
        if quickest(find(self.sam2_name, "mask").folder) is None:
            return False
        return self.device == "cpu" or picks_cpu()

    @cached_property
    def sam2_fingerprint(self) -> str:
        """:attr:`seektrack.segmentation.Sam2.fingerprint` of the SAM 2."""
        return self.sam2.fingerprint

    @contextmanager
    def _loading(self, name: str) -> Iterator[None]:
        if self.progress:
            self.progress(0, 1, f"loading {name}")
        yield
        if self.progress:
            self.progress(1, 1, f"loading {name}")
