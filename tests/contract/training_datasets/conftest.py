"""What every reader of training data must do, and the tiny files the tests of each kind are made of."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seektrack.errors import InputError
from seektrack.training.datasets import Dataset, MaskClip

H, W = 6, 8


class Kit:
    """Writes pictures of 8x6, and checks what is read of them."""

    H, W = H, W

    @staticmethod
    def write_pictures(folder: Path, names: list[str]) -> dict[str, np.ndarray]:
        folder.mkdir(parents=True, exist_ok=True)
        images = {}
        for i, name in enumerate(names):
            images[name] = np.full((H, W, 3), 10 * i + 5, np.uint8)
            images[name][1, 2] = (250, 10, 20)
            Image.fromarray(images[name]).save(folder / name)
        return images

    @staticmethod
    def label_pictures(n: int, *, void: bool) -> list[np.ndarray]:
        """Pictures of ids (H, W): object 1 moves, object 3 is there from the second frame on."""
        labels = []
        for t in range(n):
            ids = np.zeros((H, W), np.uint8)
            ids[1:3, t : t + 2] = 1
            if t > 0:
                ids[4, 3:7] = 3
            if void:
                ids[5, 0] = 255
            labels.append(ids)
        return labels

    @staticmethod
    def write_labels(file: Path, ids: np.ndarray) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(ids).convert("P")
        image.putpalette([v for i in range(256) for v in ((i * 37) % 256, (i * 91) % 256, (i * 53) % 256)])
        Image.Image.putdata(image, ids.ravel().tolist())
        image.save(file)

    @staticmethod
    def check_sequence(data: Dataset[Any]) -> None:
        """What every data set does, whatever its items."""
        assert len(data) == len(list(data)) == len(set(data.keys)) > 0
        assert [item.key for item in data] == list(data.keys)
        assert data[-1].key == data.keys[-1]
        assert [item.key for item in data[:1]] == [data.keys[0]]
        with pytest.raises(IndexError):
            data[len(data)]
        assert [item.key for item in pickle.loads(pickle.dumps(data))] == list(data.keys)

    @staticmethod
    def check_masks(
        data: Dataset[MaskClip],
        *,
        labels: Mapping[str, Iterable[np.ndarray | None]] | None = None,
        categories: Mapping[str, Mapping[int, str]] | None = None,
        images: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """What every clip with masks does; the truth is by clip, pictures by ``clip/frame``."""
        for clip in data:
            known = list(clip.frames())
            assert [frame.index for frame, _ in known] == list(range(len(known)))
            assert len(known) == clip.open().len_frames() > 0
            for frame, annotation in known:
                assert annotation is None or all(i > 0 and m.area > 0 for i, m in annotation.masks.items())
                layers = [] if annotation is None else [m.to_array() for m in annotation.masks.values()]
                if annotation is not None and annotation.void is not None:
                    layers.append(annotation.void.to_array())
                assert np.sum(layers, axis=0).max(initial=0) <= 1
                assert all(layer.shape == frame.hw for layer in layers)
                if images is not None:
                    np.testing.assert_array_equal(frame.image, images[f"{clip.key}/{frame.index}"])
            if categories is not None:
                assert clip.categories == categories[clip.key]
            for (_, annotation), ids in zip(known, labels[clip.key] if labels else (), strict=bool(labels)):
                assert (annotation is None) == (ids is None)
                if annotation is not None and ids is not None:
                    drawn = sum(i * m.to_array().astype(int) for i, m in annotation.masks.items())
                    drawn = drawn + (0 if annotation.void is None else 255 * annotation.void.to_array())
                    np.testing.assert_array_equal(drawn + np.zeros_like(ids), ids)

    @staticmethod
    def check_frames_asked_for(clip: MaskClip) -> None:
        """A frame asked for equals the one passed, also in another process."""
        passed = list(clip.frames())
        for i in (len(passed) - 1, 0):
            frame, annotation = pickle.loads(pickle.dumps(clip)).at(i)
            np.testing.assert_array_equal(frame.image, passed[i][0].image)
            assert annotation == passed[i][1]
        assert clip.annotation(len(passed)) is clip.annotation(-1) is None
        with pytest.raises(InputError, match="no frame"):
            clip.at(len(passed))

    @staticmethod
    def damage(file: Path, change: str | bytes | np.ndarray | None) -> None:
        """Replace a file by a text, bytes or a picture; None takes it away."""
        if change is None:
            file.unlink()
        elif isinstance(change, np.ndarray):
            Image.fromarray(change).save(file)
        else:
            file.write_bytes(change.encode() if isinstance(change, str) else change)

    @staticmethod
    def check_refused(read: Callable[[], Iterable[Any]], message: str) -> None:
        """Reading all of it ends in one clear error."""
        with pytest.raises(InputError, match=message):
            for item in read():
                if isinstance(item, MaskClip):
                    list(item.frames())


@pytest.fixture
def kit() -> type[Kit]:
    """What the tests of every kind share."""
    return Kit
