from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from seektrack.errors import InputError, OutputError
from seektrack.outputs import RENDERS, OverlayStyle, draw_overlay, overlay_style, write_overlay
from seektrack.types import Frame, Mask, Observation, Track, Tracks, VideoInfo
from seektrack.video import VideoWriter

H, W = 96, 128
BOX = (40, 30, 80, 70)


def picture(seed=0):
    """Noise: a blur of it is far from it everywhere."""
    return np.random.default_rng(seed).integers(0, 256, (H, W, 3), dtype=np.uint8)


def inside(box=BOX):
    found = np.zeros((H, W), bool)
    found[box[1] : box[3], box[0] : box[2]] = True
    return found


def thing(label="dog", *, visible=True, mask=True, box=BOX):
    held = Mask.from_array(inside(box)) if mask and visible else None
    o = Observation(0, 0.0, tuple(map(float, box)), held, 0.8, visible)
    return Track(1, label, 0.8, (o,)), o


def drawn(render, pairs, image=None):
    style = OverlayStyle(tags=False, trail_s=0, render=render)
    return draw_overlay(picture() if image is None else image, pairs, style=style)


def differs(a, b):
    return (a.astype(int) - b.astype(int) != 0).any(axis=2)


def test_an_object_asked_for_by_a_colour_keeps_its_colour():
    core = inside((46, 36, 74, 64))
    for label, kept in (("a red car", True), ("ein rotes Auto", True), ("dog", False), ("", False)):
        out = drawn("auto", [thing(label)])
        assert differs(out, picture())[core].mean() == pytest.approx(0 if kept else 1, abs=0.02), label
        assert differs(out, picture())[30, 42:78].all(), label
    assert not differs(drawn("outline", [thing("dog")]), picture())[core].any()
    assert differs(drawn("fill", [thing("a red car")]), picture())[core].mean() > 0.95


def test_a_cut_out_holds_the_object_alone_and_a_matte_its_shape():
    cut = drawn("cut-out", [thing()])
    assert cut.shape == (H, W, 4)
    assert (cut[..., 3] == np.where(inside(), 255, 0)).all()
    assert (cut[..., :3][inside()] == picture()[inside()]).all()
    assert not cut[~inside()].any()
    white = drawn("matte", [thing(), thing(visible=False, box=(0, 0, 20, 20))])
    assert (white == np.where(inside(), 255, 0)[..., None]).all()


def test_blur_leaves_nothing_of_the_objects_and_all_of_the_rest():
    out = drawn("blur", [thing()])
    assert out[inside()].std() < 0.3 * picture()[inside()].std()
    far = ~inside((34, 24, 86, 76))
    assert (out[far] == picture()[far]).all()
    other = drawn("blur-others", [thing()])
    assert (other[inside()] == picture()[inside()]).all()
    assert other[far].std() < 0.3 * picture()[far].std()


def test_blur_also_hides_what_has_no_mask():
    for one in (thing(mask=False), thing(visible=False), thing(mask=False, box=(-10, -9, 20, 300))):
        x0, y0, x1, y1 = one[1].box
        where = inside(tuple(int(max(0, v)) for v in (x0, y0, x1, y1)))
        assert drawn("blur", [one])[where].std() < 0.4 * picture()[where].std()
    assert (drawn("blur", []) == picture()).all()
    assert differs(drawn("blur-others", []), picture()).mean() > 0.95


def test_a_mask_of_another_size_is_refused_in_every_mode():
    small = np.zeros((10, 10, 3), np.uint8)
    for render in RENDERS:
        with pytest.raises(InputError, match="a mask of size"):
            drawn(render, [thing()], small)


def test_the_way_an_overlay_is_drawn_is_named():
    assert overlay_style(False) is None
    assert overlay_style(True) == OverlayStyle()
    assert overlay_style("matte").render == "matte"
    assert overlay_style("cut-out").filename == "overlay.mov"
    with pytest.raises(InputError, match="no render mode 'sparkle'") as error:
        overlay_style("sparkle")
    assert "blur-others" in error.value.hint


def write(tmp_path, render, name=None):
    frames = [Frame(i, Fraction(i, 10), picture(i)) for i in range(4)]
    seen = tuple(
        Observation(i, i / 10, tuple(map(float, BOX)), Mask.from_array(inside()), 0.9) for i in range(4)
    )
    tracks = Tracks(
        VideoInfo("v.mp4", W, H, Fraction(10)),
        "dog",
        (Track(1, "dog", 0.9, seen),),
        {i: i / 10 for i in range(4)},
    )
    style = OverlayStyle(render=render)
    return write_overlay(frames, tracks, tmp_path / (name or style.filename), style=style)


def test_a_cut_out_video_has_transparency_and_loses_nothing(tmp_path):
    path = write(tmp_path, "cut-out")
    assert path.name == "overlay.mov"
    with av.open(str(path)) as opened:
        read = [f.to_ndarray(format="rgba") for f in opened.decode(video=0)]
        times = [float(p.pts * p.time_base) for p in av.open(str(path)).demux(video=0) if p.pts is not None]
    assert len(read) == 4
    assert times == pytest.approx([0, 0.1, 0.2, 0.3])
    for i, frame in enumerate(read):
        assert (frame[..., 3] == np.where(inside(), 255, 0)).all()
        assert (frame[inside()][:, :3] == picture(i)[inside()]).all()
    with pytest.raises(OutputError, match="transparency"):
        write(tmp_path, "cut-out", "overlay.mp4")


@pytest.mark.parametrize("render", [r for r in RENDERS if r != "cut-out"])
def test_every_other_mode_is_a_video_that_plays(tmp_path, render):
    with av.open(str(write(tmp_path, render))) as opened:
        assert opened.streams.video[0].codec_context.name == "h264"
        assert len(list(opened.decode(video=0))) == 4


def test_a_writer_takes_pictures_of_its_kind_alone(tmp_path):
    with (
        pytest.raises(InputError, match="uint8"),
        VideoWriter(tmp_path / "a.mov", width=W, height=H, fps=10, alpha=True) as writer,
    ):
        writer.write(picture())
    assert not (tmp_path / "a.mov").exists()
