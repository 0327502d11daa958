"""One suite for every kind of source; the truth comes from plain PyAV, PIL, OpenCV, or the test itself.

A live source has no past: what it shares with the others is tested with them, and that it says so.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from seektrack.errors import InputError
from seektrack.video import LiveSource, VideoSource, open_video
from seektrack.video.cropped import CroppedSource
from seektrack.video.filtered import FilteredSource
from seektrack.video.filters import between
from seektrack.video.recording import Stretch

N = 32
Opener = Callable[..., VideoSource]


@dataclass(frozen=True)
class Case:
    """How to open a source, and what it must show."""

    open: Opener
    times: list[Fraction]
    images: list[NDArray[np.uint8]]


def scene(i: int, *, h: int = 48, w: int = 64) -> NDArray[np.uint8]:
    """A picture no two of which are alike."""
    image = np.full((h, w, 3), (20, 60, 30), np.uint8)
    x = (5 * i) % (w - 16)
    image[8:24, x : x + 16] = (240, 40, 20)
    image[h - 10 :, : (3 * i) % w] = (20, 190, 240)
    return image


def encode(
    path: Path,
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    gaps_ms: list[int] | None = None,
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = 12
        stream.codec_context.thread_count = 1
        if gaps_ms:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        at = itertools.accumulate(itertools.cycle(gaps_ms or [1]), initial=0)
        for i, pts in zip(range(N), at, strict=False):
            frame = av.VideoFrame.from_ndarray(scene(i), "rgb24")
            if gaps_ms:
                frame.pts, frame.time_base = pts, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def serve(folder: Path) -> str:
    """The address of a web server of this process that shows a folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def decoded(path: Path) -> tuple[list[Fraction], list[NDArray[np.uint8]]]:
    """What plain PyAV shows, front to back."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        stamps = [f.pts for f in frames]
        base = container.streams.video[0].time_base
        if any(s is None for s in stamps):
            return [Fraction(i, 25) for i in range(len(frames))], [
                f.to_ndarray(format="rgb24") for f in frames
            ]
        times = [(s - stamps[0]) * base for s in stamps]
        return times, [f.to_ndarray(format="rgb24") for f in frames]


FILES: dict[str, tuple[str, dict[str, object]]] = {
    "mp4": ("a.mp4", {}),
    "mp4-variable-rate": ("v.mp4", {"gaps_ms": [20, 33, 120, 51, 7]}),
    "mkv-open-gop": ("o.mkv", {"options": {"x264-params": "open-gop=1:bframes=3:scenecut=0"}}),
    "mp4-open-gop": ("o.mp4", {"options": {"x264-params": "open-gop=1:bframes=3:scenecut=0"}}),
    "mpeg-ts": ("t.ts", {"options": {"bf": "3"}}),
    "webm-hidden-frames": (
        "w.webm",
        {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "realtime"}},
    ),
    "mp4-intra-refresh": ("i.mp4", {"options": {"x264-params": "intra-refresh=1"}}),
    "h264-without-container": ("r.h264", {}),
}
PAGES = {"webp-animation": "a.webp", "png-animation": "a.apng", "tiff-pages": "a.tiff"}
CACHED = ["cached-mp4-variable-rate", "cached-webm-hidden-frames", "cached-array", "cached-as-jpeg"]
FILTERED = ["filtered-mp4-variable-rate", "filtered-array", "filtered-cached-mp4-open-gop"]
WRAPPED = ["interpolated-array", "borrowed-mp4-open-gop", "fetched-mp4-variable-rate"]
KINDS = [
    *WRAPPED,
    *FILES,
    *PAGES,
    "folder",
    "array",
    "list",
    "nifti",
    "dicom-series",
    "dicom-recording",
    *CACHED,
    *FILTERED,
    "cropped",
]
LIVE = ["live-file", "live-camera"]
Make = Callable[[str], Case]


def halved(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A filter that shows, and that nothing else does."""
    return image // 2


class StandIn:
    """A camera as OpenCV gives one, showing BGR pictures until it is unplugged."""

    def __init__(self, number: int) -> None:
        self._left = [cv2.cvtColor(scene(i), cv2.COLOR_RGB2BGR) for i in range(N)]

    def isOpened(self) -> bool:
        return True

    def get(self, what: int) -> float:
        return 25.0

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        return (True, self._left.pop(0)) if self._left else (False, None)  # type: ignore[return-value]

    def release(self) -> None:
        pass


@pytest.fixture(scope="module")
def make(
    tmp_path_factory: pytest.TempPathFactory,
    write_dicom: Callable[..., Path],
    write_nifti: Callable[..., Path],
) -> Make:
    made: dict[str, Case] = {}

    def remembered(kind: str) -> Case:
        if kind not in made:
            made[kind] = _make(kind, tmp_path_factory.mktemp(kind), write_dicom, write_nifti)
        return made[kind]

    return remembered


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, make: Make) -> Case:
    """A source whose frames can be asked for in any order."""
    return make(request.param)


@pytest.fixture(params=LIVE)
def live(request: pytest.FixtureRequest, make: Make, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A source that shows what comes from now on."""
    monkeypatch.setattr(cv2, "VideoCapture", StandIn)
    return make(request.param)


def _make(
    kind: str, folder: Path, write_dicom: Callable[..., Path], write_nifti: Callable[..., Path]
) -> Case:
    if kind == "cached-as-jpeg":
        near = [
            cv2.imencode(".jpg", scene(i)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1] for i in range(N)
        ]
        shown = [np.asarray(cv2.imdecode(data, 1)[..., ::-1], dtype=np.uint8) for data in near]
        given = np.stack([scene(i) for i in range(N)])
        return Case(
            lambda **kw: open_video(given, cache="jpeg", **kw), [Fraction(i, 25) for i in range(N)], shown
        )
    if kind == "cropped":
        around = np.stack([scene(i, h=60, w=76) for i in range(N)])
        window = (8, 4, 72, 52)  # x0, y0, x1, y1
        return Case(
            lambda **kw: CroppedSource(open_video(around, **kw), window),
            [Fraction(i, 25) for i in range(N)],
            list(around[:, 4:52, 8:72]),
        )
    if kind.startswith("filtered-"):
        plain = _make(kind.removeprefix("filtered-"), folder, write_dicom, write_nifti)
        return Case(
            lambda **kw: FilteredSource(plain.open(**kw), halved),
            plain.times,
            [halved(i) for i in plain.images],
        )
    if kind.startswith("fetched-"):
        kept = _make(kind.removeprefix("fetched-"), folder, write_dicom, write_nifti)
        [file] = folder.iterdir()
        address = f"{serve(folder)}/{file.name}"
        return Case(lambda **kw: open_video(address, **kw), kept.times, kept.images)
    if kind.startswith("borrowed-"):
        lent = _make(kind.removeprefix("borrowed-"), folder, write_dicom, write_nifti)
        return Case(lambda **kw: open_video(lent.open(), **kw), lent.times, lent.images)
    if kind == "interpolated-array":
        ends, steps = [scene(0), scene(4)], [k / (N - 1) for k in range(1, N - 1)]
        filled = [ends[0], *between(*ends, steps), ends[1]]
        return Case(
            lambda **kw: open_video(ends, fps=1, interpolate=N - 1, **kw),
            [Fraction(k, N - 1) for k in range(N)],
            filled,
        )
    if kind.startswith("cached-"):
        whole = _make(kind.removeprefix("cached-"), folder, write_dicom, write_nifti)
        return Case(lambda **kw: whole.open(cache="raw", **kw), whole.times, whole.images)
    if kind == "live-file":
        path = encode(folder / "live.mp4", gaps_ms=[5, 12])
        times, images = decoded(path)
        return Case(lambda: LiveSource(path), times, images)
    if kind == "live-camera":
        return Case(lambda: LiveSource(0), [], [scene(i) for i in range(N)])
    if kind in FILES:
        name, how = FILES[kind]
        path = encode(folder / name, **how)  # type: ignore[arg-type]
        times, images = decoded(path)
        assert len(images) == N
        return Case(lambda **kw: open_video(path, **kw), times, images)
    if kind in PAGES:
        path = folder / PAGES[kind]
        pages = [Image.fromarray(scene(i)) for i in range(N)]
        timed = {} if kind == "tiff-pages" else {"duration": [40 + i for i in range(N)]}
        lossless = {"lossless": True, "quality": 100} if kind == "webp-animation" else {}
        pages[0].save(path, save_all=True, append_images=pages[1:], **timed, **lossless)
        ends = itertools.accumulate(range(40, 40 + N), initial=0)
        at = [Fraction(ms, 1000) for ms in itertools.islice(ends, N)]
        even = [Fraction(i, 25) for i in range(N)]
        return Case(lambda **kw: open_video(path, **kw), at if timed else even, [scene(i) for i in range(N)])
    images = [scene(i) for i in range(N)]
    times = [Fraction(i * 1001, 30000) for i in range(N)]
    fps = Fraction(30000, 1001)
    if kind == "folder":
        for i, image in enumerate(images):
            Image.fromarray(image).save(folder / f"frame{i}.png")
        return Case(lambda **kw: open_video(folder, fps=fps, **kw), times, images)
    if kind == "dicom-recording":
        recording = write_dicom(folder / "a.dcm", np.stack(images))
        return Case(lambda **kw: open_video(recording, fps=fps, **kw), times, images)
    if kind in {"nifti", "dicom-series"}:
        grey = np.stack(images)[..., 0]
        if kind == "nifti":
            path = write_nifti(folder / "a.nii.gz", grey)
        else:
            path = folder
            for i, one in enumerate(grey):
                write_dicom(folder / f"{N - i}.dcm", one, InstanceNumber=i + 1)
        shown = [np.repeat(one[..., None], 3, axis=-1) for one in grey]
        return Case(lambda **kw: open_video(path, fps=fps, window=(127.5, 255), **kw), times, shown)
    given = np.stack(images) if kind == "array" else images
    return Case(lambda **kw: open_video(given, fps=fps, **kw), times, images)


def test_iteration_gives_every_frame_with_its_index_time_and_pixels(case: Case) -> None:
    with case.open() as source:
        frames = list(source)
    assert [f.index for f in frames] == list(range(N))
    assert [f.timestamp for f in frames] == case.times
    assert all(np.array_equal(f.image, image) for f, image in zip(frames, case.images, strict=True))


def test_frames_are_contiguous_rgb_of_the_size_the_info_says(case: Case) -> None:
    source = case.open()
    image = next(iter(source)).image
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.shape == (*source.info.hw, 3)


def test_times_and_length_are_known_before_iteration(case: Case) -> None:
    source = case.open()
    assert source.len_frames() == N
    assert source.times() == case.times


def test_iteration_starts_anew_also_after_it_was_left_half_way(case: Case) -> None:
    source = case.open()
    assert [f.index for f in itertools.islice(source, 5)] == [0, 1, 2, 3, 4]
    first, second = iter(source), iter(source)
    assert [next(first).index, next(first).index, next(second).index] == [0, 1, 0]
    assert len(list(source)) == N


def test_frame_at_equals_iteration_in_any_order(case: Case) -> None:
    source = case.open()
    order = np.random.default_rng(0).permutation(N)[:12].tolist()
    for i in [N - 1, 0, 11, 12, 13, 13, 14, *order]:
        frame = source.frame_at(i)
        assert (frame.index, frame.timestamp) == (i, case.times[i])
        assert np.array_equal(frame.image, case.images[i])


def test_frame_at_refuses_an_index_outside(case: Case) -> None:
    source = case.open()
    for index in (-1, N):
        with pytest.raises(InputError, match=f"no frame {index} .* 0 to {N - 1}"):
            source.frame_at(index)


def test_frame_near_takes_the_nearest_in_time(case: Case) -> None:
    source = case.open()
    half_way = (case.times[9] + case.times[10]) / 2
    for wanted in (0, Fraction(11, 1000), Fraction(4321, 10_000), half_way, case.times[20], 10**6):
        distances = [abs(t - wanted) for t in case.times]
        assert source.frame_near(float(wanted)).index == distances.index(min(distances))
    with pytest.raises(InputError, match="finite"):
        source.frame_near(float("nan"))


@pytest.mark.parametrize("start", [None, 23, 0])
def test_reversed_equals_forward(case: Case, start: int | None) -> None:
    frames = list(case.open().frames_reversed(start))
    last = N - 1 if start is None else start
    assert [f.index for f in frames] == list(range(last, -1, -1))
    assert [f.timestamp for f in frames] == case.times[last::-1]
    assert all(np.array_equal(f.image, case.images[f.index]) for f in frames)


def test_an_interval_keeps_index_and_time_of_the_whole_video(case: Case) -> None:
    source = case.open(start_s=float(case.times[13]), end_s=float(case.times[27]))
    frames = list(source)
    assert [f.index for f in frames] == list(range(13, 27))
    assert all(np.array_equal(f.image, case.images[f.index]) for f in frames)
    kept = [f.index for f in frames]
    assert source.times() == [case.times[i] for i in kept]
    assert source.len_frames() == len(kept)
    assert source.first_index == kept[0]
    assert [f.index for f in source.frames_reversed()] == kept[::-1]
    assert source.frame_near(0).index == kept[0]
    assert source.frame_near(1e6).index == kept[-1]
    with pytest.raises(InputError, match=f"no frame {kept[0] - 1}"):
        source.frame_at(kept[0] - 1)


def test_frames_takes_an_interval_within_the_sources(case: Case) -> None:
    low, high = case.times[10] + Fraction(1, 1000), case.times[20] + Fraction(1, 1000)
    source = case.open(start_s=float(low))
    assert [f.index for f in source.frames(start_s=0, end_s=float(high))] == list(range(11, 21))
    assert [f.index for f in source.frames(start_s=float(high))] == list(range(21, N))


def test_an_interval_without_frames_is_empty(case: Case) -> None:
    source = case.open(start_s=float(case.times[3]) + 1e-4, end_s=float(case.times[3]) + 2e-4)
    assert list(source) == list(source.frames_reversed()) == source.times() == []
    with pytest.raises(InputError, match="no frames here"):
        source.frame_near(0)


@pytest.mark.parametrize(
    "bounds", [(-1, None), (0.5, 0.5), (1, 0.2), (float("nan"), None), (None, float("inf"))]
)
def test_an_impossible_interval_is_refused(case: Case, bounds: tuple[float | None, float | None]) -> None:
    with pytest.raises(InputError):
        case.open(start_s=bounds[0], end_s=bounds[1])


def test_a_closed_source_opens_again(case: Case) -> None:
    source = case.open()
    source.frame_at(5)
    source.close()
    source.close()
    assert source.frame_at(6).index == 6
    assert len(list(source)) == N


def test_pictures_give_a_small_grey_copy_and_the_frame(case: Case) -> None:
    for picture in itertools.islice(case.open().pictures(), 3, 5):
        small = picture.luma((12, 16))
        assert small.shape == (12, 16)
        assert small.dtype == np.uint8
        assert np.array_equal(picture.frame().image, case.images[picture.index])
        grey = case.images[picture.index].astype(float) @ (0.299, 0.587, 0.114)
        blocks = grey.reshape(12, 4, 16, 4).mean(axis=(1, 3))
        # Video luma is 16..235; bring the grey copy's mean to compare brightness only loosely.
        assert np.corrcoef(blocks.ravel(), small.ravel())[0, 1] > 0.98


def test_a_live_source_shows_the_same_frames_as_long_as_one_keeps_up(live: Case) -> None:
    with live.open() as source:
        frames = list(source)
    indices = [f.index for f in frames]
    assert indices == sorted(set(indices))
    assert indices[-1] == N - 1, "the newest is never dropped"
    assert source.received == N
    assert source.dropped == N - len(frames)
    for frame in frames:
        assert np.array_equal(frame.image, live.images[frame.index])
        assert frame.image.flags.c_contiguous
        assert frame.image.shape == (*source.info.hw, 3)
    stamps = [f.timestamp for f in frames]
    assert stamps == sorted(set(stamps))
    if live.times:
        assert stamps == [live.times[i] for i in indices]


def test_a_live_source_gives_a_small_grey_copy_and_the_frame(live: Case) -> None:
    for picture in live.open().pictures():
        assert picture.luma((12, 16)).shape == (12, 16)
        assert np.array_equal(picture.frame().image, live.images[picture.index])


ASKS_FOR_THE_PAST: dict[str, Callable[[VideoSource], Any]] = {
    "times": lambda s: s.times(),
    "length": lambda s: s.len_frames(),
    "first index": lambda s: s.first_index,
    "frame at": lambda s: s.frame_at(0),
    "frame near": lambda s: s.frame_near(0.1),
    "reversed": lambda s: list(s.frames_reversed()),
    "from a second on": lambda s: list(s.frames(start_s=0.1)),
}


@pytest.mark.parametrize("what", ASKS_FOR_THE_PAST)
def test_a_live_source_refuses_to_go_back_and_says_the_way_out(what: str, live: Case) -> None:
    source = live.open()
    with pytest.raises(InputError, match="is a live stream") as refused:
        ASKS_FOR_THE_PAST[what](source)
    assert refused.value.hint == "record it to a file first"
    source.close()


def test_a_live_source_can_be_left_and_closed_but_not_begun_again(live: Case) -> None:
    source = live.open()
    taken = [f.index for f in itertools.islice(source.frames(end_s=1e6), 1)]
    assert len(taken) == 1
    source.close()
    source.close()
    with pytest.raises(InputError, match="read already"):
        list(source)


def test_every_kind_of_source_is_in_this_suite(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", StandIn)

    def below(kind: type) -> set[type]:
        """The kinds derived from a kind that nothing of ours is derived from in turn."""
        derived = [k for k in kind.__subclasses__() if k.__module__.startswith("seektrack.")]
        return set().union(*map(below, derived)) if derived else {kind}

    sources = [make(kind).open() for kind in [*KINDS, *LIVE]]
    for source in sources:
        source.close()
    being_recorded = {Stretch}  # what open_video makes a recording of; nobody is handed one
    assert {type(source) for source in sources} == below(VideoSource) - being_recorded
