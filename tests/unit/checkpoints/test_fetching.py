"""Published models are fetched whole, checked, and from where an earlier run stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from seektrack.checkpoints import find, folder_fingerprint, obtain, packaged_folder, parse_preset
from seektrack.checkpoints.fetching import copy, fetch, look_up
from seektrack.cli import main
from seektrack.encoders import load_encoder
from seektrack.errors import ModelError, OutputError

CLIP, SAM2 = "openai/clip-vit-base-patch32", "facebook/sam2.1-hiera-tiny"


@pytest.fixture
def published(hub, tmp_path):
    """The pocket networks under the names the preset ``light`` fetches, with files no loader looks at."""
    for hub_id, part in ((CLIP, "clip"), (SAM2, "sam2")):
        folder = tmp_path / "published" / part
        shutil.copytree(packaged_folder(part), folder, ignore=shutil.ignore_patterns("photographs"))
        for extra in ("pytorch_model.bin", "README.md", "evil.py", "open_clip_model.safetensors"):
            (folder / extra).write_bytes(b"not needed")
        hub.add(hub_id, folder)
    return tmp_path / "published"


def run(capsys, *args):
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in args])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def test_a_model_is_fetched_into_the_cache_and_found_there_without_a_network(hub, published, monkeypatch):
    told = []
    remote = look_up(CLIP)
    folder = fetch(remote, progress=lambda *step: told.append(step))
    assert folder_fingerprint(folder) == folder_fingerprint(packaged_folder("clip"))
    assert {p.name for p in folder.iterdir()} == {f.name for f in remote.files}
    assert not {"pytorch_model.bin", "README.md", "evil.py"} & {f.name for f in remote.files}
    assert told[-1][0] == told[-1][1] and "MiB" in told[-1][2]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    asked = len(hub.asked)
    assert find("light", "text").folder == folder and obtain(find(CLIP, "text")) == folder
    assert load_encoder("light", device="cpu").embed_texts(["a red car"]).shape[0] == 1
    assert hub.asked[asked:] == []


def test_other_clients_of_the_hub_find_it_in_the_cache(hub, published, monkeypatch):
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    folder = fetch(look_up(CLIP))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    cache = {"cache_dir": str(folder.parents[2])}
    assert Path(str(try_to_load_from_cache(CLIP, "config.json", **cache))).parent == folder
    assert Path(snapshot_download(CLIP, local_files_only=True, **cache)) == folder


def test_a_connection_that_breaks_off_is_one_line_and_nothing_half_written(hub, published, tmp_path, capfd):
    hub.drop_after = 0
    with pytest.raises(ModelError, match="cannot be fetched") as caught:
        fetch(look_up(CLIP), to=tmp_path / "usb")
    assert "goes on where it stopped" in caught.value.hint
    assert capfd.readouterr().err == "", "the client's own lines about its retries"
    assert not [p for p in (tmp_path / "usb").iterdir() if not p.name.endswith(".seektrack-part")]
    hub.drop_after = None
    fetch(look_up(CLIP), to=tmp_path / "usb")
    assert folder_fingerprint(tmp_path / "usb") == folder_fingerprint(packaged_folder("clip"))


def test_a_killed_fetch_goes_on_and_asks_only_for_the_rest(hub, published, tmp_path):
    weights = (published / "clip" / "model.safetensors").read_bytes()
    to = tmp_path / "usb"
    to.mkdir()
    (to / ".model.safetensors.seektrack-part").write_bytes(weights[:100_000])
    fetch(look_up(CLIP), to=to)
    assert [r for path, r in hub.asked if path.endswith("model.safetensors")] == ["bytes=100000-"]
    assert (to / "model.safetensors").read_bytes() == weights
    hub.asked.clear()
    fetch(look_up(CLIP), to=to)
    assert not [path for path, _ in hub.asked if "/resolve/" in path], "what is there is not fetched again"
    assert not list(to.glob(".*"))


def test_a_damaged_file_is_refused_and_fetched_anew(hub, published, tmp_path):
    hub.damage = True
    with pytest.raises(ModelError, match="checksum"):
        fetch(look_up(CLIP), to=tmp_path / "usb")
    hub.damage = False
    fetch(look_up(CLIP), to=tmp_path / "usb")
    assert folder_fingerprint(tmp_path / "usb") == folder_fingerprint(packaged_folder("clip"))


def test_a_folder_with_another_model_is_left_alone(hub, published, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(OutputError, match="another model"):
        fetch(look_up(CLIP), to=tmp_path)
    mine = shutil.copytree(packaged_folder("sam2"), tmp_path / "mine")
    with pytest.raises(OutputError, match="another model"):
        copy(packaged_folder("clip"), mine)


def test_weights_only_offered_as_a_pull_request_are_taken_from_there(hub, published, tmp_path):
    plain = shutil.copytree(published / "clip", tmp_path / "plain")
    for weights in plain.glob("*.safetensors"):
        weights.unlink()
    hub.add("some/model", plain)
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        look_up("some/model")
    hub.add("some/model", published / "clip", revision="refs/pr/3")
    hub.pull_requests["some/model"] = "3"
    assert look_up("some/model").revision == "refs/pr/3"


def test_what_the_hub_does_not_have_is_one_line(hub):
    with pytest.raises(ModelError, match="no/such cannot be fetched") as caught:
        look_up("no/such")
    assert "\n" not in str(caught.value)


def test_the_command_fetches_a_preset_to_be_carried(hub, published, tmp_path, capsys, monkeypatch):
    to = tmp_path / "usb"
    status, out, err = run(capsys, "models", "fetch", "light", "--to", to)
    assert status == 0 and f"--model {to}" in out, err
    assert f"{CLIP}: " in err and "MiB" in err
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    preset = parse_preset(str(to))
    assert (preset.clip, preset.sam2) == (str(to / "clip"), str(to / "sam2"))
    assert (preset.resolution, preset.propagation) == (512, "hybrid")
    status, out, err = run(capsys, "models", "fetch", "light", "--json")
    assert status == 4 and "HF_HUB_OFFLINE" in json.loads(err)["error"]["message"]


def test_what_is_in_the_cache_is_copied_without_a_network(hub, published, tmp_path, capsys, monkeypatch):
    assert run(capsys, "models", "fetch", CLIP)[0] == 0
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    status, out, err = run(capsys, "models", "fetch", CLIP, "--to", tmp_path / "usb", "--json")
    assert status == 0, err
    assert json.loads(out)["fetched"][0]["hub_id"] == CLIP
    assert folder_fingerprint(tmp_path / "usb") == folder_fingerprint(packaged_folder("clip"))
    status, _, err = run(capsys, "models", "fetch", "pocket")
    assert status == 2 and "needs no network" in err


@pytest.mark.parametrize("name", ["base", "someone/some-model"])
def test_offline_says_what_is_missing_and_every_way_out(name, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set") as caught:
        obtain(find(name, "text"))
    for way in ("HF_HOME", f"models fetch {name} --to FOLDER", "--model FOLDER", "pocket"):
        assert way in caught.value.hint
    if name == "base":
        assert "openai/clip-vit-base-patch16, about 574 MiB" in caught.value.message


def test_a_machine_without_a_network_is_noticed_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with pytest.raises(ModelError, match=r"127\.0\.0\.1 does not answer"):
        obtain(find("base", "text"))
