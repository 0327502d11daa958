"""The page in a browser, from a question to a file another tool takes; nothing of it comes from elsewhere.

Long, as its tests share one browser, one server and the steps of one person on it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seektrack.pipeline import Library
from seektrack.video import VideoWriter
from seektrack.world import Scene, SceneSettings, Split, render, sample_scene, seeds

pytest.importorskip("playwright", reason="the page is tested with Playwright: pip install 'seektrack[dev]'")
uvicorn = pytest.importorskip("uvicorn", reason="pip install 'seektrack[serve]'")
from playwright.sync_api import Browser, Locator, Page, Route, sync_playwright  # noqa: E402

from seektrack.serving import ServerSettings, create_app  # noqa: E402

CHROMIUM = next(
    (p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None
)
FRAMES, WAIT_MS = 8, 120_000
QUESTION = "a red car"

CONTRAST = """() => {
    const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = (top, below) => [0, 1, 2].map((n) => top[n] * top[3] + below[n] * (1 - top[3])).concat(1);
    const light = (colour) => {
        const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = colour.map((v) => linear(v / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const holders = new Set(), found = [];
    while (words.nextNode()) if (words.currentNode.data.trim()) holders.add(words.currentNode.parentElement);
    for (const holder of holders) {
        const box = holder.getBoundingClientRect(), look = getComputedStyle(holder);
        if (!box.width || !box.height || holder.closest(".vh, .skip, noscript, :disabled")) continue;
        let ground = [255, 255, 255, 1], opacity = 1;
        const around = [];
        for (let one = holder; one; one = one.parentElement) around.unshift(getComputedStyle(one));
        for (const one of around) {
            ground = over(rgba(one.backgroundColor), ground);
            opacity *= Number(one.opacity);
        }
        const [r, g, b, a] = rgba(look.color), size = parseFloat(look.fontSize);
        const ends = [light(over([r, g, b, a * opacity], ground)), light(ground)];
        const large = size >= 24 || (size >= 18.66 && look.fontWeight >= 700);
        const contrast = (Math.max(...ends) + 0.05) / (Math.min(...ends) + 0.05);
        found.push([holder.textContent.trim(), contrast, large ? 3 : 4.5]);
    }
    return found;
}"""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="there is no chromium to open the page in: apt-get install chromium (or your system's package)",
)


def scene() -> Scene:
    settings = SceneSettings(n_frames=FRAMES, cast=(("car", "red"),), street_only=True)
    return sample_scene(next(iter(seeds(Split.TEST, 1, start=3))), settings)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of a red car: one that is indexed, one that is sent by the page, a slow one that is watched."""
    folder = tmp_path_factory.mktemp("films")
    rendered = render(scene())
    for name, fps in (("road.mp4", 8), ("later.mp4", 8), ("door.mp4", 1)):
        height, width = rendered.frames[0].shape[:2]
        (folder / name[:-4]).mkdir()
        with VideoWriter(folder / name[:-4] / name, width=width, height=height, fps=fps) as writer:
            for frame in rendered.frames if fps > 1 else rendered.frames[:4]:  # then it drives out
                writer.write(frame)
    return folder


@pytest.fixture(scope="module")
def address(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on a library of the first film."""
    folder = tmp_path_factory.mktemp("served") / "films"
    with Library(folder) as library:
        library.index([films / "road"], sampling="every=4")
    streams = {"door": str(films / "door" / "door.mp4")}
    app = create_app(ServerSettings((folder,), roots=(films,), streams=streams), warm=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    """Opens the page; at the end nothing was complained of and nothing asked of another machine."""
    wrong: list[str] = []
    asked: set[str] = set()
    contexts = []

    def open_page(path: str = "", **options: Any) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 860}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda m: m.type in ("error", "warning") and wrong.append(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda e: wrong.append(f"thrown: {e}"))
        page.on("request", lambda r: asked.add(r.url))
        page.on("response", lambda r: r.status >= 400 and wrong.append(f"{r.status} {r.url}"))
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
    assert {url for url in asked if not url.startswith((address, "data:", f"blob:{address}"))} == set()


def until(page: Page, holds: str) -> None:
    """Wait until a JavaScript expression holds; polled from here, for the page may not evaluate text."""
    end = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(f"() => {holds}"):
        assert time.monotonic() < end, holds
        page.wait_for_timeout(50)


def api(page: Page, path: str) -> Any:
    return page.evaluate("async (path) => (await fetch('api/v1/' + path)).json()", path)


def session_of(page: Page) -> str:
    return str(api(page, "sessions")["sessions"][0]["id"])


def mask_of(page: Page, session: str, obj_id: int, frame: int) -> np.ndarray:
    """The mask that the service has of an object on a frame, bool (H, W); empty where it is not seen."""
    from pycocotools import mask as coco

    told = api(page, f"sessions/{session}/masks?start={frame}&count=1")
    rle = next((o["mask"] for o in told["frames"][0]["objects"] if o["obj_id"] == obj_id), None)
    if rle is None:
        return np.zeros((told["height"], told["width"]), bool)
    return np.asarray(coco.decode({**rle, "counts": rle["counts"].encode()})) > 0


def drawn(page: Page, height: int, width: int) -> np.ndarray:
    """How opaque the canvas over the video is at the middle of each pixel of the video, uint8 (H, W)."""
    alphas = page.evaluate(
        """([height, width]) => {
            const canvas = document.querySelector(".stage canvas"), context = canvas.getContext("2d");
            const all = context.getImageData(0, 0, canvas.width, canvas.height).data, out = [];
            for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
                const cx = Math.floor((x + 0.5) * canvas.width / width);
                const cy = Math.floor((y + 0.5) * canvas.height / height);
                out.push(all[4 * (cy * canvas.width + cx) + 3]);
            }
            return out;
        }""",
        [height, width],
    )
    return np.array(alphas, np.uint8).reshape(height, width)


def point_in(stage: Locator, x: float, y: float, width: int, height: int) -> tuple[float, float]:
    box = stage.bounding_box()
    assert box is not None
    return box["x"] + (x + 0.5) * box["width"] / width, box["y"] + (y + 0.5) * box["height"] / height


def test_from_a_question_to_a_corrected_export(visit: Visit, films: Path, tmp_path: Path):
    import cv2
    from pycocotools.coco import COCO

    page = visit()
    page.fill("#question", QUESTION)
    page.press("#question", "Enter")
    page.locator("#reading >> text=thing: car, red").wait_for()
    card = page.locator(".card", has_text="road.mp4").first
    assert re.search(r"\d+%", card.inner_text())
    card.click()
    stage = page.locator(".stage")
    until(page, "document.querySelector('.stage video')?.readyState >= 2")

    # It plays, and knows to the end which frame it shows.
    page.keyboard.press(" ")
    page.locator(f"text=frame {FRAMES - 1} of {FRAMES - 1}").wait_for()
    until(page, "document.querySelector('.stage video').paused")  # the last frame is shown for a while
    page.keyboard.press("Home")
    page.locator(f"text=frame 0 of {FRAMES - 1}").wait_for()

    # A click adds an object: its mask is there, and then follows into the other frames.
    truth = render(scene()).ids == 1
    inside = cv2.distanceTransform(truth[0].astype(np.uint8), cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(inside.argmax()), inside.shape)
    height, width = truth[0].shape
    page.keyboard.press("c")
    page.mouse.click(*point_in(stage, x, y, width, height))
    page.locator(".object.chosen").wait_for()
    page.locator(".hint", has_text="followed anew").wait_for()
    session = session_of(page)
    told = api(page, f"sessions/{session}")
    assert told["pending"] == []
    assert told["objects"][0]["frames"] >= 2

    # What is drawn is the service's mask, over the pixels it means.
    page.get_by_label("Names").set_checked(False, force=True)
    page.get_by_label("Trails").set_checked(False, force=True)
    page.keyboard.press("Escape")
    page.keyboard.press("F2")
    page.keyboard.type("thing")
    page.keyboard.press("Enter")
    page.locator(".object", has_text="thing 1").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    mask = mask_of(page, session, 1, 0)
    assert mask[y, x]
    opaque = drawn(page, height, width)
    kernel = np.ones((3, 3), np.uint8)
    core = cv2.erode(mask.astype(np.uint8), kernel) > 0
    near = cv2.dilate(mask.astype(np.uint8), kernel, iterations=2) > 0
    assert core.sum() > 20
    assert (opaque[core] > 60).all()
    assert (opaque[~near] == 0).all()

    # A correction on a later frame changes the frames after it, and undo brings back what was.
    later = FRAMES - 3
    before = {frame: mask_of(page, session, 1, frame) for frame in (later, FRAMES - 1)}
    page.locator(".lane > button").click()
    for step in range(later):
        page.keyboard.press(".")
        page.locator(f"text=frame {step + 1} of").wait_for()
    page.keyboard.press("b")
    page.mouse.move(*point_in(stage, 4, 4, width, height))
    page.mouse.down()
    page.mouse.move(*point_in(stage, width / 2, height / 2, width, height), steps=4)
    page.mouse.up()
    page.locator(".hint", has_text="followed anew").wait_for()
    after = mask_of(page, session, 1, later)
    assert (after != before[later]).any()
    assert (mask_of(page, session, 1, 0) == mask).all()
    edits = api(page, f"sessions/{session}")["edits"]
    assert [e["kind"] for e in edits] == ["correct", "rename", "correct"]
    page.keyboard.press("z")
    until(page, "document.querySelector('[aria-label^=Redo]').disabled === false")
    assert all((mask_of(page, session, 1, f) == m).all() for f, m in before.items())

    # From a frame on another object, and the same again.
    page.keyboard.press("Home")
    page.locator("text=frame 0 of").wait_for()
    page.keyboard.press(".")
    page.locator("text=frame 1 of").wait_for()
    page.get_by_role("button", name="Split here").click()
    until(page, "document.querySelectorAll('.object .what').length === 2")
    page.get_by_role("button", name="Merge into…").click()
    page.get_by_role("dialog").get_by_role("button", name="Merge").click()
    until(page, "document.querySelectorAll('.object .what').length === 1")
    merged = api(page, f"sessions/{session}")["objects"][0]["obj_id"]
    assert all((mask_of(page, session, merged, f) == m).all() for f, m in before.items())
    page.keyboard.press("z")
    page.keyboard.press("z")
    until(page, "document.querySelectorAll('.object .what').length === 1")

    # The export is what another tool loads.
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="coco", exact=False).first.click()
    path = tmp_path / "tracks.json"
    download.value.save_as(path)
    coco = COCO(str(path))
    first = next(
        a for a in coco.loadAnns(coco.getAnnIds()) if "000000" in coco.loadImgs(a["image_id"])[0]["file_name"]
    )
    assert (coco.annToMask(first).astype(bool) == mask).all()


def test_what_was_left_before_its_end_is_taken_up_again(visit: Visit, films: Path):
    page = visit()
    page.fill("#question", QUESTION)
    page.press("#question", "Enter")
    page.locator(".card", has_text="road.mp4").first.click()
    page.get_by_role("button", name="Follow “a red car”").click()
    until(page, "document.querySelector('.note')?.innerText.includes('Following')")
    page.reload()
    page.locator(".object", has_text=QUESTION).first.wait_for()
    assert page.get_by_role("button", name="Follow on").count() == 0

    # What was put right elsewhere, and not followed from there, is followed from here.
    session = session_of(page)
    told = page.evaluate(
        """async ([id, box]) => (await fetch(`api/v1/sessions/${id}/corrections`, {
            method: "POST", headers: { "content-type": "application/json" },
            body: JSON.stringify({ frame_index: 0, box }),
        })).json()""",
        [session, [4, 4, 60, 60]],
    )
    assert told["pending"]
    page.reload()
    page.get_by_role("button", name="Follow on").click()
    page.locator(".hint", has_text="followed anew").wait_for()
    assert page.get_by_role("button", name="Follow on").count() == 0
    assert api(page, f"sessions/{session}")["pending"] == []


@pytest.mark.parametrize("entered", ["before", "after"])
def test_what_is_typed_before_the_server_has_answered_is_asked(visit: Visit, entered: str):
    page = visit()
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/api/v1/about", hold)
    page.reload(wait_until="domcontentloaded")
    page.fill("#question", QUESTION)
    if entered == "before":
        page.press("#question", "Enter")
    page.wait_for_timeout(100)
    held[0].continue_()
    if entered == "after":
        page.locator(".card").first.wait_for()
        page.press("#question", "Enter")
    page.locator(".card .sure").first.wait_for()
    assert page.input_value("#question") == QUESTION


def test_a_thousand_moments_come_as_they_are_asked_for(visit: Visit):
    page = visit()
    page.locator(".card").first.wait_for()

    def many(route: Route) -> None:
        told = route.fetch().json()
        one, asked = told["results"][0], route.request.post_data_json
        frames = [{**one["key"], "frame_index": n % FRAMES} for n in range(asked["k"])]
        route.fulfill(json={**told, "results": [{**one, "moments": [], "key": key} for key in frames]})

    page.route("**/search", many)
    page.fill("#question", QUESTION)
    page.press("#question", "Enter")
    for shown in (24, 96, 384, 1000):
        until(page, f"document.querySelectorAll('.card').length === {shown}")
        assert page.locator(".more button").count() == (shown < 1000)
        if shown < 1000:
            page.get_by_role("button", name="Show more").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_what_cannot_be_asked_is_said_and_asked_again(browser: Browser, address: str):
    page = browser.new_page()
    page.set_default_timeout(WAIT_MS)
    page.route("**/search", lambda route: route.abort())
    page.goto(f"{address}#/?q={QUESTION}")
    page.locator("main", has_text="the server does not answer").wait_for()
    page.unroute("**/search")
    page.get_by_role("button", name="Try again").click()
    page.locator(".card .sure").first.wait_for()
    page.goto(address)
    page.locator(".card").first.wait_for()
    page.set_input_files("input[type=file]", [{"name": "a.mp4", "mimeType": "video/mp4", "buffer": b"none"}])
    told = page.locator(".note.wrong strong")
    told.wait_for()
    assert "not a readable video: a.mp4" in told.inner_text()
    page.close()


def test_every_doubtful_frame_is_gone_to_also_where_several_are_of_one_frame(visit: Visit):
    page = visit()
    gone = page.evaluate(
        """async () => {
            const { nextDoubt } = await import("/js/doubts.js");
            const told = [[1, 3], [2, 3], [5, 3], [1, 7]];
            const doubts = told.map(([obj_id, frame_index]) => ({ obj_id, frame_index }));
            const out = [];
            for (const by of [1, 1, 1, 1, 1, -1, -1]) {
                const last = out.at(-1) ?? null;
                out.push(nextDoubt(doubts, last ? last.frame_index : 0, by, last));
            }
            return [...out, nextDoubt(doubts, 5, 1, out[0])].map((d) => [d.obj_id, d.frame_index]);
        }"""
    )
    assert gone == [[1, 3], [2, 3], [5, 3], [1, 7], [1, 3], [1, 7], [5, 3], [1, 7]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(visit: Visit, scheme: str):
    """WCAG 2.2, 1.4.3: a contrast of 4.5, of 3 for large letters; said by the page's own colours."""
    page = visit(color_scheme=scheme)
    seen = 0
    for path in ("#/", f"#/?q={QUESTION}", "#/?q=a purple whale", "#/stream/door"):
        page.evaluate("(path) => (location.hash = path)", path)
        page.locator("main .card, main .empty strong, main .live").first.wait_for()
        page.keyboard.press("?")
        told = page.evaluate(CONTRAST)
        page.keyboard.press("Escape")
        seen += len(told)
        assert [one for one in told if one[1] < one[2]] == []
    assert seen > 60


def test_a_film_that_is_dropped_is_indexed_and_found(visit: Visit, films: Path):
    page = visit()
    page.locator(".card", has_text="road").wait_for()
    page.set_input_files("input[type=file]", films / "later" / "later.mp4")
    page.locator(".note", has_text="Indexing").wait_for()
    page.locator(".card", has_text="later").wait_for()
    page.locator("h1", has_text="2 videos").wait_for()


def test_a_live_stream_is_watched_with_its_masks_and_alerts(visit: Visit):
    page = visit()
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/api/v1/streams/door", hold, times=1)
    page.get_by_role("navigation", name="Live streams").get_by_role("link", name="door").click()
    page.get_by_label("What to follow").fill(QUESTION)
    held[0].continue_()
    page.locator('.state[data-state="stopped"]').wait_for()
    assert page.get_by_label("What to follow").input_value() == QUESTION, "typed before the server answered"
    page.get_by_label("What to follow").press("Enter")
    page.get_by_role("button", name="Stop").wait_for()
    page.locator('.state[data-state="ended"]').wait_for()
    page.get_by_role("button", name="Follow").wait_for()
    told = api(page, "streams/door")
    seen = [one for one in told["frame"]["objects"] if one["mask"]]
    assert seen, told
    assert f"{QUESTION} {seen[0]['obj_id']} appeared" in page.locator(".alerts li").last.inner_text()
    assert QUESTION in page.locator(".seen li").first.inner_text()
    import cv2
    from pycocotools import mask as coco

    height, width = told["frame"]["height"], told["frame"]["width"]
    inside = np.asarray(coco.decode({**seen[0]["mask"], "counts": seen[0]["mask"]["counts"].encode()})) > 0
    until(page, "document.querySelector('.stage img').naturalWidth > 0")
    # A colour is asked for: the mask is outlined, and the colour shows inside.
    deep = cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    edge = inside & ~(cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    opaque = drawn(page, height, width) > 0
    assert deep.any()
    assert opaque[edge].mean() > 0.6
    assert opaque[deep].mean() < 0.3
    assert opaque.mean() < inside.mean() + 0.25


def test_everything_can_be_done_by_keys(visit: Visit):
    page = visit()
    page.locator(".card").first.wait_for()
    page.keyboard.press("/")
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    page.locator(".card .sure").first.wait_for()
    page.locator(".card").first.focus()
    page.keyboard.press("Enter")
    page.locator(".stage").focus()
    page.keyboard.press("a")
    page.keyboard.press("b")
    before = page.locator(".object .what").count()
    for key in ("Enter", *["ArrowRight"] * 6, *["ArrowDown"] * 4, "Enter"):
        page.keyboard.press(key)
    until(page, f"document.querySelectorAll('.object .what').length > {before}")
    page.locator(".hint", has_text="followed anew").wait_for()
    page.keyboard.press("Escape")
    for key, objects in (("z", 0), ("Shift+Z", 1), ("Control+z", 0), ("Control+Shift+Z", 1), ("Z", 0)):
        page.keyboard.press(key)  # the last as with Caps Lock on
        until(page, f"document.querySelectorAll('.object .what').length === {before + objects}")
    page.keyboard.press("?")
    assert "next doubtful frame" in page.locator("dialog").inner_text()
    page.keyboard.press("Escape")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, [role=slider], [tabindex='0']")]
            .filter((e) => !(e.ariaLabel || e.innerText?.trim() || e.labels?.length || e.title || e.hidden))
            .map((e) => e.outerHTML)"""
    )
    assert unnamed == []


def test_what_a_browser_cannot_play_is_shown_picture_by_picture(visit: Visit, films: Path):
    import av

    shades = (30, 110, 190, 250)
    with av.open(str(films / "old.avi"), "w") as made:
        stream = made.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in shades:
            made.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade, np.uint8), "rgb24"))
            )
        made.mux(stream.encode(None))
    page = visit()
    page.locator(".card").first.wait_for()
    named = page.evaluate(
        """async () => (await fetch("api/v1/videos", {
            method: "POST", headers: { "content-type": "application/json" },
            body: JSON.stringify({ video: "old.avi" }),
        })).json()"""
    )
    page.evaluate("(id) => (location.hash = `#/video/${id}`)", named["id"])
    until(page, "document.querySelector('.stage img')?.naturalWidth > 0")
    seen = []
    for n in range(len(shades)):
        page.locator(f".clock >> text=frame {n} of {len(shades) - 1}").wait_for()
        seen.append(
            page.evaluate(
                """() => {
                    const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
                    context.drawImage(document.querySelector(".stage img"), 0, 0, 8, 8);
                    return context.getImageData(4, 4, 1, 1).data[0];
                }"""
            )
        )
        page.keyboard.press(".")
    assert np.abs(np.subtract(seen, shades)).max() < 12


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(visit: Visit, scheme: str):
    page = visit(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("#/", f"#/?q={QUESTION}"):
        page.evaluate("(path) => (location.hash = path)", path)
        page.locator(".card").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator(".card").first.click()
    page.locator(".timeline").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) == (scheme == "dark")


def test_masks_and_colours_are_those_of_the_package(visit: Visit):
    """The page's own decoder and palette against pycocotools and the overlay's."""
    from pycocotools import mask as coco

    from seektrack.outputs import object_colour

    page = visit()
    rng = np.random.default_rng(0)
    for shape, share in (((7, 5), 0.5), ((40, 33), 0.02), ((64, 80), 0.9), ((300, 2), 0.5), ((9, 9), 0.0)):
        mask = rng.random(shape) < share
        rle = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        told = {"size": [int(v) for v in rle["size"]], "counts": rle["counts"].decode()}
        found, again = page.evaluate(
            """async (rle) => {
                const { decode, encode, runs, whole } = await import("/js/rle.js");
                const [h, w] = rle.size, bits = whole(decode(rle), w, h);
                return [[...bits], encode(bits, w, h)];
            }""",
            told,
        )
        assert (np.array(found, bool).reshape(shape) == mask).all()
        back = coco.decode(coco.frPyObjects(again, *shape))
        assert (np.asarray(back).astype(bool) == mask).all()
    colours = page.evaluate(
        """async () => {
            const { rgb } = await import("/js/colours.js");
            return [...Array(40).keys()].map(rgb);
        }"""
    )
    assert [tuple(c) for c in colours] == [object_colour(i) for i in range(40)]


def test_a_server_with_keys_asks_for_one(films: Path, tmp_path: Path, browser: Browser):
    from seektrack.serving.settings import key_digest

    key = "a-long-enough-key-of-mine"
    settings = ServerSettings((tmp_path / "lib",), roots=(films,), api_keys={"me": key_digest(key)})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.fill("input[type=password]", "wrong-wrong-wrong-wrong")
        page.keyboard.press("Enter")
        page.locator("dialog", has_text="not known").wait_for()
        page.fill("input[type=password]", key)
        page.keyboard.press("Enter")
        page.locator("text=Nothing is in this library yet").wait_for()
        page.close()
    finally:
        server.should_exit = True
        thread.join(20)


def test_the_page_is_in_the_package_and_names_nothing_outside():
    import seektrack.serving

    web = Path(seektrack.serving.__file__).parent / "web"
    files = [f for f in web.rglob("*") if f.is_file()]
    assert {f.suffix for f in files} == {".html", ".css", ".js", ".svg"}
    allowed = {"http://www.w3.org/2000/svg"}
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= allowed, file
        assert len(text.splitlines()) < 350, file
    assert '"src/seektrack/serving/web/**"' in (Path(__file__).parents[2] / "pyproject.toml").read_text(
        "utf-8"
    )
