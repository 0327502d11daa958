"""Tables, detections, plots, key frames and clips: checked by the libraries they are made for."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from seektrack import Hit, InputError, Mask, Moment, Observation, Track, Tracks, VideoInfo
from seektrack.outputs import to_dataframe
from seektrack.retrieval import Chain, save_clips, write_clip
from seektrack.video import VideoWriter, open_video

H, W = 36, 50


def block(x, y, w, h):
    array = np.zeros((H, W), bool)
    array[y : y + h, x : x + w] = True
    return array


@pytest.fixture
def tracks():
    seen = tuple(
        Observation(i, i / 10, (2.5 + i, 4.0, 10.25 + i, 12.0), Mask.from_array(block(2 + i, 4, 8, 8)), 0.5)
        for i in range(3)
    )
    hidden = Observation(3, 0.3, (6.0, 4.0, 14.0, 12.0), None, 0.25, visible=False)
    bare = Observation(2, 0.2, (20.0, 4.0, 28.0, 12.0), None, 1 / 3)
    return Tracks(
        VideoInfo("<clip>.mp4", W, H, Fraction(10)),
        "a <b>dog</b>",
        (Track(7, "dog", 0.5, (*seen, hidden)), Track(2, "car & co", 0.9, (bare,))),
        {i: i / 10 for i in range(5)},
    )


@pytest.fixture
def clip(tmp_path):
    """Ten pictures a second for 3 s, grey level 8 x index; a tone from 1 s to 2 s."""
    import av

    path, silent = tmp_path / "clip.mp4", tmp_path / "silent.mp4"
    with VideoWriter(silent, width=64, height=64, fps=10, crf=0) as writer:
        for i in range(30):
            writer.write(np.full((64, 64, 3), 8 * i, np.uint8))
    from seektrack.video.dubbing import SOUND_RATE, _join

    tone = np.sin(np.arange(3 * SOUND_RATE) / 20).astype(np.float32)
    tone[:SOUND_RATE] = tone[2 * SOUND_RATE :] = 0
    _join(silent, iter([(0, tone)]), path)
    with av.open(str(path)) as made:
        assert len(made.streams.audio) == 1
    return path


def test_tracks_become_a_table_and_pandas_agrees_with_them(tracks):
    table = tracks.to_dataframe()
    assert list(table.columns[:4]) == ["frame_index", "time_s", "obj_id", "label"]
    assert len(table) == 5
    dog = table[table.obj_id == 7]
    assert dog.x0.tolist() == [2.5, 3.5, 4.5, 6.0]
    assert dog[dog.visible].vx.iloc[1] == pytest.approx(10)
    assert table.groupby("label").score.max().to_dict() == {"car & co": 1 / 3, "dog": 0.5}
    assert [m.area for m in dog["mask"].iloc[:3]] == [64, 64, 64]
    assert table[table.obj_id == 2]["mask"].iloc[0] is None
    assert len(Tracks(tracks.video, "", ()).to_dataframe()) == 0


def test_what_a_search_found_becomes_a_table():
    hit = Hit("v.mp4", 3, 0.3, 0.2, 0.9, (1.0, 2.0, 3.0, 4.0))
    moment = Moment("v.mp4", 0.0, 1.0, hit, 0.8)
    assert to_dataframe([hit, hit]).confidence.tolist() == [0.9, 0.9]
    row = to_dataframe([moment]).iloc[0]
    assert (row.start_s, row.end_s, row.key_frame_index, row.key_box) == (0, 1, 3, (1, 2, 3, 4))
    chain = Chain.of((moment, moment), 0.7)
    assert to_dataframe([chain])[["chain", "step"]].to_numpy().tolist() == [[1, 1], [1, 2]]
    assert len(to_dataframe([])) == 0
    with pytest.raises(InputError, match="no table"):
        to_dataframe([1])


def test_detections_go_to_supervision_and_come_back(tracks):
    import supervision as sv

    found = tracks.detections(2)
    assert isinstance(found, sv.Detections)
    assert found.tracker_id.tolist() == [7, 2]
    assert found.data["class_name"].tolist() == ["dog", "car & co"]
    assert found.class_id.tolist() == [1, 0]
    assert found.mask.shape == (2, H, W)
    assert len(tracks.detections(4)) == 0
    assert len(tracks.detections(3)) == 0
    assert tracks.detections(3, hidden=True).mask is None
    drawn = sv.MaskAnnotator().annotate(np.zeros((H, W, 3), np.uint8), found)
    assert (drawn.any(axis=2) == block(4, 4, 8, 8)).all()
    back = Tracks.from_detections(
        {i: tracks.detections(i) for i in range(5)}, tracks.video, query=tracks.query
    )
    assert [(t.obj_id, t.label, t.observations) for t in back] == [
        (2, "car & co", tracks[1].observations),
        (7, "dog", tracks[0].observations[:3]),
    ]
    assert back.frame_times == tracks.frame_times


def test_a_tracker_of_the_ecosystem_gives_tracks(clip):
    import supervision as sv

    frames = [
        sv.Detections(
            xyxy=np.array([[10 + i, 10, 30 + i, 30]], np.float32),
            class_id=np.array([1]),
            tracker_id=np.array([5]),
        )
        for i in range(3)
    ]
    found = Tracks.from_detections(frames, clip, names=["cat", "dog"])
    assert (found[0].obj_id, found[0].label, found.video.width) == (5, "dog", 64)
    assert [o.time_s for o in found[0].observations] == pytest.approx([0, 0.1, 0.2])
    bare = sv.Detections(xyxy=np.array([[1, 1, 2, 2]], np.float32))
    with pytest.raises(InputError, match=r"frame 0: .*no tracker_id.*run a tracker"):
        Tracks.from_detections([bare], clip)
    twice = sv.Detections(xyxy=np.ones((2, 4), np.float32), tracker_id=np.array([1, 1]))
    with pytest.raises(InputError, match="twice"):
        Tracks.from_detections([twice], clip)
    sure = sv.Detections(
        xyxy=np.array([[1, 1, 2, 2]], np.float32), confidence=np.array([2.0]), tracker_id=np.array([1])
    )
    with pytest.raises(InputError, match="frame 0, detection 0: confidence"):
        Tracks.from_detections([sure], clip)


def test_a_notebook_shows_tracks_without_letting_markup_in(tracks):
    html = tracks._repr_html_()
    assert "a &lt;b&gt;dog&lt;/b&gt;" in html
    assert "&lt;clip&gt;.mp4" in html
    assert "car &amp; co" in html
    assert html.count("<polyline") == 2
    assert tracks[0].obj_id == 7
    assert tracks[-1] is tracks.tracks[1]


def test_a_track_draws_its_path(tracks):
    import matplotlib

    matplotlib.use("Agg")
    axes = tracks[0].plot()
    solid, dotted, _ = axes.get_lines()
    assert solid.get_xdata() == pytest.approx([6.375, 7.375, 8.375])
    assert dotted.get_linestyle() == ":"
    assert axes.yaxis_inverted()
    assert tracks[1].plot(axes) is axes
    assert len(axes.get_lines()) == 5


def test_a_moment_shows_its_picture_and_its_clip(clip):
    moment = Moment(str(clip), 1.0, 2.0, Hit(str(clip), 12, 1.2, 0.3, 0.9), 0.9)
    frame = moment.frame()
    assert frame.index == 12
    assert np.array_equal(np.array(Image.open(io.BytesIO(frame._repr_png_()))), frame.image)
    html = moment.clip()._repr_html_()
    assert html.startswith("<video controls")
    assert "data:video/mp4;base64," in html


def test_a_clip_has_the_pictures_and_the_sound_of_its_stretch(clip, tmp_path):
    import av

    path = write_clip(clip, 0.8, 1.6, tmp_path / "cut.mp4")
    with open_video(path) as cut, open_video(clip) as whole:
        pictures = list(cut)
        assert [f.time_s for f in pictures] == pytest.approx([i / 10 for i in range(8)], abs=1e-4)
        for i, frame in enumerate(pictures):
            assert abs(frame.image.mean() - whole.frame_at(8 + i).image.mean()) < 3
    with av.open(str(path)) as made:
        samples = np.concatenate([f.to_ndarray()[0] for f in made.decode(audio=0)])
    loud = np.flatnonzero(np.abs(samples) > 0.2)
    assert loud[0] / 48000 == pytest.approx(0.2, abs=0.05)
    assert len(samples) / 48000 == pytest.approx(0.8, abs=0.05)
    with pytest.raises(InputError, match="empty"):
        write_clip(clip, 1, 1, tmp_path / "none.mp4")


def test_results_become_clips_named_by_their_order(clip, tmp_path):
    moment = Moment(str(clip), 1.0, 1.5, Hit(str(clip), 12, 1.2, 0.3, 0.9), 0.9)
    files = save_clips([Chain.of((moment, moment), 0.5), moment.key], tmp_path / "clips")
    assert [f.name for f in files] == ["001-clip-1.000s.mp4", "002-clip-1.000s.mp4", "003-clip-1.200s.mp4"]
    with open_video(files[2]) as cut:
        assert cut.len_frames() == 10
