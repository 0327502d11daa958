"""Sound: a small random CLAP against transformers' own, stretches against the samples the test wrote."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seektrack.encoders import load_encoder, registry
from seektrack.encoders.audio import SoundEncoder, register_clap
from seektrack.errors import InputError, VideoError
from seektrack.pipeline import Library
from seektrack.video.sound import read_sound, sound_info

RATE = 48_000


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its geometry is as small as CLAP's code allows."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        ClapAudioConfig,
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        ClapTextConfig,
        PreTrainedTokenizerFast,
    )

    folder = tmp_path_factory.mktemp("clap")
    torch.manual_seed(0)
    text = ClapTextConfig(
        vocab_size=64,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=80,
    )
    audio = ClapAudioConfig(
        spec_size=128,
        num_mel_bins=32,
        patch_embeds_hidden_size=8,
        hidden_size=16,
        depths=[1, 1],
        num_attention_heads=[2, 2],
        window_size=4,
        enable_fusion=False,
    )
    config = ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=12)
    ClapModel(config).eval().save_pretrained(folder)
    ClapFeatureExtractor(
        feature_size=32, max_length_s=4, truncation="rand_trunc", padding="repeatpad"
    ).save_pretrained(folder)
    words = ["<s>", "<pad>", "</s>", "<unk>", "a", "dog", "barking", "the", "sound", "of", "rain", "silence"]
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    return folder


def tone(hertz: float, seconds: float, rate: int = RATE) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_sound(path: Path, samples: NDArray[np.float32], *, rate: int = RATE, pictures: bool = True) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        video = container.add_stream("mpeg4", rate=10) if pictures else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
            for _ in range(round(10 * len(samples) / rate)):
                container.mux(
                    video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24"))
                )
            container.mux(video.encode())
        whole = (samples * 32767).astype(np.int16)[None]
        for start in range(0, whole.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(whole[:, start : start + 1024]), "s16", "mono"
            )
            frame.rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_stretches_are_the_samples_at_their_times(tmp_path: Path) -> None:
    samples = np.concatenate([tone(200 * (i + 1), 1.0) for i in range(9)])
    path = write_sound(tmp_path / "a.mkv", samples)
    found = list(read_sound(path, rate=RATE, length_s=4, hop_s=2))
    assert [s.timestamp for s in found] == [0, 2, 4, 6]
    assert [len(s.samples) / RATE for s in found] == pytest.approx([4, 4, 4, 3], abs=1e-3)
    for stretch in found:
        first = int(stretch.timestamp * RATE)
        assert np.abs(stretch.samples - samples[first : first + len(stretch.samples)]).max() < 1e-3
    info = sound_info(path)
    assert (info.width, info.duration_s) == (32, pytest.approx(9, abs=0.2))


def test_sound_is_resampled_and_a_short_file_is_one_stretch(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", tone(440, 1.0, 16_000), rate=16_000, pictures=False)
    [one] = read_sound(path, rate=RATE)
    assert len(one.samples) == pytest.approx(RATE, rel=0.01)
    spectrum = np.abs(np.fft.rfft(one.samples))
    assert np.argmax(spectrum) * RATE / len(one.samples) == pytest.approx(440, abs=2)
    with pytest.raises(InputError):
        read_sound(path, rate=RATE, hop_s=0)


def test_embeddings_equal_transformers(checkpoint: Path) -> None:
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    encoder = load_encoder(checkpoint)
    assert isinstance(encoder, SoundEncoder)
    model = ClapModel.from_pretrained(checkpoint).eval()
    sounds = [tone(300, 4.0), tone(900, 3.0)]
    features = ClapFeatureExtractor.from_pretrained(checkpoint)(
        sounds, sampling_rate=RATE, return_tensors="pt"
    )
    tokens = AutoTokenizer.from_pretrained(checkpoint)(["a dog", "rain"], padding=True, return_tensors="pt")
    with torch.no_grad():
        out = model(**features, **{k: tokens[k] for k in ("input_ids", "attention_mask")})
    np.testing.assert_allclose(encoder.embed_sounds(sounds), out.audio_embeds.numpy(), atol=1e-5)
    np.testing.assert_allclose(encoder.embed_texts(["a dog", "rain"]), out.text_embeds.numpy(), atol=1e-5)
    with pytest.raises(InputError, match="hears and does not see"):
        encoder.embed_images([np.zeros((4, 4, 3), np.uint8)])


def test_a_registered_tower_makes_a_library_of_sounds(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    register_clap("ears", checkpoint)
    (tmp_path / "in").mkdir()
    samples = np.concatenate([tone(200, 6.0), tone(3000, 6.0)])
    path = write_sound(tmp_path / "in" / "a.mkv", samples)
    with av.open(str(tmp_path / "in" / "mute.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        container.mux(stream.encode())
    with Library(tmp_path / "lib", model="ears") as library:
        report = library.index(tmp_path / "in")
        assert (report.indexed, report.frames) == (1, 5)
        [(name, error)] = report.failed
        assert name.endswith("mute.mkv") and isinstance(error, VideoError) and "no sound" in str(error)
        assert library.index(path).skipped == 1
        vectors, rows = library._open_to_read().vectors()
        assert rows.times.tolist() == [0, 2, 4, 6, 8]
        wanted = [s.samples for s in read_sound(path, rate=RATE)]
        expected = library.models.encoder.embed_sounds(wanted)  # type: ignore[attr-defined]
        np.testing.assert_allclose(vectors.astype(np.float32), expected, atol=2e-3)
        best = library.hits("a dog barking", k=5, min_confidence=0)
        cosines = expected @ library.models.encoder.embed_texts(["a dog barking"])[0]
        assert len(best) == 5
        assert {h.frame_index for h in best} == set(range(5))
        assert np.isfinite(cosines).all()
        for moment in library.search("a dog barking"):
            assert 0 <= moment.start_s < moment.end_s <= 12.2
