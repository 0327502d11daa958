"""What is a kind of what, where texts compete and where they support."""

from types import SimpleNamespace

import numpy as np
import pytest

from seektrack.encoders import Vocabulary
from seektrack.retrieval.confidence import competitors, query_probability, supporters
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


@pytest.mark.parametrize(
    ("query", "group"),
    [
        ("an insect", True),
        ("animals", True),
        ("a pet", False),
        ("a dog", True),
        ("a bee", False),
        ("a car", False),
    ],
)
def test_a_group_is_named_by_its_members_alone(query, group):
    assert Kinds(ABOVE).is_group(query, TEXTS) is group
    assert not Kinds(ABOVE).is_group("a dog", [*TEXTS, "a red dog"])


def test_what_is_like_a_group_and_like_none_of_its_members_is_not_believed():
    animal, bee, poodle, truck = np.eye(5, dtype=np.float32)[:4]
    ask = {"logit_scale": 12.0, "support": np.stack([bee, poodle])}
    pictures = np.stack([animal, 0.6 * bee + 0.8 * animal, bee, (bee + poodle) / np.sqrt(2), truck])
    loose = query_probability(pictures, animal, truck[None], **ask)
    strict = query_probability(pictures, animal, truck[None], group=True, **ask)
    assert loose[:2].min() > 0.99 and strict[:2].max() < 0.1
    assert strict[2:4].min() > 0.99 and strict[4] < 0.01
