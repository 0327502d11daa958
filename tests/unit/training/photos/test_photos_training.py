"""What is learnt from photographs, end to end on photographs that are easy to tell."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from typer.testing import CliRunner

from seektrack.cli import app
from seektrack.compression.models import export_beside, export_model
from seektrack.encoders import load_encoder, view_picture
from seektrack.encoders.colours import COLOURS, colour_rows
from seektrack.encoders.photo_network import PhotoSizes, _gathered
from seektrack.encoders.photographs import SURE
from seektrack.encoders.preprocess import resampled
from seektrack.errors import InputError, ModelError
from seektrack.evaluation.real import RealSettings, evaluate_real
from seektrack.training.photos import PhotoRecipe, finish, finishing, train_photos
from seektrack.training.photos.calibrate import fitted_scale
from seektrack.training.photos.files import _widened
from seektrack.training.photos.loop import normalised
from seektrack.training.photos.loss import Asking, naming_loss
from seektrack.training.photos.names import load_concepts
from seektrack.training.photos.samples import UNNAMED, place, worn
from seektrack.world import render, sample_scene

SMALL = PhotoRecipe(
    sizes=PhotoSizes(widths=(8, 16, 16), dim=16), tiles=24, films=4, unnamed=6, steps=150, warmup=5,
    late_tiles=18, late_films=4, late_unnamed=12, kinds=0.2, average=0.9, other_rate=1e-2, reserve=1.0,
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def noisy(colour, rng, size=(32, 32)):
    """A surface like a photograph's: grain of all sizes about a colour."""
    coarse = cv2.resize(rng.normal(0, 40, (5, 5, 3)), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(np.array(colour) + coarse + rng.normal(0, 25, (*size, 3)), 0, 255).astype(np.uint8)


THINGS = {"cifar100/{}/apple": (210, 40, 40), "cifar10/{}/dog": (60, 190, 60), "n02123394/": (50, 60, 210)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    base, rng = tmp_path_factory.mktemp("real"), np.random.default_rng(0)
    counts = {}
    for name, colour in THINGS.items():
        for split, count in (("train", 80), ("test", 10)):
            key = name.format(split) if "{" in name else f"tinyimagenet/{split}/n02123394"
            mosaic = np.concatenate([noisy(colour, rng) for _ in range(count)], axis=1)
            (base / f"names/{key}.jpg").parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(base / f"names/{key}.jpg"), mosaic[..., ::-1])
            counts[key] = count
    (base / "names/counts.json").write_text(json.dumps(counts))
    (base / "pictures").mkdir()
    for i in range(3):
        cv2.imwrite(str(base / f"pictures/{i}.jpg"), noisy((128, 128, 128), rng, (96, 128)))
        labels = np.ones((96, 128), np.uint8)
        labels[10:30, 20:50] = 2
        Image.fromarray(labels).save(base / f"pictures/{i}.0.png")
    (base / "films/rex").mkdir(parents=True)
    (base / "films/names.json").write_text(json.dumps({"rex": "a dog on a table"}))
    for t in range(3):
        frame = noisy((128, 128, 128), rng, (96, 128))
        frame[20:60, 30:80] = noisy((60, 190, 60), rng, (40, 50))
        mask = np.zeros((96, 128), np.uint8)
        mask[20:60, 30:80] = 255
        cv2.imwrite(str(base / f"films/rex/{t:05d}.jpg"), frame[..., ::-1])
        Image.fromarray(mask).save(base / f"films/rex/{t:05d}.png")
    return base


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    out, patch = tmp_path_factory.mktemp("photos"), pytest.MonkeyPatch()
    patch.setattr(finishing, "CLIPS", 4)
    patch.setattr(finishing, "CHECKED", 2)
    given = {"names": data / "names", "pictures": [data / "pictures"], "films": data / "films"}
    torch.set_num_threads(1)
    figures = train_photos(SMALL, out, max_minutes=5, **given)
    figures |= finish(SMALL, out, out / "model", gate_steps=24, **given)
    patch.undo()
    return out, figures, given


def test_easy_things_are_learnt_and_the_checkpoint_names_them(trained, data):
    out, figures, _ = trained
    assert figures["named"] > 0.9
    encoder = load_encoder(out / "model")
    rng = np.random.default_rng(5)
    pictures = [noisy(colour, rng, (70, 90)) for colour in THINGS.values()]
    rows = encoder.embed_images(pictures)
    assert rows.shape == (3, encoder.dim) and np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    texts = encoder.embed_texts(["an apple", "ein Hund", "a Persian cat", "a giraffe"])
    assert np.allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-4)
    cosines = rows @ texts.T
    assert cosines[:, :3].argmax(1).tolist() == [0, 1, 2]
    assert (cosines[:, 3] < cosines[:, :3].max(1)).all()
    alone = np.concatenate([encoder.embed_images([p], batch_size=1) for p in pictures])
    assert np.abs(rows - alone).max() < 1e-4


def test_the_drawn_world_is_seen_as_before(trained):
    out, figures, _ = trained
    assert figures["drawings_told"] > 0.7
    encoder, before = load_encoder(out / "model"), load_encoder("pocket")
    frame, words = render(sample_scene(seed=3)).frames[0], ["a red car", "a blue dog", "a street"]
    ((_, inputs),) = encoder.image_groups([frame])
    experts = encoder.experts
    drawn = 1 / (1 + np.exp(-experts.photographs.odds([frame], inputs["pixel_values"].numpy())[0]))
    assert drawn > 0.5
    drawn = 1.0 if drawn > 1 - SURE else drawn
    n = experts.own_dim
    row, texts = encoder.embed_images([frame])[0], encoder.embed_texts(words)
    theirs = before.embed_images([frame])[0][:n]
    assert row[:n] / np.linalg.norm(row[:n]) @ theirs / np.linalg.norm(theirs) > 0.999
    logits = encoder.logit_scale * texts[:, :n] @ row[:n]
    assert logits == pytest.approx(
        np.sqrt(drawn) * experts.own_scale * _cosines(texts[:, :n], row[:n]), abs=1e-2
    )


def test_layers_come_with_the_same_embeddings(trained):
    encoder, rng = load_encoder(trained[0] / "model"), np.random.default_rng(6)
    pictures = [noisy((60, 190, 60), rng, (70, 90)), render(sample_scene(seed=3)).frames[0]]
    rows, layers = encoder.embed_with_layers(pictures)
    assert np.abs(rows - encoder.embed_images(pictures)).max() < 1e-4 and len(layers) == 2
    assert encoder.domain is None and not (trained[0] / "model/domain.safetensors").exists()


def test_names_of_photographs_take_no_belief_from_drawings(trained):
    encoder = load_encoder(trained[0] / "model")
    texts = ["a bee", "a red car", "the ground", "grass"]
    rows = encoder.embed_texts(texts)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    drawn = np.linalg.norm(rows[:, : encoder.experts.own_dim], axis=1)
    assert drawn[[0, 2]] == pytest.approx(0) and drawn[[1, 3]].min() > 0.3


def test_a_colour_does_not_make_an_unknown_thing_known(trained):
    knows = load_encoder(trained[0] / "model").experts.photographs
    nothing, robot, red = (knows.embed_text(text) for text in ("a giraffe", "a red robot", "something red"))
    assert nothing @ robot == pytest.approx(1) and nothing @ red == pytest.approx(0)


def _cosines(rows, one):
    return rows @ one / np.linalg.norm(rows, axis=1) / np.linalg.norm(one)


def test_as_graphs_it_gives_the_same_embeddings(trained, tmp_path):
    source, rng = trained[0] / "model", np.random.default_rng(7)
    (written,) = export_model(source, to=tmp_path)
    assert {"photographs", "gate"} <= set(written.files)
    encoder, graphs = load_encoder(source), load_encoder(tmp_path, runtime="onnx")
    assert (graphs.dim, graphs.fingerprint) == (encoder.dim, encoder.fingerprint)
    assert graphs.vocabulary == encoder.vocabulary and graphs.logit_scale == encoder.logit_scale
    frames = render(sample_scene(seed=3)).frames
    pictures = [noisy((60, 190, 60), rng, (70, 90)), noisy((50, 60, 210), rng, (300, 300)), *frames[:2]]
    assert np.abs(encoder.embed_images(pictures) - graphs.embed_images(pictures)).max() < 1e-4
    texts = ["an apple", "ein Hund", "a red car", "a giraffe", "something blue"]
    assert np.abs(encoder.embed_texts(texts) - graphs.embed_texts(texts)).max() < 1e-4
    assert graphs.embed_texts([]).shape == (0, graphs.dim)


def test_a_whole_picture_tells_what_its_crops_are(trained, tmp_path):
    export_model(trained[0] / "model", to=tmp_path)
    frame = render(sample_scene(seed=3)).frames[0]
    photograph = noisy((60, 190, 60), np.random.default_rng(9), (240, 320))
    for encoder in (load_encoder(trained[0] / "model"), load_encoder(tmp_path, runtime="onnx")):
        n, crops = encoder.experts.own_dim, [frame[20:90, 30:100], photograph[20:90, 30:100]]
        drawn, seen = (
            (view_picture(encoder, whole).embed(crops)[:, :n] ** 2).sum(1) for whole in (frame, photograph)
        )
        assert (drawn >= seen).all() and (drawn > seen + 0.1).any()


def test_graphs_beside_read_the_weights_that_lie_there(trained, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(trained[0] / "model", folder)
    (written,) = export_beside(folder)
    assert written.files["photographs"].weights == "photographs.safetensors"
    assert written.files["vision"].weights == "model.safetensors"
    picture = [noisy((60, 190, 60), np.random.default_rng(8), (70, 90))]
    torch_row, graph_row = (
        load_encoder(folder, runtime=way).embed_images(picture) for way in ("torch", "onnx")
    )
    assert np.abs(torch_row - graph_row).max() < 1e-4


@pytest.mark.parametrize(("size", "side"), [(112, 32), (224, 64), (112, 28), (90, 32)])
def test_pictures_are_brought_to_the_grid_as_torch_does(size, side):
    pixels = np.random.default_rng(0).normal(size=(2, 3, size, size)).astype(np.float32)
    wanted = F.interpolate(
        torch.from_numpy(pixels), (side, side), mode="bilinear", antialias=True, align_corners=False
    )
    assert np.abs(resampled(pixels, side) - wanted.numpy()).max() < 1e-4


def test_training_goes_on_from_its_checkpoint_and_refuses_another_recipe(trained):
    out, _, given = trained
    again = train_photos(SMALL, out, max_minutes=5, **given)
    assert again["steps"] == SMALL.steps
    with pytest.raises(ModelError, match="another recipe"):
        train_photos(PhotoRecipe(seed=9), out, max_minutes=5, **given)


def test_a_deeper_network_goes_on_from_what_was_learnt(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(finishing, "CLIPS", 4)
    monkeypatch.setattr(finishing, "CHECKED", 2)
    out, _, given = trained
    asked = ["pocket", "photos", "--names", given["names"], "--pictures", given["pictures"][0], "--films"]
    asked += [given["films"], "--weights", out / "model", "--minutes", 0.1, "--gate-steps", 2]
    for blocks, wanted in ((["--blocks", "2,1,1"], [2, 1, 1]), ([], [1, 1, 1])):
        at = tmp_path / str(len(blocks))
        told = CliRunner().invoke(app, [*map(str, asked), *blocks, "--out", str(at), "--json"])
        assert told.exit_code == 0, told.output
        sizes = json.loads((at / "model" / "photographs.json").read_text())["sizes"]
        assert sizes["blocks"] == wanted and sizes["widths"] == [8, 16, 16]
        assert json.loads(told.output)["named"] > 0.9  # the few steps of six seconds taught none of it
    with pytest.raises(InputError, match=r"--blocks 2,2"):
        CliRunner().invoke(
            app, [*map(str, asked), "--blocks", "2,2", "--out", str(tmp_path / "no")], catch_exceptions=False
        )
    with pytest.raises(InputError, match="other sizes"):
        train_photos(SMALL, tmp_path / "less", weights=tmp_path / "2" / "model", max_minutes=1, **given)


def test_eval_real_names_the_tiles(trained, data):
    out, _, _ = trained
    ((one,),) = evaluate_real(data / "names", RealSettings(model=str(out / "model"), limit=8)).values()
    assert one.layout == "names" and one.figures["tiles"] == 24 and one.figures["names"] == 3
    assert one.figures["named"] > 0.8 and one.figures["named_or_kind"] >= one.figures["named"]
    assert one.items["apple"]["tiles"] == 8
    asked = ["eval", "real", str(data / "names"), "--limit", "2", "--model", str(out / "model"), "--json"]
    run = CliRunner().invoke(app, asked)
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)[str(data / "names")][0]["figures"]["tiles"] == 6


def test_eval_real_finds_films_by_their_texts(trained, data):
    out, _, _ = trained
    settings = RealSettings(model=str(out / "model"))
    ((one,),) = evaluate_real(data / "films", settings, only=["named films"]).values()
    assert one.figures["films"] == 1 and one.figures["film_first"] == 1
    assert one.items["a dog on a table"]["place"] == 1
    assert one.figures["absent_believed"] == 0


def test_half_a_checkpoint_is_an_error(trained, tmp_path):
    out, _, _ = trained
    shutil.copytree(out / "model", tmp_path / "model")
    (tmp_path / "model/photographs.safetensors").unlink()
    with pytest.raises(ModelError, match="photographs"):
        load_encoder(tmp_path / "model")


def test_convolutions_as_products_are_convolutions():
    torch.manual_seed(0)
    for side, stride in ((3, 1), (6, 2), (5, 2)):
        x = torch.randn(2, 5, side, side, dtype=torch.double, requires_grad=True)
        w = torch.randn(4, 45, dtype=torch.double, requires_grad=True)
        ours = _gathered(x, w, stride)
        theirs = F.conv2d(x, w.view(4, 5, 3, 3), stride=stride, padding=1)
        assert torch.allclose(ours, theirs)
        out = torch.randn_like(ours)
        pairs = zip(
            torch.autograd.grad(ours, (x, w), out), torch.autograd.grad(theirs, (x, w), out), strict=True
        )
        assert all(torch.allclose(a, b) for a, b in pairs)


def test_the_reserve_favours_what_has_no_name_and_leaves_the_names_as_they_are(trained, tmp_path):
    """Logits of names stay, those of pictures without a name rise by the reserve."""
    told = []
    for reserve in (0.0, 2.0):
        folder = tmp_path / str(reserve)
        shutil.copytree(trained[0] / "model", folder)
        settings = json.loads((folder / "photographs.json").read_text())
        scale = _widened(_plain(settings), reserve)
        settings |= {"scale": scale, "reserve": reserve}
        (folder / "photographs.json").write_text(json.dumps(settings))
        knows = load_encoder(folder).experts.photographs
        picture = normalised(noisy((60, 190, 60), np.random.default_rng(5), (112, 112))[None]).numpy()
        row = knows.embed_images(picture)[0]
        assert np.linalg.norm(row) == pytest.approx(1, abs=1e-5)
        texts = np.stack([knows.embed_text(t) for t in ("a dog", "an apple", "a wall", "the sky")])
        told.append(knows.scale * texts @ row)
    assert told[1][:2] == pytest.approx(told[0][:2], abs=1e-3)
    shrunk = np.sqrt(1 - 2.0 / scale)
    assert told[1][2:] == pytest.approx(told[0][2:] * shrunk + 2.0, abs=1e-3)


def _plain(settings):
    """The scale without the reserve."""
    return np.sqrt(settings["scale"] ** 2 - settings["reserve"] * settings["scale"])


def test_what_is_true_as_well_does_not_compete():
    concepts = load_concepts()
    dog, poodle, cat, animal = (concepts.number[n] for n in ("dog", "poodle", "cat", "animal"))
    asking = Asking(concepts.kind_of, kinds=0.0)
    rng = np.random.default_rng(0)
    targets, silent = asking(np.array([poodle, UNNAMED]), rng)
    assert targets.tolist() == [poodle, UNNAMED] and not silent[1].any()
    assert silent[0, [dog, animal]].all() and not silent[0, [cat, poodle]].any()
    seen = [asking(np.array([dog]), rng)[1][0, poodle] for _ in range(40)]
    assert 5 < sum(seen) < 35  # breeds compete half of the time
    kinds = {int(Asking(concepts.kind_of, kinds=1.0)(np.array([dog]), rng)[0][0]) for _ in range(40)}
    assert kinds == {concepts.number[n] for n in ("mammal", "pet", "animal")}


def test_the_loss_is_that_of_the_right_answer_among_those_that_compete():
    logits = torch.tensor([[2.0, 9.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    silent = torch.tensor([[False, True], [False, False]])
    loss = naming_loss(logits, torch.tensor([0, -1]), silent, smoothing=0.0)
    named = -torch.log_softmax(logits[0, [0, 2, 3]], 0)[0]
    refused = -torch.logsumexp(torch.log_softmax(logits[1], 0)[2:], 0)
    assert loss.item() == pytest.approx((named + refused).item() / 2, abs=1e-5)


def test_the_scale_is_the_one_the_answers_were_drawn_with():
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-1, 1, (4000, 12))
    p = np.exp(9 * cosines)
    p /= p.sum(1, keepdims=True)
    drawn = np.array([rng.choice(12, p=row) for row in p])
    truth = np.where(drawn < 10, drawn, -1)
    assert fitted_scale(cosines, truth, silent=np.zeros((4000, 10), bool)) == pytest.approx(9, rel=0.12)


@pytest.mark.parametrize(
    "colour", [("red", (200, 20, 30)), ("blue", (30, 60, 200)), ("white", (250, 250, 250))]
)
def test_the_middle_of_a_picture_says_its_colour(colour):
    name, rgb = colour
    picture = np.full((1, 112, 112, 3), 120, np.uint8)
    picture[:, 30:80, 30:80] = rgb
    shares = colour_rows(normalised(picture).numpy())[0] ** 2
    assert shares.sum() == pytest.approx(1, abs=1e-5)
    assert COLOURS[int(shares[: len(COLOURS)].argmax())] == name and shares[COLOURS.index(name)] > 0.4


def test_tiles_are_placed_and_worn_without_changing_size():
    rng = np.random.default_rng(0)
    tile = noisy((200, 40, 40), rng)
    around = np.zeros((24, 24, 3), np.uint8)
    put = place(tile, 24, 0.4, np.zeros(2), 0.0, around=around)
    assert put[12, 12].sum() > 100 and put[0, 0].sum() == 0
    assert all(worn(put, rng).shape == (24, 24, 3) for _ in range(20))
