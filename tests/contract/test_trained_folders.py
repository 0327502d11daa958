"""A folder that a training wrote is a model at every door: each kind trained once, tiny, tried at each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from skimage import data

from seektrack import Library, Prompt, start_session, track_objects
from seektrack.cli import main
from seektrack.encoders import load_encoder
from seektrack.encoders.temporal import save_temporal
from seektrack.encoders.temporal_network import TemporalModel
from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.errors import ModelError
from seektrack.pipeline import watch
from seektrack.segmentation import load_sam2
from seektrack.serving import ServerSettings, create_app
from seektrack.training.clip import ClipSizes
from seektrack.training.clip.model import build_model, build_processor, build_tokenizer
from seektrack.training.sam2.config import PocketSize, build_pocket
from seektrack.video import VideoWriter

TEXTS = ClipSizes(image_size=28, patch_size=14, width=32, layers=1, heads=2, text_width=32, text_layers=1,
                  dim=16, vocabulary=600)  # fmt: skip
MOMENTS = TemporalSizes(frames=4, image_size=28, patch_size=7, tower_width=16, tower_layers=1, tower_heads=2,
                        channels=16, queries=8, width=16, layers=1, heads=2, dim=16)  # fmt: skip
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "white": (230, 230, 230)}
N, BOX = 5, (20.0, 24.0, 44.0, 48.0)
FIND = ("clip-full", "clip-lora", "clip-adapter", "clip-pruned", "clip-names", "pruned", "joined")
FOLLOW = ("sam2-full", "sam2-lora", "sam2-pruned", "pruned", "joined")
SAID = ["--minutes", "5", "--quiet"]
Run = Callable[..., tuple[int, str, str]]


def scene(i: int) -> NDArray[np.uint8]:
    """A red square on green, that moves to the right."""
    image = np.full((64, 96, 3), (40, 90, 40), np.uint8)
    image[24:48, 20 + 2 * i : 44 + 2 * i] = (220, 40, 30)
    return image


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small models to start from, and a little of every kind of data."""
    home = tmp_path_factory.mktemp("trained")
    torch.manual_seed(0)
    tokenizer = build_tokenizer(TEXTS)
    build_model(TEXTS, tokenizer).save_pretrained(home / "clip")
    build_processor(TEXTS, tokenizer).save_pretrained(home / "clip")
    joint = build_model(TEXTS, tokenizer).config.text_config
    save_temporal(TemporalModel(MOMENTS, joint), tokenizer, home / "temporal")
    build_pocket(PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1))).save_pretrained(home / "sam2")
    for part in ("pictures", "moments", "films/one", "ways/a/gt", "ways/b/gt", "things/gravel bed"):
        (home / part).mkdir(parents=True)
    lines = ["file,caption"]
    for above, below in itertools.product(COLOURS, COLOURS):
        image = np.zeros((30, 30, 3), np.uint8)
        image[:15], image[15:] = COLOURS[above], COLOURS[below]
        cv2.imwrite(str(home / "pictures" / f"{above}-{below}.png"), image[..., ::-1])
        lines.append(f"{above}-{below}.png,{above} over {below}")
    (home / "pictures" / "captions.csv").write_text("\n".join(lines))
    (home / "labels.txt").write_text("red over red\nblue over white\n")
    rows = ["video,start,end,text"]
    for i in range(6):
        film(home / "moments" / f"{i}.mp4", reverse=bool(i % 2))
        rows.append(f"{i}.mp4,0,0.5,a block going {'left' if i % 2 else 'right'}")
    (home / "moments" / "moments.csv").write_text("\n".join(rows))
    for i in range(N):
        mask = np.zeros((64, 96), np.uint8)
        mask[24:48, 20 + 2 * i : 44 + 2 * i] = 1
        cv2.imwrite(str(home / "films" / "one" / f"{i:05d}.jpg"), scene(i)[..., ::-1])
        cv2.imwrite(str(home / "films" / "one" / f"{i:05d}.png"), mask)
    for seed, name in enumerate("ab"):
        about = (
            f"[Sequence]\nname={name}\nimDir=img1\nframeRate=10\nseqLength=60\nimWidth=400\nimHeight=300\n"
        )
        (home / "ways" / name / "seqinfo.ini").write_text(about)
        at = [f"{t + 1},1,{180 + 90 * np.sin(0.25 * t + seed):.2f},120,30,30,1,1,1" for t in range(60)]
        (home / "ways" / name / "gt" / "gt.txt").write_text("\n".join(at))
    for i in range(6):
        square = data.gravel()[30 * i : 30 * i + 120, :120]
        cv2.imwrite(str(home / "things" / "gravel bed" / f"{i}.png"), square)
    film(home / "film.mp4")
    return home


def film(path: Path, *, reverse: bool = False) -> None:
    with VideoWriter(path, width=96, height=64, fps=10, crf=4) as writer:
        for i in range(N):
            writer.write(scene(N - 1 - i if reverse else i))


@pytest.fixture(scope="module")
def trained(home: Path) -> Callable[[str], Path]:
    """The folder of one kind, trained, pruned or joined by its command the first time it is asked for."""
    clip = ["train", "clip", "--data", home / "pictures", "--model", home / "clip", "--epochs", "1"]
    sam2 = ["train", "sam2", "--data", "world:4,frames=4,size=64", "--model", home / "sam2", "--frames", "2",
            "--steps", "1", "--held-out", "0.25", "--workers", "0"]  # fmt: skip
    prune = ["--prune", "0.2", "--prune-by", home / "film.mp4"]
    commands: dict[str, list[object]] = {
        **{f"clip-{recipe}": [*clip, "--recipe", recipe, *SAID] for recipe in ("full", "lora", "adapter")},
        "clip-names": ["train", "clip", "--data", home / "things", "--recipe", "names", *SAID],
        "clip-pruned": [*clip, "--recipe", "full", *prune, *SAID],
        **{f"sam2-{recipe}": [*sam2, "--recipe", recipe, *SAID] for recipe in ("full", "lora")},
        "sam2-pruned": [*sam2, "--recipe", "head", *prune, *SAID],
        "temporal": ["train", "temporal", "--data", home / "moments", "--model", home / "temporal",
                     "--batch", "4", "--steps", "1", "--held-out", "0.3", *SAID],
        "trajectory": ["train", "trajectory", "--data", home / "ways", "--model", "new-lstm", "--steps", "1",
                       *SAID],
    }  # fmt: skip

    @cache
    def folder(kind: str) -> Path:
        out = home / f"trained {kind}"
        if kind == "pruned":
            model = f"{folder('clip-adapter')}+{folder('sam2-lora')}"
            ask("models", "prune", model, "--to", out, "--by", home / "film.mp4", "--share", "0.2", "-q")
        elif kind == "joined":  # both halves in one folder, as models fetch and prune write them
            out.mkdir()
            for part, half in (("clip", "clip-lora"), ("sam2", "sam2-full")):
                (out / part).symlink_to(folder(half))
        else:
            ask(*commands[kind], "--out", out)
        return out

    return folder


def ask(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    assert not ended.value.code, arguments


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A command's status and what it wrote."""

    def asked(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments), "--json"])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return asked


@pytest.mark.parametrize("kind", FIND)
def test_what_finds_is_taken_at_every_door(
    kind: str, home: Path, trained: Callable[[str], Path], run: Run, tmp_path: Path
) -> None:
    model, library, shown = trained(kind), tmp_path / "library", home / "film.mp4"
    asked = "a gravel bed" if kind == "clip-names" else "red over green"
    status, out, err = run("index", shown, "-l", library, "--model", model, "--regions", "none",
                           "--sampling", "every=1")  # fmt: skip
    assert (status, json.loads(out)["indexed"]) == (0, 1), err
    hits = ("--hits", "--min-confidence", "0", "--rank-by", "cosine", "--verbatim")
    for more in ((), ("--model", model)):
        status, out, err = run("search", asked, "-l", library, *hits, *more)
        assert status == 0 and len(json.loads(out)) == N, err
    with Library(library, model=str(model)) as held:
        found = held.hits(asked, min_confidence=0, rank_by="cosine")
        assert {hit.frame_index for hit in found} == set(range(N))
    served = ServerSettings((library,), state=tmp_path / "state", model=str(model))
    with TestClient(create_app(served), base_url="http://localhost") as client:
        asking = {"text": asked, "min_confidence": 0, "k": 20}
        told = client.post("/api/v1/libraries/library/hits", json=asking)
        assert told.status_code == 200 and len(told.json()["results"]) == N, told.text
    status, _, err = run("live", shown, "--query", asked, "--model", model, "--regions", "none")
    assert status == 0, err
    with watch(shown, [asked], model=str(model), regions="none", sampling="every=1") as watching:
        list(watching)
        assert watching.seen == N
    status, _, err = run("track", shown, "--text", asked, "--model", model, "--out", tmp_path / "t")
    assert status == 0 or json.loads(err.splitlines()[-1])["error"]["code"] == "nothing_found", err
    for command in (
        ("bench", "--quick", "--stage", "search", "--runtime", "torch"),
        ("eval", "retrieval", home / "pictures", "--limit", "6"),
        ("eval", "clip", home / "pictures", "--zero-shot", home / "labels.txt"),
    ):
        status, out, err = run(*command, "--model", model)
        assert status == 0 and json.loads(out), (command, err)


@pytest.mark.parametrize("kind", FOLLOW)
def test_what_follows_is_taken_at_every_door(
    kind: str, home: Path, trained: Callable[[str], Path], run: Run, tmp_path: Path
) -> None:
    model, shown = trained(kind), home / "film.mp4"
    pointed = ("--box", ",".join(f"{v:.0f}" for v in BOX) + "@0", "--model", model, "--no-overlay")
    status, _, err = run("track", shown, *pointed, "--out", tmp_path / "t")
    assert status == 0, err
    tracks = track_objects(shown, prompts=[Prompt(0, 0, box=BOX)], model=str(model))
    written = json.loads((tmp_path / "t" / "tracks.json").read_text())
    assert len(written["tracks"]) == len(tracks) == 1
    session = tmp_path / "one.session"
    status, _, err = run("track", shown, *pointed, "--session", session, "--out", tmp_path / "s")
    assert status == 0, err
    status, _, err = run("track", "--session", session, "--correct", "30,30@1#0", "--out", tmp_path / "s")
    assert status == 0, err
    with start_session(
        shown, prompts=[Prompt(0, 0, box=BOX)], path=tmp_path / "own", model=str(model)
    ) as own:
        own.follow()
        assert len(own.tracks.frame_times) == N
    status, _, err = run("track", shown, *pointed, "--live", "--out", tmp_path / "l")
    assert status == 0, err
    for command in (
        ("bench", "--quick", "--objects", "1", "--stage", "follow", "--no-reference", "--runtime", "torch",
         "--precision", "fp32"),
        ("eval", "vos", home / "films", "--prompts", "box"),
    ):  # fmt: skip
        status, out, err = run(*command, "--model", model)
        assert status == 0 and json.loads(out), (command, err)


@pytest.mark.parametrize("kind", ["clip-adapter", "clip-lora", "sam2-lora"])
def test_it_is_pruned_and_taught_on(
    kind: str, home: Path, trained: Callable[[str], Path], run: Run, tmp_path: Path
) -> None:
    part = kind.partition("-")[0]
    given = (
        ("--data", home / "pictures", "--epochs", "1")
        if part == "clip"
        else ("--data", "world:4,frames=4,size=64", "--frames", "2", "--steps", "1", "--held-out", "0.25",
              "--workers", "0")
    )  # fmt: skip
    small = tmp_path / "small"
    status, _, err = run("models", "prune", trained(kind), "--to", small, "--by", home / "film.mp4",
                         "--share", "0.3", "--only", part)  # fmt: skip
    assert status == 0, err
    again = "adapter" if kind == "clip-adapter" else "head"
    for model, recipe in ((small, "head"), (trained(kind), again)):
        out = tmp_path / f"on {model.name}"
        status, _, err = run("train", part, *given, "--recipe", recipe, "--model", model, "--out", out,
                             "--minutes", "5")  # fmt: skip
        assert status == 0, err
        assert (load_encoder if part == "clip" else load_sam2)(out, device="cpu") is not None


def test_what_moves_and_what_is_hidden_go_to_their_own_doors(
    home: Path, trained: Callable[[str], Path], run: Run, tmp_path: Path
) -> None:
    shown, library = home / "film.mp4", tmp_path / "library"
    status, out, err = run("index", shown, "-l", library, "--model", trained("clip-full"),
                           "--regions", "none", "--temporal",
                           "--temporal-model", trained("temporal"))  # fmt: skip
    assert (status, json.loads(out)["indexed"]) == (0, 1), err
    status, _, err = run("eval", "retrieval", home / "moments", "--model", trained("temporal"))
    assert status == 0, err
    ways = trained("trajectory")
    status, out, err = run("eval", "trajectory", home / "ways", "--predictor", ways)
    assert status == 0 and json.loads(out), err
    box = ("--box", "20,24,44,48@0", "--no-overlay")
    status, _, err = run("track", shown, *box, "--predictor", ways, "--out", tmp_path / "t")
    assert status == 0, err
    for command in (
        ("track", shown, *box, "--out", tmp_path / "no"),
        ("index", shown, "-l", tmp_path / "no"),
        ("eval", "vos", home / "films"),
    ):
        status, _, err = run(*command, "--model", ways)
        said = json.loads(err)["error"]
        assert (status, said["code"]) == (4, "bad_model") and "--predictor" in said["hint"], command
    for load in (load_encoder, load_sam2):
        with pytest.raises(ModelError, match="tells where hidden objects go"):
            load(ways)


def test_it_is_written_as_graphs(trained: Callable[[str], Path], run: Run, tmp_path: Path) -> None:
    """The adapters of a folder go into its graphs; other kinds are as what they started from."""
    status, _, err = run("models", "export", trained("clip-adapter"), "--to", tmp_path / "graphs")
    assert status == 0, err
    own, graphs = (load_encoder(one) for one in (trained("clip-adapter"), tmp_path / "graphs"))
    np.testing.assert_allclose(own.embed_texts(["red"]), graphs.embed_texts(["red"]), atol=1e-3)
