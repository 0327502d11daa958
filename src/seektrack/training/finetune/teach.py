"""Teaching names: from pictures with captions to a folder that knows what they show, and its report."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.checkpoints import find
from seektrack.checkpoints.fingerprints import NAMES_FILE
from seektrack.encoders import Encoder, load_encoder
from seektrack.encoders.contrast import names_that_compete
from seektrack.encoders.photo_clip import PhotoClipEncoder
from seektrack.encoders.photographs import Photographs, has_photographs
from seektrack.encoders.taught import as_label
from seektrack.errors import InputError, ModelError
from seektrack.files import new_files
from seektrack.training.common import check_out
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.training.finetune import names as learning
from seektrack.training.finetune.batches import match_matrix
from seektrack.training.finetune.data import Pairs, distinct_texts, load_picture, pair_at
from seektrack.training.finetune.recipe import FinetuneRecipe
from seektrack.training.finetune.report import MOST_PAIRS, compared
from seektrack.training.finetune.said import FEWEST, Said, read_names, split_names
from seektrack.training.report import Card, write_report
from seektrack.types import Progress

LOOKED_AT = 24
"""Pictures that tell whether they are photographs."""
SHARE = 0.6
"""Of the time allowed that looking at the pictures may take."""
_OWN = ("report", "training", "README.md")


def usual_mode(model: str | Path, pairs: Pairs) -> str:
    """What teaches a model most of such pictures: ``names``, or ``full`` where it looks no names up.

    A model that does has a half for drawings besides, which is taught when most of the pictures are drawings.
    """
    folder = find(model, "text").folder
    if folder is None or not has_photographs(folder) or not len(pairs):
        return "full"
    encoder = load_encoder(model)
    some = {int(i) for i in np.linspace(0, len(pairs) - 1, min(LOOKED_AT, len(pairs)))}
    vectors = encoder.embed_images([load_picture(pair_at(pairs, i).image) for i in sorted(some)])
    own = encoder.experts.own_dim  # type: ignore[attr-defined]  # by has_photographs
    drawn = np.linalg.norm(vectors[:, :own], axis=1) ** 2
    return "full" if float(np.median(drawn)) > 0.5 else "names"


def teach_names(
    recipe: FinetuneRecipe,
    pairs: Pairs,
    out: str | Path,
    *,
    model: str | Path = "pocket",
    data: str = "pairs",
    kinds: Mapping[str, str] | None = None,
    max_minutes: float = 60.0,
    progress: Progress | None = None,
    device: str | None = None,
) -> dict[str, Any]:
    """Teach the half of an encoder that knows photographs the names in captions.

    What the network makes of a picture stays as it is: a library made with ``model`` can be asked with the
    result at once. The result is ``model``'s folder, and ``names.safetensors`` in it.

    Args:
        recipe: ``held_out`` and ``seed`` count.
        pairs: See :func:`seektrack.training.finetune.read_pairs`.
        out: Folder of the result.
        model: What to start from; what it was taught before stays.
        data: What the pairs are called in the model card.
        kinds: What new names are kinds of, as ``{"poodle": "dog"}``: a kind does not compete with what it is
            a kind of, and is found by it.
        max_minutes: Looking at the pictures takes most of it; a picture is looked at once at least.
        progress: Called with done, total and the name of the stage.
        device: Where.

    Returns:
        ``mode``, ``pairs``, ``held_out``, ``left_out``, ``names`` (told apart and kept), ``not_kept``,
        ``seconds``, ``folder``, ``report``, ``better``, ``worse``, and where pictures are held out ``r1`` (of
        a picture its own caption first, among those of the data) and ``named`` (among all that the encoder
        knows besides), each also before.

    Raises:
        InputError: Nothing in the data can be learnt, or ``out`` is the model's own folder.
        ModelError: The model looks no names up.
    """
    begun, out = time.monotonic(), Path(out)
    folder = find(model, "text").folder
    if folder is None or not has_photographs(folder):
        raise ModelError(
            f"{str(model)!r} looks no names up, so none can be added",
            hint="take another --recipe, or start from pocket",
        )
    check_out(out, folder)
    encoder = load_encoder(model, device=device, runtime="torch")
    assert isinstance(encoder, PhotoClipEncoder)
    photographs = encoder.experts.photographs
    left_out = getattr(pairs, "left_out", None) or LeftOuts()
    above = {_known_as(n, photographs): _known_as(k, photographs) for n, k in (kinds or {}).items()}
    captions = [pair_at(pairs, i).texts for i in range(len(pairs))]
    said = read_names(captions, photographs.lexicon, kinds=above)
    _check(said, pairs, above, photographs)
    chosen, held_out = split_names(said, recipe.held_out, recipe.seed)
    chosen = _at_most(chosen, said)
    if progress:
        progress(0, len(pairs), "looking at the pictures")
    look = {"views": learning.VIEWS if recipe.augment else 1, "seed": recipe.seed}
    until = begun + 60 * SHARE * max_minutes
    rows, of, drawn = learning.looked_at(encoder, pairs, chosen, until=until, **look)
    if not len(rows):
        raise InputError(
            f"none of the {len(chosen)} pictures is taken for a photograph",
            hint="teach drawings with --recipe full",
        )
    seen, seen_of, unlike = learning.looked_at(encoder, pairs, held_out, until=until, **{**look, "views": 1})
    if drawn + unlike:
        left_out.add(data, "", f"taken for drawings, which --recipe full teaches ({drawn + unlike})")
    if progress:
        progress(len(pairs), len(pairs), "learning the names")
    nothing = _nothing(encoder, recipe.seed)
    shown = [said.shown[int(i)] for i in of]
    vectors = learning.learn(rows, shown, nothing, said, photographs, seed=recipe.seed)
    apart = learning.told_apart(seen, [said.shown[int(i)] for i in seen_of], vectors, photographs.rows)
    keep = [i for i in range(len(vectors)) if not apart[i] < learning.KEEP]
    for i in set(range(len(vectors))) - set(keep):
        left_out.add(data, said.names[i], "could not be told from the others, so it was not kept")
    counts = Counter(name for i in {int(i) for i in of} for name in said.shown[i])
    taught = learning.as_taught(said, vectors, keep, encoder.fingerprint, counts).over(photographs.taught)
    _copy(folder, out)
    taught.save(out)
    figures: dict[str, Any] = {
        "mode": "names", "pairs": len(chosen), "held_out": len(held_out), "left_out": len(left_out),
        "names": len(keep), "not_kept": len(vectors) - len(keep),
    }  # fmt: skip
    after = load_encoder(out, device=device)
    watched = held_out[:: max(1, -(-len(held_out) // MOST_PAIRS))]
    examples = compared(pairs, watched, encoder, after)[0] if len(watched) else []
    if len(watched):
        for name, one in (("_before", encoder), ("", after)):
            figures |= {f"{n}{name}": v for n, v in _found(pairs, watched, one, after).items()}
    figures |= {
        "better": sum(e.gain > 0 for e in examples),
        "worse": sum(e.gain < 0 for e in examples),
        "seconds": round(time.monotonic() - begun),
        "folder": str(out),
    }
    notes = ["Names: " + ", ".join(f"{n} ({c} pictures)" for n, c in taught.pictures.items()) + "."]
    asked = as_label((taught.names or ("thing",))[-1])
    card = Card(
        kind="text encoder", start=str(model), data=data,
        use=f'seektrack search "{asked}" --library LIBRARY --model {out}',
        recipe={**dataclasses.asdict(recipe), "mode": "names"}, notes=notes,
        tags=("seektrack", "clip", "zero-shot-image-classification"),
    )  # fmt: skip
    report = write_report(out, card, figures, examples, figure="1 / rank of its text")
    if left_out:
        left_out.write(out / "training" / "left-out.csv")
    return {**figures, "report": str(report)}


def _nothing(encoder: Encoder, seed: int) -> NDArray[np.float32]:
    """What the network of photographs makes of pictures of nothing, drawings too; unit rows (M, D)."""
    assert isinstance(encoder, PhotoClipEncoder)
    photographs, rows = encoder.experts.photographs, []
    for _, inputs in encoder.image_groups(learning.pictures_of_nothing(seed), batch_size=32):
        pixels = np.asarray(inputs["pixel_values"].float().cpu().numpy(), np.float32)
        rows.append(photographs.embed_images(pixels)[:, : photographs.rows.shape[1]])
    found = np.concatenate(rows)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def _known_as(name: str, photographs: Photographs) -> str:
    """What the encoder calls a thing: ``plain`` for a meadow; the name itself where it does not know it."""
    read = photographs.lexicon.read(name)
    return read.things[0] if len(read.things) == 1 and not read.unknown else name


def _check(said: Said, pairs: Pairs, kinds: Mapping[str, str], photographs: Photographs) -> None:
    if not said.names:
        raise InputError(
            f"no name in the captions of {len(pairs)} pictures is carried by {FEWEST} of them",
            hint=f"give at least {FEWEST} pictures of each thing, called alike",
        )
    for name, above in kinds.items():
        if name not in said.names or above not in photographs.names:
            wrong = name if name not in said.names else above
            raise InputError(
                f"{wrong!r} is no name that is {'to be learnt' if wrong == name else 'known'}",
                hint=f"to be learnt are: {', '.join(said.names[:12])}",
            )


def _at_most(chosen: NDArray[np.intp], said: Said) -> NDArray[np.intp]:
    """The pictures without those beyond ``MOST`` of all their names."""
    counts: Counter[int] = Counter()
    kept = []
    for i in chosen.tolist():
        if any(counts[name] < learning.MOST for name in said.shown[i]):
            counts.update(said.shown[i])
            kept.append(i)
    return np.array(kept, np.intp)


def _copy(folder: Path, out: Path) -> None:
    """Everything of a model's folder but its report and card."""
    with new_files(out) as temporary:
        for path in folder.iterdir():
            if path.is_file() and path.name not in (*_OWN, NAMES_FILE):
                shutil.copyfile(path, temporary / path.name)


def _found(pairs: Pairs, which: NDArray[np.intp], encoder: Encoder, after: Encoder) -> dict[str, float]:
    """Share of pictures whose own caption comes first, of the data's and of all that is known then."""
    chosen = [pair_at(pairs, int(i)) for i in which]
    texts = distinct_texts(text for pair in chosen for text in pair.texts)
    matches = match_matrix([pair.texts for pair in chosen], texts) > 0
    vectors = encoder.embed_images([load_picture(pair.image) for pair in chosen])
    cosines = vectors @ encoder.embed_texts(texts).T
    said = {word for text in texts for word in text.lower().split()}
    others = [name for name in names_that_compete(after) if not said & set(name.lower().split()[1:])]
    rival = (vectors @ encoder.embed_texts(others).T).max(1) if others else np.full(len(vectors), -1.0)
    best = np.where(matches, cosines, -np.inf).max(1)
    first = best >= cosines.max(1)
    # What nobody knows is equally like everything: a tie is no answer.
    ties = (cosines >= best[:, None]).sum(1) > matches.sum(1)
    return {
        "r1": round(float((first & ~ties).mean()), 4),
        "named": round(float((first & ~ties & (best > rival)).mean()), 4),
    }
