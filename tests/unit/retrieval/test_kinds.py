"""What is a kind of what, where texts compete and where they support."""

from types import SimpleNamespace

import numpy as np
import pytest

from seektrack.encoders import Vocabulary
from seektrack.retrieval.confidence import competitors, supporters
from seektrack.retrieval.kinds import Kinds, kinds_of

ABOVE = {
    "bee": ("insect",),
    "insect": ("animal",),
    "fire truck": ("truck",),
    "poodle": ("dog",),
    "dog": ("animal", "pet"),
}
TEXTS = ["a bee", "a poodle", "a truck", "a fire truck", "a pet", "a red bee"]


@pytest.mark.parametrize(
    ("query", "below", "related"),
    [
        ("an insect", [1, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 1]),
        ("animals", [1, 1, 0, 0, 0, 1], [1, 1, 0, 0, 0, 1]),
        ("a red insect", [0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 1]),
        ("a bee", [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]),
        ("a poodle", [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0]),
        ("a fire truck", [0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]),
        ("a giraffe", [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]),
    ],
)
def test_kinds_go_all_the_way_up(query, below, related):
    kinds = Kinds(ABOVE)
    assert kinds.below(query, TEXTS).astype(int).tolist() == below
    assert kinds.related(query, TEXTS).astype(int).tolist() == related


def test_a_circle_in_the_table_ends():
    kinds = Kinds({"a": ("b",), "b": ("a",)})
    assert kinds.thing("an a b") is not None


def test_kinds_support_and_do_not_compete():
    vectors = np.eye(6, dtype=np.float32)
    query = np.full(6, 1 / np.sqrt(6), np.float32)
    kinds = Kinds(ABOVE)
    assert competitors("an animal", query, TEXTS, vectors).all()
    assert competitors("an animal", query, TEXTS, vectors, kinds=kinds).astype(int).tolist() == [
        0,
        0,
        1,
        1,
        1,
        0,
    ]
    assert supporters("an animal", TEXTS, kinds=kinds).astype(int).tolist() == [1, 1, 0, 0, 0, 1]


def test_kinds_come_with_the_vocabulary():
    assert kinds_of(SimpleNamespace(vocabulary=None)) is None
    assert kinds_of(SimpleNamespace(vocabulary=Vocabulary(("a bee",), ()))) is None
    known = kinds_of(SimpleNamespace(vocabulary=Vocabulary(("a bee",), (), kinds=ABOVE)))
    assert known is not None and known.below("an insect", ["a bee"]).all()
