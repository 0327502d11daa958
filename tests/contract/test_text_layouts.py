"""Every layout of things with texts through the commands: figures as trec_eval has them, what is left out."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrec_eval
import torch
from PIL import Image

from seektrack.cli import main
from seektrack.errors import InputError
from seektrack.training.clip import ClipSizes
from seektrack.training.clip.model import build_model, build_processor, build_tokenizer
from seektrack.training.datasets import read_texts
from seektrack.training.finetune import read_pairs
from seektrack.video import VideoWriter

SIZES = ClipSizes(image_size=28, patch_size=14, width=32, layers=1, heads=2, text_width=32, text_layers=1,
                  dim=16, vocabulary=600)  # fmt: skip
KS = (1, 5, 10)
MEASURES = {"P.1,5,10", "recall.1,5,10", "success.1,5,10", "map", "recip_rank"}
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200)}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two encoders of random weights."""
    folders = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        folder, tokenizer = tmp_path_factory.mktemp("model"), build_tokenizer(SIZES)
        build_model(SIZES, tokenizer).save_pretrained(folder)
        build_processor(SIZES, tokenizer).save_pretrained(folder)
        folders.append(str(folder))
    return folders


def picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def film(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with VideoWriter(path, width=48, height=32, fps=5) as writer:
        for _ in range(10):
            writer.write(rng.integers(0, 255, (32, 48, 3), dtype=np.uint8))


def drawn(layout: str) -> Callable[[Path], str]:
    def write(root: Path) -> str:
        with pytest.raises(SystemExit) as done:
            main(["world", "render", str(root / "set"), "--layout", layout, "--scenes", "4", "--frames", "2",
                  "--size", "64", "--quiet"])  # fmt: skip
        assert not done.value.code
        return str(root / "set")

    return write


def own_pictures(root: Path) -> str:
    for i in range(5):
        picture(root / f"{i}.png", i)
    rows = [f'{i}.png,"thing {i % 3}, here"\n{i}.png,number {i}' for i in range(5)]
    (root / "captions.csv").write_text("file,caption\n" + "\n".join(rows) + "\n")
    return str(root)


def own_moments(root: Path) -> str:
    for name in ("a", "b"):
        film(root / f"{name}.mp4", ord(name))
    rows = ["a.mp4,0,0.9,a thing", "a.mp4,1,1.9,another thing", "b.mp4,0,0.9,a thing", "b,1,1.9,the end"]
    (root / "moments.csv").write_text("video,start,end,text\n" + "\n".join(rows) + "\n")
    return str(root)


def own_classes(root: Path) -> str:
    for i in range(6):
        picture(root / f"{'cats' if i % 2 else 'traffic_lights'}" / f"{i}.jpg", i)
    return str(root)


LAYOUTS = {
    "coco": drawn("coco"),
    "flickr30k": drawn("flickr30k"),
    "msr-vtt": drawn("msr-vtt"),
    "captions": own_pictures,
    "moments": own_moments,
    "labels": own_classes,
}


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as done:
        main([*arguments, "--json"])
    out = capsys.readouterr()
    assert not done.value.code, out.err
    found: dict[str, Any] = json.loads(out.out)
    return found


def read_trec(folder: Path, name: str, *, last: type) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = {}
    for line in (folder / name).read_text().splitlines():
        parts = line.split()
        value = parts[4] if name.endswith(".run") else parts[3]
        table.setdefault(parts[0], {})[parts[2]] = last(value)
    return table


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_figures_of_trec_eval(
    layout: str, tmp_path: Path, models: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    data, out = LAYOUTS[layout](tmp_path / "data"), tmp_path
    capsys.readouterr()
    found = told(
        capsys, "eval", "retrieval", data, "--model", models[0], "--against", models[1], "--frames", "2",
        "--trec", str(out / "trec"), "--plot", str(out / "plot.png"), "--markdown", str(out / "table.md"),
    )  # fmt: skip
    assert found["layout"] == layout and found["left_out"] == 0
    for number, model in enumerate(models):
        for way in ("text_to_image", "image_to_text"):
            judge = pytrec_eval.RelevanceEvaluator(
                read_trec(out / "trec", f"{way}.qrels", last=int), MEASURES
            )
            theirs = judge.evaluate(read_trec(out / "trec", f"{number}.{way}.run", last=float))
            ours = found["encoders"][model][way]
            assert ours["queries"] == len(theirs)
            names = {"mAP": "map", "MRR": "recip_rank"}
            for k in KS:
                names |= {f"R@{k}": f"success_{k}", f"P@{k}": f"P_{k}", f"recall@{k}": f"recall_{k}"}
            for mine, other in names.items():
                mean = sum(one[other] for one in theirs.values()) / len(theirs)
                assert ours[mine] == pytest.approx(mean, abs=1e-4), (way, mine)
        assert all(found["encoders"][model]["ms"][name] > 0 for name in ("text", "image", "similarity"))
    test = found["compared"][models[1]]["text_to_image"]["MRR"]
    assert test["low"] <= test["difference"] <= test["high"] and 0 < test["p"] <= 1
    assert (
        Image.open(out / "plot.png").width > 500
        and "| text to image | mAP |" in (out / "table.md").read_text()
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_searched_through_a_library(
    layout: str, tmp_path: Path, models: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    data, out = LAYOUTS[layout](tmp_path / "data"), tmp_path
    capsys.readouterr()
    library = str(out / "library")
    found = told(
        capsys, "eval", "retrieval", data, "--library", library, "--model", models[0],
        "--trec", str(out / "trec"), "--plot", str(out / "plot.png"), "--markdown", str(out / "table.md"),
    )  # fmt: skip
    one = found["encoders"][library]
    assert one["ms"]["indexing"] > 0 and found["left_out"] == 0
    judge = pytrec_eval.RelevanceEvaluator(read_trec(out / "trec", "text_to_image.qrels", last=int), MEASURES)
    theirs = judge.evaluate(read_trec(out / "trec", "0.text_to_image.run", last=float))
    assert one["text_to_image"]["queries"] == len(theirs)
    for mine, other in {"mAP": "map", "MRR": "recip_rank", "R@5": "success_5", "P@1": "P_1"}.items():
        mean = sum(each[other] for each in theirs.values()) / len(theirs)
        assert one["text_to_image"][mine] == pytest.approx(mean, abs=1e-4), mine
    assert ("right_span" in one["moments"]) == (layout == "moments")
    assert "| moments | answered |" in (out / "table.md").read_text() and (out / "plot.png").is_file()


def test_a_library_is_asked_for_what_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], models: list[str]
) -> None:
    """Whatever is in one of the libraries alone is left out, and named."""
    data = Path(own_pictures(tmp_path))
    library = str(tmp_path / "library")
    with pytest.raises(SystemExit) as done:
        main(
            ["index", *(str(data / f"{i}.png") for i in range(3)), "-l", library, "--model", models[0], "-q"]
        )
    assert not done.value.code
    capsys.readouterr()
    other = str(tmp_path / "other")
    found = told(
        capsys, "eval", "retrieval", str(data), "--library", library, "--library", other, "--model", models[0]
    )
    assert found["things"] == 3 and found["left_out"] == 2
    assert "indexing" in found["encoders"][other]["ms"] and "indexing" not in found["encoders"][library]["ms"]
    assert 0 < found["compared"][other]["text_to_image"]["MRR"]["p"] <= 1
    for given, says in (
        (["--library", library, "--noise"], "--noise with --library"),
        (["--library", library, "--against", models[1]], "--against with --library"),
    ):
        with pytest.raises(SystemExit) as done:
            main(["eval", "retrieval", str(data), *given])
        assert done.value.code and says in capsys.readouterr().err


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_can_be_trained_on(layout: str, tmp_path: Path) -> None:
    data = LAYOUTS[layout](tmp_path)
    pairs = read_pairs(data, frames=2)
    moving = layout in ("msr-vtt", "moments")
    assert len(pairs) == (2 if moving else 1) * len(read_texts(data))
    from seektrack.training.finetune.data import load_picture

    assert all(load_picture(pair.image).ndim == 3 and pair.texts for pair in pairs)


def test_a_moment_is_looked_at_and_no_more(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", width=48, height=32, fps=10) as writer:
        for i in range(40):
            writer.write(np.full((32, 48, 3), 20 + 5 * i, np.uint8))
    (tmp_path / "moments.csv").write_text("video,start,end,text\na.mp4,1,2,the second second\n")
    (item,) = read_texts(tmp_path)
    seen = [float(p.mean()) for p in item.pictures(4)]
    assert seen == sorted(seen) and 20 + 5 * 10 - 4 <= seen[0] < seen[-1] <= 20 + 5 * 20 + 4


def test_noise_is_measured_on_a_data_set(
    tmp_path: Path, models: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys, "eval", "retrieval", own_pictures(tmp_path), "--model", models[0], "--noise")
    kinds = found["noise"][models[0]]
    assert {"text, slips, light", "picture, blur, strong", "picture, jpeg, light"} <= set(kinds)
    assert all(0 <= value <= 1 for one in kinds.values() for value in one.values())


def test_pictures_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], models: list[str]) -> None:
    for i, name in enumerate(["cats", "dogs", "dogs", "owls"]):
        picture(tmp_path / "set" / name / f"{i}.png", i)
    (tmp_path / "names.txt").write_text("a cats\ndogs\n\nhorses\n")
    arguments = ("eval", "clip", str(tmp_path / "set"), "--model", models[0])
    found = told(capsys, *arguments, "--zero-shot", str(tmp_path / "names.txt"), "--template", "none")
    assert found["labels"] == ["a cats", "dogs", "horses"] and found["left_out"] == 1
    from seektrack.encoders import load_encoder

    encoder = load_encoder(models[0])
    files = sorted((tmp_path / "set").glob("[cd]*/*.png"))
    rows = encoder.embed_images([np.asarray(Image.open(f)) for f in files])
    answers = (rows @ encoder.embed_texts(["a cats", "dogs", "horses"]).T).argmax(1)
    expected = float((answers == np.array([0, 1, 1])).mean())
    assert found["encoders"][models[0]]["top1"] == pytest.approx(expected)
    assert found["classes"][models[0]]["dogs"]["things"] == 2


BAD = """file,caption
0.png,fine
1.png,
gone.png,a caption without a picture
broken.png,no picture
,nobody
2.png,fine too
3.png,"also, fine"
"""


def test_what_cannot_be_used_is_named_and_the_rest_is_used(
    tmp_path: Path, models: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for i in (0, 1, 2, 3, 9):
        picture(tmp_path / f"{i}.png", i)
    (tmp_path / "broken.png").write_text("no picture")
    (tmp_path / "captions.csv").write_text(BAD)
    found = read_texts(tmp_path)
    assert [item.key for item in found] == ["0.png", "2.png", "3.png"]
    assert sorted((Path(o.file).name, o.where, o.why) for o in found.left_out) == [
        ("1.png", "", "a picture without a caption"),
        ("9.png", "", "a picture without a caption"),
        ("captions.csv", "line 3", "a file without a caption"),
        ("captions.csv", "line 4 (gone.png)", "a caption whose picture or video is missing"),
        ("captions.csv", "line 5 (broken.png)", "no picture"),
        ("captions.csv", "line 6", "a caption without a file"),
    ]
    with pytest.raises(SystemExit) as done:
        main(["eval", "retrieval", str(tmp_path), "--model", models[0], "--json"])
    out = capsys.readouterr()
    assert not done.value.code and json.loads(out.out)["left_out"] == 6
    assert "left out, a picture without a caption: 2" in out.err and "line 4 (gone.png)" in out.err
    found.left_out.write(tmp_path / "left-out.csv")
    with (tmp_path / "left-out.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 6


def test_a_class_of_one_teaches_nothing_but_may_be_asked(tmp_path: Path) -> None:
    picture(tmp_path / "own" / "a.png", 1)
    for i in range(3):
        picture(tmp_path / "others" / f"{i}.png", i)
    pairs = read_pairs(tmp_path)
    assert {pair.texts for pair in pairs} == {("others",)}
    assert [o.why for o in pairs.left_out] == ["a class with one example"]
    assert len(read_texts(tmp_path)) == 4


def test_a_picture_that_turns_out_damaged_is_left_out(tmp_path: Path) -> None:
    from seektrack.evaluation.captions import TextSettings, evaluate_texts

    data = own_pictures(tmp_path)
    whole = (tmp_path / "0.png").read_bytes()
    (tmp_path / "0.png").write_bytes(whole[: len(whole) // 2])
    report = evaluate_texts(data, TextSettings())
    assert "0.png" not in report.keys and len(report.keys) == 4
    assert any(o.file == "0.png" and "cannot be read" in o.why for o in report.left_out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["retrieval", "--split", "test"], "--split without a data set"),
        (["retrieval", "DATA", "--split", "test"], "no split 'test'"),
        (["retrieval", "DATA", "--images", "nowhere"], "no folder nowhere"),
        (["retrieval", "nowhere"], "no such file or folder"),
        (["retrieval", "DATA", "--template", "a scan"], "unknown templates"),
        (["clip", "DATA", "--zero-shot", "cat"], "cannot choose among 1 names"),
        (["clip", "DATA", "--zero-shot", "cat,a cat"], "cannot choose among twice: a cat, cat"),
        (["clip", "DATA", "--zero-shot", "cat,dog"], "nothing bears one of the names"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = own_pictures(tmp_path)
    with pytest.raises(SystemExit) as done:
        main(["eval", *(data if a == "DATA" else a for a in arguments)])
    error = capsys.readouterr().err
    assert done.value.code and said in error and "Traceback" not in error


def test_two_coco_files_ask_for_one(tmp_path: Path) -> None:
    for part in ("train", "val"):
        picture(tmp_path / f"{part}2017" / "1.png", 1)
        content = {
            "images": [{"id": 1, "file_name": "1.png"}],
            "annotations": [{"image_id": 1, "caption": part}],
        }
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / f"annotations/captions_{part}2017.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="choose with --split"):
        read_texts(tmp_path)
    assert [item.texts for item in read_texts(tmp_path, split="val")] == [("val",)]
