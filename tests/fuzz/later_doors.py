"""More doors: prompt files, kept sessions, one's own defaults, exported graphs and the server."""

from __future__ import annotations

import copy
import functools
import json
import os
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from mutate import edged, mutated


def make_prompts(folder: Path) -> None:
    """Pictures of masks, another tracker's rows, subtitles to be placed."""
    from PIL import Image

    values = np.zeros((48, 64), np.uint8)
    values[8:20, 8:30], values[24:40, 30:60] = 1, 2
    Image.fromarray(values).save(folder / "00002.png")
    Image.fromarray((values > 0).astype(np.uint8) * 255).save(folder / "white.png")
    (folder / "found.txt").write_text("1,-1,4,4,20,10,0.9,-1,-1,-1\n2,-1,5,4,20,10,0.8,-1,-1,-1\n")
    (folder / "ids.txt").write_text("1,3,4,4,20,10,0.9,-1,-1,-1\n2,3,5,4,20,10,0.8,-1,-1,-1\n")
    coco = [{"image_id": 1, "bbox": [4, 4, 20, 10], "score": 0.9, "category_id": 1}]
    (folder / "found.json").write_text(json.dumps(coco))
    lines = (
        "1",
        "00:00:00,000 --> 00:00:01,000",
        "a red car",
        "",
        "2",
        "00:00:01,500 --> 00:00:02,000",
        "a dog",
    )
    (folder / "lines.srt").write_text("\n".join(lines))


def use_prompts(path: object) -> None:
    """Read prompts, detections, or the lines of subtitles."""
    from seektrack.outputs.detected import read_detections
    from seektrack.outputs.prompts import read_prompts
    from seektrack.retrieval.align import read_srt
    from seektrack.types import VideoInfo

    given = Path(str(path))
    if given.suffix == ".srt":
        read_srt(given.read_text(encoding="utf-8", errors="surrogateescape"))
        return
    video = VideoInfo("clip.mp4", 64, 48, Fraction(10), 0.8, 8)
    errors = []
    for read in (read_prompts, functools.partial(read_detections, video=video)):
        try:
            read(given)
        except ValueError as error:
            errors.append(error)
    if errors:
        raise errors[0]


@functools.cache
def _pocket() -> Any:
    from seektrack.pipeline import Models

    return Models("pocket", resolution=64)


def make_kept(folder: Path) -> None:
    """A session that was followed and put right, kept in its file, and its film."""
    from doors import make_videos

    from seektrack import Correction, Prompt, start_session

    made = folder / "all"
    made.mkdir()
    make_videos(made)
    (folder / "kept").mkdir()
    film = folder / "kept" / "a.mp4"
    shutil.move(made / "a.mp4", film)
    shutil.rmtree(made)
    prompts = [Prompt(1, 0, box=(4.0, 4.0, 30.0, 30.0))]
    with start_session(film, prompts=prompts, path=folder / "kept" / "a.session", model=_pocket()) as session:
        session.follow()
        session.correct(Correction(3, 1, box=(6.0, 6.0, 32.0, 32.0)))
        session.rename(1, "a car")


def spoil_kept(rng: np.random.Generator, healthy: Path, room: Path) -> object:
    """The file of a session spoilt: bytes of it, or one of the documents its tables hold."""
    target = room / "kept"
    shutil.copytree(healthy / "kept", target)
    kept = target / "a.session"
    if rng.random() < 0.5:
        kept.write_bytes(mutated(rng, kept.read_bytes(), kept.name))
        return target
    import contextlib
    import sqlite3

    cells = (
        ("meta", "value"),
        ("rows", "value"),
        ("edits", "what"),
        ("frames", "time_s"),
        ("changes", "before"),
    )
    table, column = cells[int(rng.integers(len(cells)))]
    with contextlib.closing(sqlite3.connect(kept)) as held, held:
        keys = [row[1] for row in held.execute(f"PRAGMA table_info({table})") if row[5]]
        rows = held.execute(f"SELECT {', '.join(keys)}, {column} FROM {table}").fetchall()
        *where, value = rows[int(rng.integers(len(rows)))]
        spoilt = mutated(rng, str(value).encode(), "a.json").decode(errors="replace")
        matched = " AND ".join(f"{key} = ?" for key in keys)
        with contextlib.suppress(sqlite3.Error):  # what the table itself does not let in
            held.execute(f"UPDATE {table} SET {column} = ? WHERE {matched}", (spoilt, *where))
    return target


def use_kept(path: object) -> None:
    """Open a session, look at everything, put something right, and take it back."""
    from seektrack import Correction, open_session

    folder = Path(str(path))
    with open_session(folder / "a.session", video=folder / "a.mp4", model=_pocket()) as session:
        repr(session.tracks)
        session.edits, session.pending  # noqa: B018
        for index in session.tracks.frame_times:
            session.masks(index)
        session.rename(1, "a dog")
        session.correct(Correction(4, 1, positive=((20.0, 20.0),)))
        session.undo()
        session.undo()


def make_settings(folder: Path) -> None:
    """One's own defaults for commands."""
    text = '[search]\nk = 3\n\n[track]\ntext = ["a car", "a dog"]\nstart = 0.5\n\n[index]\nregions = "none"\n'
    (folder / "seektrack.toml.txt").write_text(text)


def use_settings(path: object) -> None:
    """Run commands under these defaults; what `main` lets through is a finding."""
    from doors import use_options

    os.environ["SEEKTRACK_CONFIG"] = str(path)
    try:
        nothing = str(Path(str(path)).parent / "nothing here")
        use_options(["search", "a car", "--library", nothing])
        use_options(["track", nothing])
    finally:
        del os.environ["SEEKTRACK_CONFIG"]


def make_graphs(folder: Path) -> None:
    """The networks that ship, with their graphs."""
    from importlib.resources import files

    for name in ("clip", "sam2"):
        shutil.copytree(str(files("seektrack") / "pretrained" / name), folder / name)


def spoil_graphs(rng: np.random.Generator, healthy: Path, room: Path) -> object:
    """A folder of graphs with its note or a graph spoilt, which the note may then vouch for."""
    import hashlib

    name = ("clip", "sam2")[int(rng.integers(2))]
    target = room / name
    shutil.copytree(healthy / name, target)
    note = target / "onnx.json"
    if rng.random() < 0.5:
        note.write_bytes(mutated(rng, note.read_bytes(), note.name))
        return target
    graphs = sorted(target.glob("*.onnx"))
    graph = graphs[int(rng.integers(len(graphs)))]
    graph.write_bytes(mutated(rng, graph.read_bytes(), graph.name))
    if rng.random() < 0.7:
        held = json.loads(note.read_text())
        for one in held["graphs"].values():
            if one["file"] == graph.name:
                raw = graph.read_bytes()
                one["size"], one["digest"] = len(raw), hashlib.blake2b(raw, digest_size=16).hexdigest()
        note.write_text(json.dumps(held))
    return target


def use_graphs(path: object) -> None:
    """Load networks for ONNX Runtime, and ask something of them."""
    from doors import _pictures

    from seektrack.encoders import load_encoder
    from seektrack.segmentation import ImagePredictor, load_sam2

    folder = Path(str(path))
    if folder.name == "clip":
        encoder = load_encoder(str(folder), runtime="onnx")
        encoder.embed_texts(["a red car"])
        encoder.embed_images(_pictures(1))
        return
    predictor = ImagePredictor(load_sam2(str(folder), runtime="onnx"))
    predictor.set_image(_pictures(1)[0])
    predictor.predict(box=np.array([4.0, 4.0, 30.0, 30.0]))


def make_served(folder: Path) -> None:
    """A film, and a library of it."""
    from doors import make_videos

    from seektrack import Library

    films = folder / "films"
    films.mkdir()
    make_videos(films)
    for path in sorted(films.iterdir())[1:]:
        path.unlink()
    with Library(folder / "lib") as library:
        library.index([films], sampling="every=4", regions="none")


def spoil_request(rng: np.random.Generator, healthy: Path, room: Path) -> object:
    """A request of the documented kind with values, words or bytes at their edges."""
    film = str(healthy / "films" / "a.mp4")
    point = {"obj_id": 1, "frame_index": 2, "points": [[20, 20]], "point_labels": [1]}
    box = {"obj_id": 1, "frame_index": 0, "box": [4, 4, 30, 30]}
    library = "/api/v1/libraries/lib"
    timed = [{"text": "a dog", "start_s": 0, "end_s": 0.4}]
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        (f"{library}/search", {"text": "a red car", "k": 3, "start_s": 0, "end_s": 1, "templates": ["a {}"]}),
        (f"{library}/hits", {"text": ["a red car"], "k": 3, "rank_by": "cosine"}),
        (f"{library}/sequences", {"text": ["a red car", "a dog"], "within_s": 2}),
        (f"{library}/compare", {"texts": ["a red car", "a dog"], "k": 2}),
        (f"{library}/align", {"texts": timed, "video": film}),
        (f"{library}/index", {"videos": [film], "sampling": "every=4", "regions": "none"}),
        ("/api/v1/read", {"text": "a red car -night"}),
        ("/api/v1/segment", {"video": film, "prompts": [point]}),
        ("/api/v1/track_objects", {"video": film, "prompts": [box], "frames": 2, "output_format": "coco"}),
        ("/api/v1/videos", {"video": film}),
        ("/api/v1/sessions", {"video": film, "prompts": [box], "frames": 2}),
    )
    path, body = asked[int(rng.integers(len(asked)))]
    raw = json.dumps(copy.deepcopy(body)).encode()
    kind = rng.random()
    raw = edged(rng, raw) if kind < 0.8 else mutated(rng, raw, "a.bin")
    if rng.random() < 0.1:
        path = mutated(rng, path.encode(), "a.txt").decode(errors="replace")
    return str(healthy), path, raw


@functools.cache
def _client(healthy: str) -> Any:
    import tempfile

    from fastapi.testclient import TestClient

    from seektrack.serving import ServerSettings, create_app

    folder = Path(healthy)
    state = Path(tempfile.mkdtemp(dir=folder))
    settings = ServerSettings((folder / "lib",), roots=(folder / "films",), state=state)
    client = TestClient(create_app(settings), base_url="http://localhost", raise_server_exceptions=False)
    client.__enter__()
    return client


def use_request(given: object) -> None:
    """Ask a server; only its own refusals may come back, and a job it began ends with no other."""
    from urllib.parse import quote

    healthy, path, raw = given  # type: ignore[misc]
    client = _client(healthy)
    answer = client.post(
        quote(path.lstrip(), safe="/?=&%"), content=raw, headers={"content-type": "application/json"}
    )
    if answer.status_code >= 500 and answer.status_code != 507:
        raise AssertionError(f"{answer.status_code} of {path}: {raw[:200]!r}: {answer.text[:200]}")
    if answer.status_code >= 400:
        error = answer.json()["error"]
        if not error["message"] or error["code"] == "unforeseen":
            raise AssertionError(f"{path}: {raw[:200]!r}: {error}")
        from seektrack.errors import InputError

        raise InputError(error["message"])
    if answer.status_code == 202:
        job = client.get(f"/api/v1/jobs/{answer.json()['id']}", params={"wait": 25}).json()
        told = [job["error"], *[one["error"] for one in (job["result"] or {"failed": []})["failed"]]]
        if any(one is not None and one["code"] == "unforeseen" for one in told):
            raise AssertionError(f"a job of {path}: {raw[:200]!r}: {told}")
