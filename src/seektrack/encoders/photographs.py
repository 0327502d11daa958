"""A pocket CLIP that knows photographs too: two experts behind one door.

The CLIP learnt a drawn world; beside it in the same folder lies a small network that learnt photographs
(``photographs.safetensors``), the names it can tell (``photographs.json``), and a gate that says which of the
two a picture belongs to. An embedding holds both: the CLIP's, weighted by the gate, then the other's. Texts
are embedded by both. So a cosine is the drawn one for drawings and the other one for photographs, and vectors
can be stored, averaged and compared like any others.

Who computes the networks, torch or ONNX Runtime, is not known here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.base import CROP_MARGIN, Vocabulary, l2_normalise
from seektrack.encoders.colours import COLOURS, colour_rows
from seektrack.encoders.lexicon import Lexicon
from seektrack.encoders.preprocess import CLIP_MEAN, CLIP_STD, averaged
from seektrack.encoders.taught import Taught
from seektrack.errors import ModelError
from seektrack.geometry import crop_square

WEIGHTS, SETTINGS = "photographs.safetensors", "photographs.json"
EXTRA = 16
"""Numbers of an embedding behind the experts': words nobody knows, the colours, what speaks for none of the
names, then zeros."""
RESERVE = EXTRA - 4
"""Where among them a photograph agrees with the texts of pictures without a name."""
BATCH = 32
"""Pictures asked at once."""
SURE = 0.02
"""Below this share an expert is not asked."""
SHARP = 4.0
"""Multiplies the gate's log odds: an expert that half belongs says much that is only noise."""
WHOLE = 2.0
"""What the log odds of a whole picture count when a crop of it is judged: it shows more surface."""
MARGINS = (0.0, 0.8)
"""Of objects of photographs, plain and masked: one look is tight, as what was learnt from is, one wide."""
LATER = 0.5
"""What the second name in a text counts beside the first, the third beside the second."""

_MEAN, _STD = np.array(CLIP_MEAN, np.float32), np.array(CLIP_STD, np.float32)

Image = NDArray[np.uint8]
Rows = NDArray[np.float32]
Network = Callable[[Rows], NDArray[Any]]
"""Pictures float32 (B, 3, S, S) to what a network makes of them."""


class Photographs:
    """What knows photographs.

    Attributes:
        words: Every word it was taught, of all languages.
        rows: Unit rows of what it can tell, ``names`` and ``backgrounds`` say which.

    Args:
        settings: The content of ``photographs.json``. Where it says ``mirrored``, a picture is looked at as
            it is and mirrored; the mean of both counts.
        rows: Unit rows (K + M, D) of the concepts, then of the backgrounds.
        tower: Views of pictures (B, 3, V, V) to unit rows (B, D).
        gate: Normalised pictures (B, 3, S, S) to log odds (B,) that they are drawings.
        taught: Names that somebody taught it beside its own, or better.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        rows: Rows,
        *,
        tower: Network,
        gate: Network,
        taught: Taught | None = None,
    ) -> None:
        self.names = {name: i for i, name in enumerate(settings["concepts"])}
        first = len(self.names)
        self.backgrounds = {text: first + i for i, text in enumerate(settings["backgrounds"])}
        words, labels, kinds = settings["words"], settings["labels"], dict(settings["kinds"])
        self.taught = taught
        if taught is not None:
            self.names |= {name: len(rows) + i for i, name in enumerate(taught.names)}
            rows = np.concatenate([rows, taught.rows])
            words, labels = {**words, **taught.words}, dict.fromkeys([*labels, *taught.labels()])
            kinds |= taught.kinds
        self.lexicon = Lexicon(words, settings["colours"])
        self.labels = tuple(map(str, labels))
        said = (*words, *settings["colours"])
        whole = (word for text in said for word in text.lower().split() if "-" not in word)
        self.words = frozenset(part for word in whole for part in re.findall(r"[^\W\d_]+", word))
        self.kinds = {str(name): tuple(above) for name, above in kinds.items()}
        shown = {name for label in self.labels for name in self.lexicon.read(label).things}
        self.groups = frozenset({above for several in self.kinds.values() for above in several} - shown)
        self.colour_share = float(settings["colour_share"])
        self.scale = float(settings["scale"])
        self._reserve = math.sqrt(float(settings.get("reserve", 0.0)) / self.scale)
        self.grain = float(settings["sizes"]["grain"])
        self._mirrored = bool(settings.get("mirrored", False))
        self.dim = int(rows.shape[1]) + EXTRA
        self.rows, self._tower, self._gate = rows, tower, gate

    def vocabulary(self, drawn: Vocabulary | None) -> Vocabulary:
        """What the drawn world's encoder knows, and this."""
        own = drawn or Vocabulary((), ())
        return Vocabulary(
            tuple(dict.fromkeys([*own.labels, *self.labels])),
            tuple(dict.fromkeys([*own.background, *self.backgrounds])),
            own.templates,
            own.languages,
            {**own.kinds, **self.kinds},
            tuple(name for name in self.names if name in self.groups),
        )

    def odds(self, pictures: Sequence[Image], pixels: Rows) -> NDArray[np.float64]:
        """Log odds (B,) that pictures are drawings of the world that was learnt.

        A frame is looked at twice, its middle as the CLIP sees it and all of it in a square as the gate was
        taught: a drawing looks like one both times, a cartoon in one of the two. The lower odds count.

        Args:
            pictures: RGB uint8 (H, W, 3) each.
            pixels: The same as the CLIP sees them, normalised, float32 (B, 3, S, S).
        """
        odds = self._gate(pixels).astype(np.float64)
        side = pixels.shape[-1]
        frames = [i for i, picture in enumerate(pictures) if picture.shape[:2] != (side, side)]
        if frames:
            squares = self._gate(np.stack([_squared(pictures[i], side) for i in frames]))
            odds[frames] = np.minimum(odds[frames], squares)
        return np.asarray(SHARP * odds)

    def embed_images(self, pixels: Rows) -> Rows:
        """Unit rows (B, dim) of normalised pictures (B, 3, S, S)."""
        rows = self._looked_at(averaged(pixels, max(8, round(pixels.shape[-1] / self.grain))))
        out = np.zeros((len(rows), self.dim), np.float32)
        n = rows.shape[1]
        out[:, :n] = np.sqrt(1 - self.colour_share) * rows
        colours = colour_rows(pixels)
        out[:, n + 1 : n + 1 + colours.shape[1]] = np.sqrt(self.colour_share) * colours
        out = l2_normalise(out) * np.float32(math.sqrt(1 - self._reserve**2))
        out[:, n + RESERVE] = self._reserve
        return out

    def _looked_at(self, view: Rows) -> Rows:
        """Unit rows (B, D) of views; where the checkpoint asks for it, of them and their mirror images."""
        rows = self._tower(view)
        if not self._mirrored:
            return rows
        return l2_normalise(rows + self._tower(np.ascontiguousarray(view[..., ::-1])))

    def is_group(self, text: str) -> bool:
        """Whether a text names kinds together and nothing else (``"an animal"``)."""
        read = self.lexicon.read(text)
        return bool(read.things) and not read.unknown and not read.colours and self.groups >= {*read.things}

    def embed_text(self, text: str, beside: tuple[str, ...] | None = None) -> NDArray[np.float32]:
        """The unit row (dim,) of a text, by its words.

        Args:
            text: A question, or what competes with one.
            beside: The colours of the question it competes with; None for a question. What has the right
                colour has a part in common with a photograph that what says no colour lacks. So the colours
                of a text count where the question has some, and the question's count for what has none.
        """
        n = self.rows.shape[1]
        out = np.zeros(self.dim, np.float32)
        plain = " ".join(text.lower().split()).rstrip("?!. ")
        if plain in self.backgrounds:
            out[:n] = self.rows[self.backgrounds[plain]]
            out = math.sqrt(1 - self._reserve**2) * self._coloured(out, beside or ())
            out[n + RESERVE] = self._reserve
            return out
        read = self.lexicon.read(text)
        colours = read.colours if beside is None else beside and (read.colours or beside)
        if not read.things and (read.unknown or not read.colours):
            out[n] = 1  # whatever its colour, nobody knows what it is
            return out
        for place, name in enumerate(dict.fromkeys(read.things)):
            out[:n] += LATER**place * self.rows[self.names[name]]
        out[:n] = l2_normalise(out[:n])
        if read.things or beside is None:
            out = self._coloured(out, colours)
        known = len(read.things) + bool(read.colours)
        strange = len(read.unknown) / (len(read.unknown) + known)
        out = np.sqrt(1 - strange) * out
        out[n] = np.sqrt(strange)
        return l2_normalise(out)

    def _coloured(self, row: NDArray[np.float32], colours: Sequence[str]) -> NDArray[np.float32]:
        """A row (dim,) of a thing, or of nothing in particular, that has colours as well."""
        if not colours:
            return row
        coloured = np.zeros_like(row)
        for colour in colours:
            coloured[self.rows.shape[1] + 1 + COLOURS.index(colour)] = 1
        share = self.colour_share if row.any() else 1.0
        return np.asarray(np.sqrt(1 - share) * row + np.sqrt(share) * l2_normalise(coloured), np.float32)


class BothExperts:
    """The CLIP of the drawn world and what knows photographs, as one space.

    Args:
        photographs: What knows photographs.
        own: What the CLIP knows.
        own_scale: The CLIP's factor from cosines to logits.
        own_dim: Numbers of its embeddings: they come first.

    Attributes:
        vocabulary: What both know.
        logit_scale: From cosines to logits.
        dim: Numbers of an embedding.
    """

    def __init__(
        self, photographs: Photographs, *, own: Vocabulary | None, own_scale: float, own_dim: int
    ) -> None:
        self.photographs, self.own_scale, self.own_dim = photographs, own_scale, own_dim
        self.vocabulary = photographs.vocabulary(own)
        known = () if own is None else (*own.labels, *own.background)
        self._foreign = {*self.vocabulary.labels, *self.vocabulary.background} - set(known)
        self.logit_scale = float(np.hypot(own_scale, photographs.scale))
        self._share = (own_scale / self.logit_scale) ** 2
        self.dim = own_dim + photographs.dim

    def images(
        self,
        pictures: Sequence[Image],
        pixels: Rows,
        drawn_rows: Callable[[NDArray[np.intp]], Rows],
        *,
        whole: float = 0.0,
    ) -> Rows:
        """Unit rows (B, dim) of a group of pictures; an expert that is not needed is not asked.

        Args:
            pictures: RGB uint8 (H, W, 3) each.
            pixels: The same, normalised, float32 (B, 3, S, S).
            drawn_rows: The CLIP's unit rows of the pictures of these numbers.
            whole: Log odds that the picture they are crops of is a drawing; 0 where nobody knows.

        Raises:
            ModelError: The pictures are not square.
        """
        if pixels.shape[-1] != pixels.shape[-2]:
            raise ModelError(
                f"the files of the model do not fit together: it looks at squares, its settings make "
                f"pictures of {pixels.shape[-1]} × {pixels.shape[-2]} pixels",
                hint="fetch it anew",
            )
        odds = self.photographs.odds(pictures, pixels) + WHOLE * whole
        drawn = 1 / (1 + np.exp(-np.clip(odds, -80, 80)))
        drawn = np.where(drawn < SURE, 0.0, np.where(drawn > 1 - SURE, 1.0, drawn))
        out = np.zeros((len(drawn), self.dim), np.float32)
        asked = np.flatnonzero(drawn > 0)
        if len(asked):
            out[asked, : self.own_dim] = np.sqrt(drawn[asked])[:, None] * drawn_rows(asked)
        asked = np.flatnonzero(drawn < 1)
        if len(asked):
            rows = self.photographs.embed_images(pixels[asked])
            out[asked, self.own_dim :] = np.sqrt(1 - drawn[asked])[:, None] * rows
        return out

    def texts(
        self,
        texts: Sequence[str],
        drawn_rows: Callable[[list[str]], Rows],
        *,
        beside: tuple[str, ...] | None = None,
    ) -> Rows:
        """Unit rows (N, dim) of texts.

        Hundreds of words the drawn world never heard would together take belief from what it knows: they
        are like nothing to the CLIP, which is not asked for them.

        Args:
            texts: What is asked.
            drawn_rows: The CLIP's unit rows of texts.
            beside: Colours of the question that they compete with, or stand for; None where they are asked
                themselves. Groups are then no words of the drawn world's: it knows what they hold.
        """
        one = self.photographs
        strange = [text in self._foreign or (beside is not None and one.is_group(text)) for text in texts]
        known = ~np.array(strange, bool)
        rows = np.zeros((len(texts), self.dim), np.float32)
        if known.any():
            asked = [text for text, there in zip(texts, known, strict=True) if there]
            rows[known, : self.own_dim] = np.sqrt(self._share) * drawn_rows(asked)
        if len(texts):
            others = np.sqrt(1 - self._share) * np.stack([one.embed_text(t, beside) for t in texts])
            unheard = others.shape[1] - EXTRA
            others[~known, unheard] = np.sqrt(others[~known, unheard] ** 2 + self._share)
            rows[:, self.own_dim :] = others
        return rows


def _squared(picture: Image, side: int) -> Rows:
    """All of a picture, normalised, float32 (3, side, side); above and below it its edges are repeated."""
    h, w = picture.shape[:2]
    square = crop_square(picture, (0.0, 0.0, float(w), float(h)), side)
    return np.asarray(((square / np.float32(255) - _MEAN) / _STD).transpose(2, 0, 1))


def margins_of(odds: float) -> tuple[float, float]:
    """Margins of objects, plain and masked, of a picture with these log odds of being a drawing."""
    return (CROP_MARGIN, CROP_MARGIN) if odds > 0 else MARGINS


def has_photographs(folder: Path) -> bool:
    """Whether a checkpoint's folder says that it knows photographs."""
    return (folder / SETTINGS).is_file()


def keep_rows(folder: Path) -> None:
    """Leave in a folder of graphs the rows of names alone: what computed them is in the graphs."""
    from safetensors.numpy import load_file, save_file

    path = folder / WEIGHTS
    if path.is_file():
        held = load_file(path)
        save_file({name: held[name] for name in ("concepts", "backgrounds")}, path)


def read_settings(folder: Path) -> dict[str, Any]:
    """The content of ``photographs.json``.

    Raises:
        ModelError: It cannot be read.
    """
    try:
        held = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        return dict(held)
    except (OSError, ValueError, TypeError) as error:
        raise unreadable(folder, error) from error


def unreadable(folder: Path, error: Exception) -> ModelError:
    """What is said where the two files cannot be used."""
    return ModelError(
        f"cannot read what {folder} knows of photographs: {error}",
        hint=f"{SETTINGS} and {WEIGHTS} belong together; without both it knows none",
    )
