from __future__ import annotations

import zlib

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.evaluation.finetuning import (
    KNOWN,
    STRANGE,
    WAYS,
    ScanSet,
    change,
    collect_scans,
    follow_scores,
    scans,
    text_scores,
)
from seektrack.training.datasets import choose_world
from seektrack.world import Split, seeds


@pytest.fixture(scope="module")
def found() -> ScanSet:
    return collect_scans(32, crops=24, frames=6)


class _Knows:
    """Embeds each crop as its name and each frame as its sentence, all else at random; or swaps names."""

    name, fingerprint, image_size, logit_scale, dim = "knows", "0", 32, 50.0, 256

    def __init__(self, found: ScanSet, *, strange: bool = True) -> None:
        self.known: dict[bytes, str] = {}
        if strange:
            named = zip(found.crops, found.names, strict=True)
            self.known = {c.tobytes(): "an umbrella" if n == "umbrella" else f"a {n}" for c, n in named}
            self.known |= {f.tobytes(): c for f, c in zip(found.frames, found.captions, strict=True)}

    def embed_texts(self, texts, *, batch_size=64):
        rows = [np.random.default_rng(zlib.crc32(t.encode())).normal(size=self.dim) for t in texts]
        return np.stack([r / np.linalg.norm(r) for r in rows]).astype(np.float32)

    def embed_images(self, images, *, batch_size=32):
        told = [self.known.get(i.tobytes(), f"picture {zlib.crc32(i.tobytes())}") for i in images]
        return self.embed_texts(told)


def test_the_set_shows_scans_of_the_held_out_and_of_the_known(found: ScanSet) -> None:
    assert set(found.names) == set(STRANGE) and len(found.crops) == len(found.names) >= 24
    assert len(found.others) >= 24 and not set(KNOWN) & set(STRANGE)
    assert len(set(found.captions)) == len(found.frames) == 6
    assert all(text.endswith("in a scan") for text in found.captions)
    pictures = [*found.crops, *found.others, *found.frames]
    assert all(float(np.ptp(p.astype(int), axis=2).mean()) < 12 for p in pictures), "scans are grey"


def test_an_encoder_that_knows_is_always_right_and_one_that_guesses_by_chance(found: ScanSet) -> None:
    for values in text_scores(_Knows(found), found).values():
        assert values.mean() == 1
    guessed = text_scores(_Knows(found, strange=False), found)
    assert set(guessed) == {"text_to_crop_r1", "crop_named", "text_to_frame_r1"}
    assert len(guessed["text_to_crop_r1"]) == len(found.crops) and len(guessed["text_to_frame_r1"]) == 6
    assert guessed["text_to_crop_r1"].mean() < 4 / WAYS


def test_every_object_of_a_clip_is_scored() -> None:
    def first(frames, prompts):
        for frame in frames:
            masks = {}
            for p in prompts:
                assert p.box is not None and p.points is None
                x0, y0, x1, y1 = (int(v) for v in p.box)
                mask = np.zeros(frame.shape[:2], bool)
                mask[y0:y1, x0:x1] = True
                masks[p.obj_id] = (mask, 1.0)
            yield masks

    scores = follow_scores(first, scans(2), 3)
    assert len(scores) >= 3 and ((scores > 0) & (scores < 1)).all()


def test_nothing_is_measured_on_what_it_was_trained_on() -> None:
    chosen = choose_world("world:1000,style=scan,categories=" + "+".join(STRANGE))
    assert set(chosen.settings.categories or ()) == set(STRANGE)
    assert not set(chosen.seeds) & set(seeds(Split.BENCHMARK, 50_000))


def test_a_change_is_paired() -> None:
    before = [0.1, 0.5, 0.9]
    told = change(before, [0.3, 0.7, 1.1])
    assert (told.gain, told.error, told.items) == (pytest.approx(0.2), pytest.approx(0, abs=1e-12), 3)
    loose = change(before, [1.1, 0.7, 0.3])
    assert loose.gain == pytest.approx(0.2)
    assert loose.error == pytest.approx(np.std([1.0, 0.2, -0.6], ddof=1) / 3**0.5)
    assert str(told).startswith("0.500 → 0.700 (+0.200")
    for wrong in ([0.1], [], [[0.1, 0.2, 0.3]]):
        with pytest.raises(InputError):
            change(before, wrong)
