from __future__ import annotations

import colorsys
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import av
import numpy as np
import pytest

from seektrack.errors import InputError, OutputError
from seektrack.outputs.overlay import OverlayStyle, draw_overlay, mark_region, trails_at, write_overlay
from seektrack.outputs.palette import hex_colour, object_colour
from seektrack.outputs.tags import draw_tags, tag_text
from seektrack.types import Frame, Mask, Observation, Track, Tracks, VideoInfo
from seektrack.video import open_video
from seektrack.video.sound import read_sound

H, W = 120, 161
PLAIN = OverlayStyle(tags=False, trail_s=0)


def grey():
    return np.full((H, W, 3), 90, np.uint8)


def thing(obj_id, index, box, *, visible=True, score=0.8, mask=True, time_s=None):
    array = np.zeros((H, W), bool)
    array[box[1] : box[3], box[0] : box[2]] = True
    found = Mask.from_array(array) if visible and mask else None
    when = index / 10 if time_s is None else time_s
    o = Observation(index, when, tuple(map(float, box)), found, score, visible)
    return Track(obj_id, "dog", score, (o,)), o


def changed(image):
    return (image != 90).any(axis=2)


def test_a_mask_is_tinted_inside_and_the_rest_is_left_alone():
    before = grey()
    out = draw_overlay(before, [thing(1, 0, (40, 30, 100, 90))], style=PLAIN)
    assert (before == 90).all()
    touched = changed(out)
    assert touched[30:90, 40:100].all()
    touched[27:93, 37:103] = False
    assert not touched.any()
    expected = 90 * (1 - PLAIN.mask_opacity) + np.array(object_colour(1)) * PLAIN.mask_opacity
    assert np.abs(out[60, 70] - expected).max() <= 1


def test_a_predicted_box_is_dashed_and_a_seen_box_is_not():
    box = (30, 20, 130, 100)
    dashed = draw_overlay(grey(), [thing(2, 0, box, visible=False)], style=PLAIN)
    solid = draw_overlay(grey(), [thing(2, 0, box, mask=False)], style=PLAIN)
    top_dashed, top_solid = (
        changed(dashed)[19:22, 32:128].any(axis=0),
        changed(solid)[19:22, 32:128].any(axis=0),
    )
    assert top_solid.all()
    assert 0.3 < top_dashed.mean() < 0.8
    assert not changed(dashed)[30:90, 40:120].any()


def test_a_tag_is_drawn_inside_the_picture_wherever_the_object_is():
    for box in ((0, 0, 12, 12), (W - 12, H - 12, W, H), (-40, -40, 5, 5), (W - 3, 50, W + 90, 70)):
        o = Observation(0, 0.0, tuple(map(float, box)), None, 0.8, False)
        out = grey()
        draw_tags(out, [(Track(4, "dog", 0.8, (o,)), o)])
        assert changed(out).sum() > 300


def test_tags_do_not_cover_each_other():
    def plates(n):
        pairs = [thing(i, 0, (40 + i, 70, 100 + i, 100)) for i in range(n)]
        out = grey()
        draw_tags(out, pairs)
        return int(changed(out).sum())

    one = plates(1)
    assert plates(4) > 3.8 * one


def test_the_tag_says_who_and_how_sure():
    assert tag_text(*thing(3, 0, (0, 0, 5, 5), score=0.874)) == "dog 3 · 87%"
    track, o = thing(3, 0, (0, 0, 5, 5), visible=False)
    assert tag_text(track, o) == "dog 3 · hidden"
    assert tag_text(replace(track, label=""), replace(o, visible=True)) == "#3 · 80%"


def test_trails_hold_the_last_second_oldest_first():
    observations = tuple(thing(5, i, (i, 0, i + 2, 2), time_s=i / 4)[1] for i in range(12))
    tracks = Tracks(VideoInfo("v", W, H, Fraction(4)), "", (Track(5, "dog", 1, observations),), {})
    trail = trails_at(tracks, 2.0, seconds=1.0)[5]
    assert trail == [(i + 1.0, 1.0) for i in range(4, 9)]
    out = draw_overlay(grey(), [], trails={5: trail})
    assert not changed(out).any()  # no object, no trail
    out = draw_overlay(grey(), tracks.at(8), trails={5: [(20.0, 20.0), (120.0, 20.0)]}, style=PLAIN)
    assert changed(out)[18:23, 22:118].any(axis=0).all()


def test_the_background_can_be_dimmed():
    out = draw_overlay(grey(), [thing(1, 0, (40, 30, 100, 90))], style=replace(PLAIN, dim_background=0.5))
    assert (out[:20] == 45).all()


def test_colours_are_stable_valid_and_neighbours_differ():
    assert object_colour(7) == object_colour(7)
    assert hex_colour(7) == "#" + "".join(f"{v:02x}" for v in object_colour(7))
    colours = [object_colour(i) for i in range(60)]
    assert len(set(colours)) == 60
    for i in range(50):
        for a, b in combinations(colours[i : i + 6], 2):
            hues = [colorsys.rgb_to_hsv(*(v / 255 for v in c))[0] for c in (a, b)]
            apart = abs(hues[0] - hues[1])
            assert min(apart, 1 - apart) > 0.02
            assert np.abs(np.subtract(a, b)).sum() > 50


def test_wrong_pictures_and_masks_are_refused():
    with pytest.raises(InputError, match="uint8"):
        draw_overlay(grey().astype(float), [])
    with pytest.raises(InputError, match=r"120, 161.*100, 161"):
        draw_overlay(grey()[:100], [thing(1, 0, (40, 30, 100, 90))])


def test_the_overlay_video_keeps_every_frame_and_its_time(tmp_path):
    times = [Fraction(n, 30) for n in (0, 1, 4, 5, 9)]
    frames = [Frame(i, t + 2, grey()) for i, t in enumerate(times)]
    observations = tuple(
        thing(1, i, (20 + 10 * i, 30, 60 + 10 * i, 90), time_s=float(times[i]))[1] for i in range(5)
    )
    tracks = Tracks(VideoInfo("v", W, H, Fraction(30)), "", (Track(1, "dog", 1, observations),), {})
    path = write_overlay(iter(frames), tracks, tmp_path / "o.mp4")
    with open_video(path) as source:
        written = list(source)
    assert [f.timestamp for f in written] == times
    assert written[0].image.shape[:2] == (H, W + 1)  # H.264 sizes are even
    colour = np.array(object_colour(1), dtype=float)
    for f, o in zip(written, observations, strict=True):
        x, y = map(int, o.centre)
        inside, outside = f.image[y + 15, x].astype(float), f.image[110, 5].astype(float)
        assert np.abs(outside - 90).max() < 12
        assert np.dot(inside - 90, colour - 90) > 0
    steady = write_overlay(frames, tracks, tmp_path / "steady.mp4", fps=10)
    with open_video(steady) as source:
        assert source.times() == [Fraction(i, 10) for i in range(5)]


@pytest.mark.parametrize(
    ("codec", "name", "render"),
    [("aac", "film.mkv", "auto"), ("pcm_s16le", "film.mov", "cut-out"), ("mp2", "film.ts", "blur")],
)
def test_the_overlay_has_the_sound_of_its_part_of_the_film(tmp_path, codec, name, render):
    film = tmp_path / name
    with av.open(str(film), "w") as made:
        pictures = made.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
        voice = made.add_stream(codec, rate=48000, layout="stereo")
        for _ in range(40):
            made.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        tone = np.sin(np.arange(4 * 48000) / 20) * 20000
        tone[: 2 * 48000] = tone[3 * 48000 :] = 0  # heard from 2 to 3 s
        for start in range(0, len(tone), 1152):
            both = np.repeat(tone[start : start + 1152].astype(np.int16), 2)
            sound = av.AudioFrame.from_ndarray(both[None], "s16", "stereo")
            sound.sample_rate, sound.pts, sound.time_base = 48000, start, Fraction(1, 48000)
            made.mux(voice.encode(sound))
        made.mux(pictures.encode(None))
        made.mux(voice.encode(None))
    tracks = Tracks(VideoInfo(str(film), 32, 32, Fraction(10)), "", (), {})
    with open_video(film, start_s=1.5) as source:
        style = OverlayStyle(render=render)
        path = write_overlay(source, tracks, tmp_path / style.filename, style=style)
        steady = write_overlay(source, tracks, tmp_path / "steady.mp4", fps=5)
    loud = np.zeros(25)
    for heard in read_sound(path, rate=16000, length_s=0.1, hop_s=0.1):
        loud[min(round(heard.timestamp * 10), 24)] = np.abs(heard.samples).mean()
    assert (loud[6:14] > 0.2).all() and (loud[:4] < 0.02).all() and (loud[17:] < 0.02).all()
    with open_video(path) as source:
        assert source.times() == [Fraction(i, 10) for i in range(25)]
    with av.open(str(steady)) as silent:
        assert not silent.streams.audio
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, style.filename, "steady.mp4"])


def test_an_overlay_that_cannot_be_written(tmp_path):
    tracks = Tracks(VideoInfo("v", W, H, Fraction(30)), "", (), {})
    with pytest.raises(InputError, match="no frames"):
        write_overlay([], tracks, tmp_path / "o.mp4")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_overlay([Frame(0, Fraction(0), grey())], tracks, tmp_path / "file" / "o.mp4")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_a_region_is_framed_and_the_rest_left_alone():
    image = np.full((90, 120, 3), 128, np.uint8)
    framed = mark_region(image, (30, 20, 70, 60))
    assert (image == 128).all()
    assert framed[40, 30].min() > 200  # on the frame
    assert (framed[30:50, 40:60] == 128).all()
    assert (framed[:15] == 128).all() and (framed[:, 80:] == 128).all()
    assert mark_region(image, None) is image
