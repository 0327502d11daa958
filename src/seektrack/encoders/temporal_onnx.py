"""The temporal encoder as ONNX graphs: the same embeddings, without torch or transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from seektrack.checkpoints.graphs import UNREADABLE, Graphs, Session
from seektrack.encoders.temporal_clips import Floats, TemporalClips
from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.encoders.text_reader import TextReader
from seektrack.errors import ModelError


class OnnxTemporalEncoder(TemporalClips):
    """Graphs of a temporal encoder; each is opened when first needed.

    Args:
        name: What the user asked for.
        graphs: Its parts.
        provider: Who computes them.

    Raises:
        ModelError: The note lacks what must be known.
    """

    def __init__(self, name: str, graphs: Graphs, *, provider: str = "cpu") -> None:
        self._graphs, self.provider = graphs, provider
        try:
            sizes = TemporalSizes.from_dict(dict(graphs.settings["sizes"]))
            scale, self._text = float(graphs.settings["logit_scale"]), dict(graphs.settings["text"])
        except UNREADABLE as error:
            raise ModelError(
                f"the note of {graphs.folder} lacks what a temporal encoder needs: {error}",
                hint="write it again: seektrack models export MODEL --to FOLDER",
            ) from error
        super().__init__(
            sizes,
            name=name,
            fingerprint=graphs.answers_fingerprint,
            logit_scale=scale,
            folder=graphs.folder,
        )
        self._open: dict[str, Session] = {}

    @cached_property
    def _reader(self) -> TextReader:
        return TextReader.load(self._graphs.folder, self._text)

    def _frames(self, pixels: Floats) -> Floats:
        return self._session("frames")(pixels)[0]

    def _time(self, features: Floats) -> Floats:
        return self._session("time")(features)[0]

    def _texts(self, texts: Sequence[str]) -> Floats:
        return self._session("text")(*self._reader(texts))[0]

    def _session(self, name: str) -> Session:
        if name not in self._open:
            self._open[name] = Session(self._graphs, name, provider=self.provider)
        return self._open[name]

    def __repr__(self) -> str:
        return f"OnnxTemporalEncoder({self.name!r}, n_frames={self.n_frames}, provider={self.provider!r})"
