"""The commands against a stand-in for the pipeline: what reaches it, what is printed, how each run ends."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import seektrack
import seektrack.pipeline as real
from seektrack import (
    Hit,
    LibraryMismatchError,
    Mask,
    Moment,
    Observation,
    SeekTrackError,
    Track,
    Tracks,
    VideoError,
    VideoInfo,
)
from seektrack.cli import early, main
from seektrack.library import IndexManifest, IndexSettings, LibraryStats, VideoRecord
from seektrack.pipeline.answer import Answer
from seektrack.query import Query
from seektrack.video import Opening

HIT = Hit("a/road.mp4", 12, 0.48, 0.31, 0.9, (1.0, 2.0, 30.0, 40.0))
MOMENT = Moment("a/road.mp4", 0.4, 75.25, HIT, 0.87)


@dataclass(frozen=True)
class Report:
    indexed: int
    skipped: int
    failed: list[tuple[str, Exception]]
    frames: int
    seconds: float
    index: IndexManifest | None = None
    motion: int = 0
    waiting: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    damaged: tuple[tuple[str, str], ...] = ()
    pruned: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    passed_over: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Demo:
    page: Path
    figures: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Found:
    tracks: Tracks
    folder: Path | None = None


def some_tracks(n: int = 1) -> Tracks:
    mask = Mask.from_array(np.ones((4, 6), bool))
    seen = (
        Observation(0, 0.0, (0, 0, 6, 4), mask, 0.9),
        Observation(1, 0.04, (0, 0, 6, 4), None, 0.2, visible=False),
    )
    made = tuple(Track(i, "a [red] car", 0.8, seen) for i in range(n))
    return Tracks(VideoInfo("a/road.mp4", 6, 4, Fraction(25)), "a [red] car", made, {0: 0.0, 1: 0.04})


class Pipeline:
    """Records what the command line asks for and answers with what the test put in."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple, dict]] = []
        self.moments: list[Moment] = [MOMENT]
        self.nearly: list[Moment] = []
        self.notices: tuple[str, ...] = ()
        self.tracks = some_tracks()
        self.failed: list[tuple[str, Exception]] = []
        self.error: BaseException | None = None
        self.index: IndexManifest | None = None
        self.chosen = IndexSettings()
        self.closed = 0

    def note(self, name: str, *args: object, **kwargs: object) -> None:
        self.calls.append((name, args, kwargs))
        if self.error is not None:
            raise self.error

    def module(self) -> types.ModuleType:
        pipeline = self

        class Library:
            def __init__(self, path: Path, *, runtime: str | None = None, **given: object) -> None:
                pipeline.note("open", path, **{"model": "pocket", "device": None, **given})

            def __enter__(self) -> Library:
                return self

            def __exit__(self, *_: object) -> None:
                pipeline.closed += 1

            def index(self, paths: list[Path], *, progress, **settings: object) -> Report:
                pipeline.note("index", paths, **settings)
                if progress is not None:
                    progress(1, 2, "indexing")
                return Report(2, 1, pipeline.failed, 40, 1.5, pipeline.index)

            def search(self, query: Query, **options: object) -> Answer[Moment]:
                pipeline.note("search", str(query), **options)
                return Answer(pipeline.moments, query=query, notices=pipeline.notices)

            def hits(self, query: Query, **options: object) -> Answer[Hit]:
                return Answer([m.key for m in pipeline.moments or pipeline.nearly], query=query)

            def corrected(self, text: str) -> types.SimpleNamespace:
                return types.SimpleNamespace(text=text)

            def videos(self) -> list[VideoRecord]:
                return [
                    VideoRecord("a/road.mp4", True, 12, 40, 61.5, 64, 48, Fraction(25), "", True),
                    VideoRecord("a/park.mp4", False, 3, 9, None, 64, 48, Fraction(25), "", True),
                    VideoRecord("a/gone.mp4", True, 3, 9, 2.0, 64, 48, Fraction(25), "", False),
                ]

            def stats(self) -> LibraryStats:
                return LibraryStats(
                    2,
                    1,
                    12,
                    70_000,
                    5_000_000,
                    "pocket",
                    "f",
                    64,
                    chosen=pipeline.chosen,
                    index=pipeline.index,
                )

            def remove(self, path: Path) -> bool:
                pipeline.note("remove", path)
                return path.name != "never-there.mp4"

        def track_objects(video: Path, query: Query | None = None, *, progress, **settings: object) -> Tracks:
            text = None if query is None else str(query)
            pipeline.note("track", video, text, **settings)
            return pipeline.tracks

        def search_and_track(library: Library, query: Query, *, progress, **settings: object) -> list[Found]:
            pipeline.note("search_and_track", str(query), **settings)
            return [Found(pipeline.tracks), Found(pipeline.tracks)]

        made = types.ModuleType("seektrack.pipeline")
        made.__path__ = list(real.__path__)  # what is not stood in for is the real one's
        made.__getattr__ = lambda name: getattr(real, name)
        made.Library, made.track_objects, made.search_and_track = Library, track_objects, search_and_track
        return made


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    stand_in = Pipeline()
    module = stand_in.module()
    demo = types.ModuleType("seektrack.evaluation.demo")
    demo.run_demo = lambda out, *, small, film, progress: Demo(Path(out) / "index.html", {"J": 0.71}, 61.0)
    monkeypatch.setitem(sys.modules, "seektrack.pipeline", module)
    monkeypatch.setattr(early, "_is_there", lambda name: True)  # as the stand-in is asked for names only
    monkeypatch.setattr("seektrack.library.identity.is_there", lambda video: "gone" not in video)
    monkeypatch.setitem(sys.modules, "seektrack.evaluation.demo", demo)
    monkeypatch.delenv("SEEKTRACK_DEBUG", raising=False)
    monkeypatch.delenv("SEEKTRACK_LIBRARY", raising=False)
    return stand_in


@dataclass(frozen=True)
class Run:
    status: int
    out: str
    err: str


@pytest.fixture
def run(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]):
    def go(*args: str) -> Run:
        with pytest.raises(SystemExit) as ended:
            main(args)
        printed = capsys.readouterr()
        return Run(int(ended.value.code or 0), printed.out, printed.err)

    return go


def test_version(run):
    assert run("--version").out.strip() == f"seektrack {seektrack.__version__}"


def test_demo_ends_with_an_address_a_browser_opens(run, tmp_path: Path):
    done = run("demo", "--small", "--out", str(tmp_path))
    assert done.status == 0
    assert (tmp_path / "index.html").as_uri() in done.out
    assert "1:01.0" in done.out
    assert "0.710" in done.out


def test_index_passes_its_settings_on_and_reports(run, pipeline: Pipeline):
    how = ("--sampling", "fps=2", "--regions", "tiles", "--reindex", "--filter", "nlm", "--ann", "hnsw")
    done = run("index", "a", "b.mp4", "-l", "lib", *how)
    assert done.status == 0
    chosen = {"sampling": "fps=2", "regions": "tiles", "filters": "nlm", "ann": "hnsw", "reindex": True}
    chosen |= {
        "temporal": None,
        "opening": None,
        "exclude": (),
        "prune": False,
        "settled_s": 0.0,
        "workers": None,
    }
    assert pipeline.calls == [
        ("open", (Path("lib"),), {"model": "pocket", "device": None, "backend": None}),
        ("index", (["a", "b.mp4"],), chosen),
    ]
    assert "2 indexed, 1 unchanged, 0 failed; 40 frames in 0:01.5 → lib" in done.out
    assert pipeline.closed == 1


@pytest.mark.parametrize(
    ("flags", "temporal"),
    [(["--temporal"], True), (["--no-temporal"], False), (["--temporal-model", "runs/t"], "runs/t")],
)
def test_index_says_whether_clips_are_embedded(run, pipeline: Pipeline, flags: list[str], temporal: object):
    run("index", "a", *flags)
    assert pipeline.calls[-1][2]["temporal"] == temporal


@pytest.mark.parametrize(("failing", "status"), [(1, 11), (3, 13), (500, 99)])
def test_the_status_of_index_tells_how_many_videos_failed(run, pipeline: Pipeline, failing: int, status: int):
    pipeline.failed = [(f"{i}.mp4", VideoError("not a video")) for i in range(failing)]
    assert run("index", "a").status == status


def test_index_names_each_video_that_failed(run, pipeline: Pipeline):
    pipeline.failed = [("bad.mp4", VideoError("not a video", hint="look at it"))]
    done = run("index", "a")
    assert done.status == 11
    assert "bad.mp4: not a video (look at it)" in done.out
    as_json = json.loads(run("index", "a", "--json").out)
    assert as_json["failed"] == [
        ["bad.mp4", {"code": "bad_video", "message": "not a video", "hint": "look at it"}]
    ]


def test_the_library_may_come_from_the_environment(run, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEEKTRACK_LIBRARY", "elsewhere")
    run("search", "a red car")
    assert pipeline.calls[0][1] == (Path("elsewhere"),)


def test_search_prints_moments_with_their_times(run, pipeline: Pipeline):
    done = run("search", "a red car", "-k", "3")
    assert done.status == 0
    assert pipeline.calls[-1] == ("search", ("a red car",), {"k": 3})
    assert done.out.splitlines()[1].split() == ["0.87", "0:00.4", "–", "1:15.2", "a/road.mp4"]


def test_search_json_is_the_whole_answer(run):
    (moment,) = json.loads(run("search", "a red car", "--json").out)
    assert moment["key"]["box"] == [1.0, 2.0, 30.0, 40.0]
    assert (moment["start_s"], moment["end_s"], moment["confidence"]) == (0.4, 75.25, 0.87)


def test_what_is_nearly_sure_enough_is_pointed_at(run, pipeline: Pipeline):
    pipeline.moments, pipeline.nearly = [], [MOMENT]
    done = run("search", "a red car")
    assert done.status == 6
    assert "the nearest, 0:00.5 of a/road.mp4, is believed 0.90: --hits" in done.err
    assert "1 video whose file is gone was left out: --include-missing" in done.err


def test_search_for_hits_prints_their_boxes(run):
    assert "0:00.5 [1, 2, 30, 40]" in run("search", "a red car", "--hits").out


def test_how_a_question_was_read_is_shown(run, pipeline: Pipeline):
    pipeline.notices = ("'fast' is left aside",)
    done = run("search", "two red cars -night", "--explain")
    assert "thing: car, red, several" in done.err and "must not show: night" in done.err
    assert "note: 'fast' is left aside" in done.err
    told = json.loads(run("search", "two red cars -night", "--explain", "--json").out)
    assert (told["reading"], told["notices"]) == ("a red car -night", ["'fast' is left aside"])
    assert told["results"][0]["confidence"] == 0.87
    assert told["query"]["groups"][0][0]["category"] == "car"
    assert "note: 'fast'" in run("search", "a car").err
    tracked = json.loads(
        run("track", "v.mp4", "--text", "a car", "--text", "a dog", "--explain", "--json").out
    )
    assert tracked["reading"] == "a car; a dog"


def test_wordings_of_ones_own_reach_the_search_and_the_tracks(run, pipeline: Pipeline):
    run("search", "a car", "--template", "a scan of {}", "--template", "{} in a slice")
    assert pipeline.calls[-1][2]["templates"] == ("a scan of {}", "{} in a slice")
    run("search", "a car", "--template", "enriched")
    assert pipeline.calls[-1][2]["templates"] == "enriched"
    run("track", "v.mp4", "--text", "a car", "--template", "a scan of {}")
    assert pipeline.calls[-1][2]["templates"] == ("a scan of {}",)


@pytest.mark.parametrize("flag, printed", [((), ""), (("--json",), "[]")])
def test_nothing_found_is_said_and_ends_with_status_6(run, pipeline: Pipeline, flag, printed: str):
    pipeline.moments = []
    done = run("search", "a purple giraffe", *flag)
    assert (done.status, done.out.strip()) == (6, printed)
    assert "purple giraffe" in done.err


def test_search_may_be_held_to_one_video(run, pipeline: Pipeline):
    run("search", "a red car", "--video", "a/road.mp4")
    assert pipeline.calls[-1][2] == {"k": 10, "video": Path("a/road.mp4")}


def test_videos_lists_what_is_left_and_its_state(run, pipeline: Pipeline):
    done = run("videos", "--remove", "old.mp4")
    assert done.status == 0
    assert pipeline.calls[-1] == ("remove", (Path("old.mp4"),), {})
    road, park, gone, numbers, search = done.out.splitlines()[1:]
    assert numbers == "2 indexed, 1 unfinished; 70000 pictures of 12 frames, 5.0 MB; model pocket"
    assert search == "search index: auto, built by the next search"
    assert road.split() == ["a/road.mp4", "1:01.5", "12", "indexed"]
    assert "unfinished" in park
    assert "file is gone" in gone


def test_the_recall_of_the_search_index_is_told(run, pipeline: Pipeline):
    pipeline.index = IndexManifest("hnsw", 70_000, 64, 0.9961, 64, 0, 20, 3.0)
    line = "search index: hnsw over 70000 pictures, recall@10 0.996 on a sample of queries"
    assert line in run("index", "a", "--ann", "hnsw").out.splitlines()
    assert run("videos", "--summary").out.splitlines()[1:] == [line]
    told = json.loads(run("videos", "--summary", "--json").out)
    assert told["index"]["recall_at_10"] == 0.9961
    assert (told["chosen"]["kind"], told["vectors"]) == ("auto", 70_000)


def test_removing_what_is_not_there_is_an_error(run):
    done = run("videos", "--remove", "never-there.mp4")
    assert done.status == 2
    assert "never-there.mp4" in done.err


def test_track_by_text_writes_the_default_formats(run, pipeline: Pipeline):
    done = run("track", "a/road.mp4", "--text", "a [red] car", "--out", "o")
    name, args, settings = pipeline.calls[-1]
    assert (name, args) == ("track", ("a/road.mp4", "a [red] car"))
    assert settings == {
        "prompts": None,
        "detections": None,
        "masks": False,
        "model": "pocket",
        "device": None,
        "opening": None,
        "filters": None,
        "out": Path("o"),
        "formats": ("json", "mot", "coco", "csv"),
        "overlay": True,
        "settings": None,
    }
    assert "a/road.mp4: 1 track over 2 frames" in done.out
    assert "a [red] car" in done.out


def test_track_by_hand_reads_prompts_formats_and_no_overlay(run, pipeline: Pipeline):
    part = ("--start", "1.5", "--end", "4", "--cache", "jpeg", "--filter", "nlm,clahe")
    run("track", "v.mp4", "--box", "0,0,5,5@2", "-f", "davis", "-f", "csv", "--no-overlay", *part)
    _, (_, text), settings = pipeline.calls[-1]
    assert text is None
    assert [(p.obj_id, p.frame_index, p.box) for p in settings["prompts"]] == [(0, 2, (0, 0, 5, 5))]
    assert (settings["formats"], settings["overlay"]) == (("davis", "csv"), False)
    assert settings["opening"] == Opening(start_s=1.5, end_s=4.0, cache="jpeg")
    assert settings["filters"] == "nlm,clahe"


def test_track_options_of_the_engine_become_settings(run, pipeline: Pipeline):
    how = ("--propagation", "hybrid", "--every", "6", "--refine", "roi", "--post", "close:3,fill:64")
    run("track", "v.mp4", "-t", "a car", *how, "--mask-threshold", "1.5", "--exclusive")
    settings = pipeline.calls[-1][2]["settings"]
    engine = settings.engine
    assert (engine.propagation.mode, engine.propagation.every, engine.propagation.flow) == (
        "hybrid",
        6,
        "dis",
    )
    assert (engine.refine.method, engine.post) == ("roi", "close:3,fill:64")
    assert (engine.mask_threshold, engine.exclusive) == (1.5, True)
    run("track", "-t", "a car", "-l", "lib", "--min-object-score", "0.7")
    assert pipeline.calls[-1][2]["settings"].identity.min_object_score == 0.7


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--propagation", "magic", "memory, hybrid, flow"),
        ("--flow", "horn", "dis, farneback, raft"),
        ("--refine", "zoom", "roi, progressive"),
        ("--post", "polish", "close, open"),
    ],
)
def test_track_refuses_settings_before_anything_is_read(run, pipeline: Pipeline, option, value, told):
    more = ("--propagation", "hybrid") if option == "--flow" else ()
    done = run("track", "v.mp4", "-t", "a car", option, value, *more)
    assert done.status == 2 and told in done.err
    assert not [name for name, *_ in pipeline.calls if name == "track"]


def test_track_in_a_library_searches_it(run, pipeline: Pipeline):
    found = json.loads(run("track", "--text", "a car", "-l", "lib", "--top", "2", "--json").out)
    name, args, settings = pipeline.calls[-1]
    assert (name, args, settings["top"]) == ("search_and_track", ("a car",), 2)
    assert [f["tracks"][0]["visible_frames"] for f in found] == [1, 1]


def test_track_that_follows_nothing_ends_with_status_6(run, pipeline: Pipeline):
    pipeline.tracks = some_tracks(0)
    done = run("track", "v.mp4", "-t", "a purple giraffe")
    assert done.status == 6
    assert "purple giraffe" in done.err


@pytest.mark.parametrize(
    "args",
    [
        ["track"],
        ["track", "v.mp4"],
        ["track", "v.mp4", "--text", "a", "--point", "1,2@0"],
        ["track", "v.mp4", "--text", "a", "--library", "lib"],
        ["track", "--library", "lib"],
        ["track", "--library", "lib", "--box", "0,0,1,1@0"],
        ["track", "v.mp4", "--point", "1;2@0"],
        ["search"],
        ["search", "x", "-k", "0"],
        ["nonsense"],
    ],
)
def test_bad_calls_end_with_status_2_before_anything_is_done(run, pipeline: Pipeline, args: list[str]):
    done = run(*args)
    assert done.status == 2
    assert pipeline.calls == []
    assert done.out == ""
    assert "error" in done.err.lower()


ERROR = LibraryMismatchError("lib was indexed\nby [other]", hint="seektrack index a --library lib --reindex")


def test_an_error_is_one_line_and_its_hint(run, pipeline: Pipeline):
    pipeline.error = ERROR
    done = run("search", "x")
    assert (done.status, done.out) == (5, "")
    assert done.err.splitlines() == [
        "error: lib was indexed by [other]",
        "hint: seektrack index a --library lib --reindex",
    ]


def test_an_error_in_json_has_the_one_error_shape(run, pipeline: Pipeline):
    pipeline.error = ERROR
    done = run("search", "x", "--json")
    assert json.loads(done.err) == {
        "error": {"code": "library_mismatch", "message": ERROR.message, "hint": ERROR.hint}
    }


def test_debugging_lets_the_traceback_through(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch):
    pipeline.error = ERROR
    monkeypatch.setenv("SEEKTRACK_DEBUG", "1")
    with pytest.raises(SeekTrackError):
        main(["search", "x"])


def test_an_interrupt_ends_with_status_130(run, pipeline: Pipeline):
    pipeline.error = KeyboardInterrupt()
    assert run("search", "x").status == 130


def test_quiet_leaves_only_the_result(run):
    done = run("track", "v.mp4", "-t", "a car", "--quiet")
    assert done.err == ""
    assert done.out
