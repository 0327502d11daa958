from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.metrics import ClearScores, FrameMatch, HotaScores, clear, frame_matches, hota, identity
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo


def frame(gt, pred, similarity):
    return FrameMatch(
        np.array(gt, dtype=np.int64),
        np.array(pred, dtype=np.int64),
        np.array(similarity, dtype=float).reshape(len(gt), len(pred)),
    )


def random_sequence(seed, n_frames=8, n_gt=3, n_pred=4):
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n_frames):
        gt, pred = np.flatnonzero(rng.random(n_gt) < 0.8), np.flatnonzero(rng.random(n_pred) < 0.8)
        frames.append(FrameMatch(gt + 10, pred + 70, rng.random((len(gt), len(pred)))))
    return frames


def test_a_perfect_result_scores_1():
    frames = [frame([1, 2], [8, 9], np.eye(2))] * 4
    c, i, h = clear(frames), identity(frames), hota(frames)
    assert (c.tp, c.fp, c.fn, c.idsw, c.frag, c.mt, c.ml) == (8, 0, 0, 0, 0, 2, 0)
    assert (c.mota, c.motp, i.idf1) == (1, 1, 1)
    assert (h.hota, h.det_a, h.ass_a, h.loc_a) == pytest.approx((1, 1, 1, 1))


def test_a_swap_of_identities_costs_two_switches_and_half_the_identity():
    straight, crossed = frame([1, 2], [8, 9], np.eye(2)), frame([1, 2], [8, 9], 1 - np.eye(2))
    frames = [straight] * 3 + [crossed] * 3
    c, i = clear(frames), identity(frames)
    assert (c.idsw, c.frag, c.fp, c.fn) == (2, 0, 0, 0)
    assert c.mota == pytest.approx(1 - 2 / 12)
    assert i.idf1 == 0.5
    assert hota(frames).ass_a == pytest.approx(1 / 3)  # every identity pair shares 3 of 6 + 6 − 3 detections


def test_a_match_is_kept_while_it_holds_even_when_another_is_nearer():
    frames = [frame([1], [8, 9], [[0.9, 0.0]]), frame([1], [8, 9], [[0.6, 0.95]])]
    assert clear(frames).idsw == 0
    assert clear(frames).similarity_sum == pytest.approx(1.5)


def test_losing_and_finding_again_is_a_fragmentation_not_a_switch():
    gone = frame([1], [8], [[0.0]])
    found = frame([1], [8], [[0.8]])
    c = clear([found, gone, found])
    assert (c.frag, c.idsw, c.fp, c.fn, c.tp) == (1, 0, 1, 1, 2)


def test_hota_equals_its_definition_written_out_detection_by_detection():
    """Luiten et al., eq. 1-15, with the assignment by trying every permutation."""
    for seed in range(6):
        frames = random_sequence(seed)
        gt_ids = sorted({int(g) for f in frames for g in f.gt_ids})
        pred_ids = sorted({int(p) for f in frames for p in f.pred_ids})
        n_gt = {g: sum(g in f.gt_ids for f in frames) for g in gt_ids}
        n_pred = {p: sum(p in f.pred_ids for f in frames) for p in pred_ids}
        soft = dict.fromkeys(itertools.product(gt_ids, pred_ids), 0.0)
        for f in frames:
            s = f.similarity
            for (r, g), (c, p) in itertools.product(enumerate(f.gt_ids), enumerate(f.pred_ids)):
                soft[int(g), int(p)] += s[r, c] / (s[r].sum() + s[:, c].sum() - s[r, c])
        jaccard = {(g, p): v / (n_gt[g] + n_pred[p] - v) for (g, p), v in soft.items()}
        chosen = []
        for f in frames:
            rows, cols = range(len(f.gt_ids)), range(len(f.pred_ids))
            small, large = (rows, cols) if len(rows) <= len(cols) else (cols, rows)
            best, best_value = [], -1.0
            for perm in itertools.permutations(large, len(small)):
                pairs = [(a, b) if small is rows else (b, a) for a, b in zip(small, perm, strict=True)]
                value = sum(
                    jaccard[int(f.gt_ids[r]), int(f.pred_ids[c])] * f.similarity[r, c] for r, c in pairs
                )
                if value > best_value:
                    best, best_value = pairs, value
            chosen.append([(int(f.gt_ids[r]), int(f.pred_ids[c]), f.similarity[r, c]) for r, c in best])
        expected = []
        for alpha in np.arange(0.05, 0.99, 0.05):
            tps = [(g, p) for pairs in chosen for g, p, s in pairs if s >= alpha]
            fn, fp = sum(n_gt.values()) - len(tps), sum(n_pred.values()) - len(tps)
            ass = sum(tps.count(c) / (n_gt[c[0]] + n_pred[c[1]] - tps.count(c)) for c in tps)
            expected.append(math.sqrt(ass / (len(tps) + fn + fp)))
        np.testing.assert_allclose(hota(frames).hota_A, expected, atol=1e-9)


def test_identity_equals_the_best_of_every_pairing():
    for seed in range(6):
        frames = random_sequence(seed)
        gt_ids, pred_ids = range(10, 13), range(70, 74)
        best = 0
        for perm in itertools.permutations(pred_ids, len(gt_ids)):
            pairing = dict(zip(gt_ids, perm, strict=True))
            common = 0
            for f in frames:
                for (r, g), (c, p) in itertools.product(enumerate(f.gt_ids), enumerate(f.pred_ids)):
                    common += pairing[int(g)] == p and f.similarity[r, c] >= 0.5
            best = max(best, common)
        scores = identity(frames)
        assert scores.idtp == best
        assert scores.idfn == sum(len(f.gt_ids) for f in frames) - best
        assert scores.idfp == sum(len(f.pred_ids) for f in frames) - best


def test_nothing_predicted_and_nothing_to_find():
    missed = [frame([1, 2], [], [])] * 3
    assert (clear(missed).fn, clear(missed).ml, clear(missed).mota) == (6, 2, 0)
    assert (identity(missed).idfn, identity(missed).idf1) == (6, 0)
    assert hota(missed).hota == 0
    invented = [frame([], [4], [])] * 3
    assert clear(invented).fp == 3
    assert math.isnan(clear(invented).mota)
    assert hota(invented).hota == 0
    assert clear([]) == ClearScores()
    assert math.isnan(identity([]).idf1)


def test_combining_sequences_adds_counts_and_weights_association():
    a, b = random_sequence(1), random_sequence(2, n_frames=20)
    total = ClearScores.combine([clear(a), clear(b)])
    assert total.tp == clear(a).tp + clear(b).tp
    ha, hb = hota(a), hota(b)
    both = HotaScores.combine([ha, hb])
    expected = (ha.ass_a_A[3] * ha.tp[3] + hb.ass_a_A[3] * hb.tp[3]) / (ha.tp[3] + hb.tp[3])
    assert both.ass_a_A[3] == pytest.approx(expected)
    with pytest.raises(InputError, match="same alphas"):
        HotaScores.combine([ha, hota(b, alphas=np.array([0.5]))])


def tracks(*objects):
    """``objects``: (obj_id, {frame: (box, visible)}); masks fill the boxes."""
    made = []
    for obj_id, seen in objects:
        observations = []
        for index, (box, visible) in seen.items():
            mask = np.zeros((20, 20), bool)
            mask[box[1] : box[3], box[0] : box[2]] = True
            observations.append(
                Observation(index, index / 10, box, Mask.from_array(mask) if visible else None, 1.0, visible)
            )
        made.append(Track(obj_id, "x", 1.0, tuple(observations)))
    return Tracks(VideoInfo("v.mp4", 20, 20, Fraction(10)), "", tuple(made), {i: i / 10 for i in range(4)})


def test_frame_matches_counts_only_what_is_visible_and_covers_empty_frames():
    gt = tracks((1, {0: ((0, 0, 10, 10), True), 1: ((0, 0, 10, 10), True)}))
    pred = tracks((5, {0: ((0, 0, 10, 5), True), 1: ((0, 0, 10, 10), False)}))
    for by in ("box", "mask"):
        frames = frame_matches(gt, pred, by=by)
        assert [f.similarity.shape for f in frames] == [(1, 1), (1, 0), (0, 0), (0, 0)]
        assert frames[0].similarity[0, 0] == pytest.approx(0.5)
    with pytest.raises(InputError, match="unknown similarity"):
        frame_matches(gt, pred, by="points")


def test_malformed_frames_are_refused():
    with pytest.raises(InputError, match="twice"):
        frame([1, 1], [2], [[0], [0]])
    with pytest.raises(InputError, match=r"\(1, 2\)"):
        FrameMatch(np.array([1]), np.array([2, 3]), np.zeros((2, 1)))
    with pytest.raises(InputError, match="not finite"):
        frame([1], [2], [[np.nan]])
