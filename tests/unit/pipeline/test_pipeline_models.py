import json

import pytest

from seektrack.errors import InputError, ModelError
from seektrack.pipeline import parse_model
from seektrack.pipeline.models import Models
from seektrack.pipeline.regions import check_regions, tiles


def folder_of(path, kind):
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"model_type": kind}))
    return path


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("pocket", ("pocket", "pocket")),
        ("tiny", ("base", "tiny")),
        ("large", ("large", "large")),
        ("multilingual", ("multilingual", "base")),
        ("openai/clip-vit-base-patch32", ("openai/clip-vit-base-patch32", "pocket")),
        ("facebook/sam2.1-hiera-tiny", ("pocket", "facebook/sam2.1-hiera-tiny")),
        ("google/siglip-base+facebook/sam2-hiera-large", ("google/siglip-base", "facebook/sam2-hiera-large")),
        ("+tiny", ("pocket", "tiny")),
    ],
)
def test_a_name_stands_for_two_networks(name, parts):
    assert parse_model(name) == parts


def test_a_folder_is_of_one_kind_or_holds_both(tmp_path):
    clip, sam2 = folder_of(tmp_path / "a", "siglip"), folder_of(tmp_path / "b", "sam2_video")
    assert parse_model(str(clip)) == (str(clip), "pocket")
    assert parse_model(str(sam2)) == ("pocket", str(sam2))
    both = tmp_path / "both"
    folder_of(both / "clip", "clip"), folder_of(both / "sam2", "sam2_video")
    assert parse_model(str(both)) == (str(both / "clip"), str(both / "sam2"))


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="empty"):
        parse_model("  ")
    with pytest.raises(ModelError, match="not a model folder"):
        parse_model(str(tmp_path))


def test_tiles_cover_the_picture_and_overlap():
    boxes = tiles((120, 240))
    assert len(boxes) == 9 + 25
    for some, side in ((boxes[:9], 2), (boxes[9:], 3)):
        assert (min(b[0] for b in some), min(b[1] for b in some)) == (0, 0)
        assert max(b[2] for b in some) == pytest.approx(240) and max(b[3] for b in some) == pytest.approx(120)
        assert all(b[2] - b[0] == pytest.approx(240 / side) for b in some)
        covered = {round(b[0]) for b in some} & {round(b[0] - 120 / side) for b in some}
        assert covered, "neighbours overlap by half"


def test_unknown_regions_are_refused():
    with pytest.raises(InputError, match=r"unknown regions 'faces'.*objects"):
        check_regions("faces")


def test_the_segmenter_sees_at_the_resolution_asked_for():
    assert Models("pocket", device="cpu", resolution=128).sam2.resolution == 128
    with pytest.raises(ModelError, match="resolution 100"):
        _ = Models("pocket", resolution=100).sam2
