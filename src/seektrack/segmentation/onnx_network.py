"""The network computed by ONNX Runtime: the same answers as torch's, in numpy's arrays, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.checkpoints import Checkpoint
from seektrack.checkpoints.fingerprints import check_source
from seektrack.checkpoints.graphs import UNREADABLE, Graphs, Session, read_graphs
from seektrack.errors import ModelError
from seektrack.segmentation.answer import Job
from seektrack.segmentation.arrays import stability
from seektrack.segmentation.features import (
    MASK_LOGIT_BIAS,
    MASK_LOGIT_SCALE,
    NO_OBJECT_LOGIT,
    Array,
    Chosen,
    Decoded,
    ImageFeatures,
)
from seektrack.segmentation.memory import Recall, Remembered, Row
from seektrack.segmentation.runtime import NetworkSizes
from seektrack.segmentation.squares import MEAN, STD, mask_square, resized, squared
from seektrack.segmentation.stored import Stored, narrowed, widened
from seektrack.types import Prompt

Floats = NDArray[np.float32]

_MEAN, _STD = (np.array(values, np.float32) * 255 for values in (MEAN, STD))


class OnnxNetwork:
    """A ``runtime.Network`` of graphs, each opened when first needed.

    Args:
        graphs: Of a SAM 2.
        provider: Who computes them.
        weights: The name of this set of weights, where a checkpoint holds two.

    Raises:
        ModelError: A graph is missing, or the note lacks what must be known.
    """

    def __init__(self, graphs: Graphs, *, provider: str = "cpu", weights: str = "") -> None:
        self.graphs, self.provider, self.weights = graphs, provider, weights
        self.memory_dtype = "bfloat16"
        try:
            sizes = {**graphs.settings["sizes"]}
            sizes["multimask_points"] = tuple(sizes["multimask_points"])
            self.sizes = NetworkSizes(**sizes)
            self._no_mask, self._no_memory = (
                np.array(graphs.settings[name], np.float32).reshape(1, -1, 1, 1)
                for name in ("no_mask", "no_memory")
            )
            if {self._no_mask.size, self._no_memory.size} != {self.sizes.hidden_dim}:
                raise ValueError(f"no_mask and no_memory are {self.sizes.hidden_dim} values each")
        except UNREADABLE as error:
            raise ModelError(
                f"the note of {graphs.folder} lacks what a SAM 2 needs: {error}",
                hint="write it again: seektrack models export MODEL --to FOLDER",
            ) from error
        self._open: dict[str, Session] = {}

    @classmethod
    def load(
        cls, found: Checkpoint, *, provider: str = "cpu", resolution: int | None = None, weights: str = ""
    ) -> OnnxNetwork:
        """The graphs in a checkpoint's folder.

        Raises:
            ModelError: It holds none, those of other weights, or of another resolution.
        """
        folder, name = found.folder, found.name
        if folder is None:
            raise ModelError(
                f"the model {name!r} is not on this machine, and no graphs of it",
                hint=f"seektrack models export {name} --to FOLDER, then --model FOLDER",
            )
        graphs = read_graphs(folder, name, kind="sam2")
        check_source(graphs, folder, name)
        network = cls(graphs, provider=provider, weights=weights)
        own = network.sizes.resolution
        if resolution not in (None, own):
            raise ModelError(
                f"the graphs of {name!r} are for {own} pixels, {resolution} was asked for",
                hint=f"write others: seektrack models export MODEL --to FOLDER --resolution {resolution}",
            )
        return network

    @property
    def device_type(self) -> str:
        """Arrays are numpy's whoever computes."""
        return "cpu"

    @property
    def fingerprint(self) -> str:
        """Of the weights they were made of; another where they were made int8."""
        return self.graphs.answers_fingerprint

    def pixels(self, images: Sequence[NDArray[np.uint8]]) -> Floats:
        """Pictures as the network sees them: float32 (B, 3, S, S)."""
        squares = np.stack([squared(image, self.sizes.resolution) for image in images])
        scaled = (squares.astype(np.float32) - _MEAN) / _STD
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))

    def encode(self, pixels: Floats, *, hw: tuple[int, int]) -> ImageFeatures:
        """Run the image encoder."""
        s0, s1, top = self._run("image_encoder", pixels)
        return ImageFeatures(s0=s0, s1=s1, top=top, position=None, hw=hw, weights=self.weights)

    def without_memory(self, features: ImageFeatures) -> Floats:
        """What is decoded from where nothing is remembered."""
        return np.asarray(features.top + self._no_memory)

    def decode(
        self,
        features: ImageFeatures,
        *,
        points: NDArray[np.floating] | None = None,
        labels: NDArray[np.integer] | None = None,
        mask: Floats | None = None,
    ) -> Decoded:
        """All masks for prompts on a frame of which nothing is remembered."""
        dense = self._no_mask if mask is None else self._run("mask_prompt", mask.astype(np.float32))[0]
        return self._decode(features, self.without_memory(features) + dense, points, labels)

    def choose(self, decoded: Decoded, *, multimask: bool) -> Chosen:
        """One mask a prompt, see ``network.choose``; ``token`` holds its pointer."""
        rows = np.arange(len(decoded.iou))
        best = decoded.iou[:, 1:].argmax(axis=1) + 1
        pick, token = best, best
        if not multimask:
            pick = token = np.zeros_like(best)
            if self.sizes.by_stability:
                stable = stability(decoded.logits[:, 0], delta=self.sizes.stability_delta)
                pick = np.where(stable >= self.sizes.stability_threshold, 0, best)
        return Chosen(decoded.logits[rows, pick], decoded.iou[rows, pick], decoded.tokens[rows, token])

    def array(self, values: NDArray[Any]) -> Floats:
        """Values as float32."""
        return values.astype(np.float32, copy=False)

    @property
    def memory_fingerprint(self) -> str:
        """What sessions need to continue."""
        return f"onnx {self.sizes.resolution} {self.fingerprint}"

    def dtype_of(self, name: str) -> str:
        """Memories are kept as bfloat16 whatever is asked for."""
        return name

    def store(self, values: Array) -> Stored:
        """As they are; memories are bits of bfloat16 already."""
        return np.array(values)

    def restore(self, values: Stored) -> Array:
        """As they are."""
        return np.array(values)

    def remembered(self, tokens: Array) -> Remembered:
        """Keys are made when they are read."""
        return Remembered(tokens if tokens.dtype == np.uint16 else narrowed(tokens))

    def answer(
        self, features: ImageFeatures, jobs: Sequence[Job], *, n_pointers: int, memory_dtype: Any
    ) -> list[Row]:
        """Answer for a batch of jobs of equal key; memories are rounded to bfloat16 as torch's are."""
        prompts = [j.mask for j in jobs if j.mask is not None]
        if prompts:
            return self._answer_masks(features, prompts)
        recalls = [j.recall for j in jobs if j.recall is not None]
        inputs = [j.points for j in jobs if j.points is not None]
        multimask = self.sizes.multimask(len(inputs[0].labels) if inputs else 0, afresh=not recalls)
        image = self._condition(features, recalls, n_pointers) if recalls else self.without_memory(features)
        points = np.stack([p.points for p in inputs]) if inputs else None
        labels = np.stack([p.labels for p in inputs]) if inputs else None
        decoded = self._decode(features, image + self._no_mask, points, labels)
        chosen = self.choose(decoded, multimask=multimask)
        there: NDArray[np.bool_] = np.greater(decoded.score, 0)
        logits = np.where(np.expand_dims(there, 2), chosen.logits, np.float32(NO_OBJECT_LOGIT))
        seen = self._grown(logits)
        mask = (seen > 0).astype(np.float32) if inputs else _sigmoid(seen)
        return self._rows(features, logits, decoded.score[:, 0], chosen.iou, chosen.token, mask, there)

    def _answer_masks(self, features: ImageFeatures, prompts: Sequence[Prompt]) -> list[Row]:
        """A mask prompt is its own answer; the decoder only makes a pointer of it."""
        side = self.sizes.resolution
        mask = np.stack([mask_square(prompt, side) for prompt in prompts])[:, None]
        full = mask * np.float32(MASK_LOGIT_SCALE) + np.float32(MASK_LOGIT_BIAS)
        logits = np.stack([resized(one[0], side // 4) for one in full])
        there = np.any(mask, axis=(1, 2, 3)).reshape(-1, 1)
        dense = self._run("mask_prompt", self._run("mask_shrinker", mask)[0])[0]
        decoded = self._decode(features, features.top + dense, None, None)
        pointer = self.choose(decoded, multimask=True).token
        score = there[:, 0].astype(np.float32) * MASK_LOGIT_SCALE + MASK_LOGIT_BIAS
        return self._rows(features, logits, score, np.ones_like(score), pointer, mask, there)

    def _decode(
        self,
        features: ImageFeatures,
        image: Floats,
        points: NDArray[np.floating] | None,
        labels: NDArray[np.integer] | None,
    ) -> Decoded:
        """Run the decoder from ``image`` (B or 1, C, f, f), which holds the dense prompt already."""
        rows = max(len(image), 1 if points is None else len(points))
        if points is None or labels is None:
            points, labels = np.zeros((rows, 1, 2)), np.full((rows, 1), -1)
        image = np.ascontiguousarray(np.broadcast_to(image, (rows, *image.shape[1:])), dtype=np.float32)
        given = points.astype(np.float32), labels.astype(np.int64)
        if len(features.s0) == 1:
            return Decoded(*self._run("mask_decoder", features.s0, features.s1, image, *given))
        parts = [
            self._run(
                "mask_decoder", features.s0[row], features.s1[row], image[row], *(g[row] for g in given)
            )
            for row in (slice(i, i + 1) for i in range(rows))
        ]
        return Decoded(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _condition(self, features: ImageFeatures, recalls: Sequence[Recall], n_pointers: int) -> Floats:
        """Let the frame look at each object's past; what objects remember is padded to the longest."""
        rows = len(recalls)
        m = max(len(r.memories) for r in recalls)
        p = max(1, *(len(r.pointers) for r in recalls))
        tokens, width = recalls[0].memories[0].tokens.shape
        memories = np.zeros((rows, m, tokens, width), np.float32)
        offsets, there = np.zeros((rows, m), np.int64), np.zeros((rows, m), np.float32)
        pointers = np.zeros((rows, p, self.sizes.hidden_dim), np.float32)
        ages, known = np.zeros((rows, p), np.float32), np.zeros((rows, p), np.float32)
        for row, recall in enumerate(recalls):
            for slot, memory in enumerate(recall.memories):
                memories[row, slot] = widened(memory.tokens)
            offsets[row, : len(recall.offsets)], there[row, : len(recall.offsets)] = recall.offsets, 1
            for slot, pointer in enumerate(recall.pointers):
                pointers[row, slot] = pointer
            ages[row, : len(recall.pointers)], known[row, : len(recall.pointers)] = recall.pointer_offsets, 1
        span = np.array([n_pointers - 1], np.float32)
        top = features.top
        return self._run("memory_attention", top, memories, offsets, there, pointers, ages, known, span)[0]

    def _rows(
        self,
        features: ImageFeatures,
        logits: Floats,
        score: Floats,
        iou: Floats,
        pointer: Floats,
        mask: Floats,
        there: NDArray[np.bool_],
    ) -> list[Row]:
        """Remember the masks, and cut the batch into one ``Row`` an object, each with its own arrays."""
        memory = self._run("memory_encoder", features.top, mask, there.astype(np.float32))[0]
        return [
            Row(
                logits=logits[row].copy(),
                score=score[row].copy(),
                iou=iou[row].copy(),
                pointer=pointer[row].copy(),
                memory=Remembered(narrowed(memory[row])),
            )
            for row in range(len(logits))
        ]

    def _grown(self, logits: Floats) -> Floats:
        """Low-resolution logits (B, h, h) at the side of the input: (B, 1, S, S)."""
        side = self.sizes.resolution
        full = [cv2.resize(one, (side, side), interpolation=cv2.INTER_LINEAR) for one in logits]
        return np.stack(full)[:, None]

    def _run(self, name: str, *values: NDArray[Any]) -> list[NDArray[Any]]:
        session = self._open.get(name)
        if session is None:
            session = self._open[name] = Session(self.graphs, name, provider=self.provider)
        return session(*values)

    def __repr__(self) -> str:
        return f"OnnxNetwork({str(self.graphs.folder)!r}, provider={self.provider!r})"


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))), dtype=np.float32)
