"""Whether "nothing matches" is said of what a library does not hold, with encoders that bring no calibration.

    python benchmarks/absent.py                    # ViT-B/16 of random weights, and a fine-tuned pocket one
    python benchmarks/absent.py --model FOLDER     # another

Scenes of the held-out split are drawn and indexed; the threshold is derived from the library. A hundred names
of things the drawn world does not have are asked for, and the labels that are in view.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from seektrack import Library
from seektrack.encoders import load_encoder
from seektrack.evaluation.footage import write_footage
from seektrack.world import SceneSettings, Split, seeds

ABSENT = """
giraffe piano ship elephant banana umbrella guitar violin castle bridge mountain waterfall airplane
helicopter rocket submarine tractor tram candle lamp mirror clock telephone camera television computer
keyboard printer bottle spoon fork knife plate kettle oven fridge sofa curtain carpet pillow blanket bed
wardrobe hammer saw drill ladder bucket broom shovel rake scarf glove hat boot shirt jacket trousers ring
necklace crown flag drum trumpet flute harp pencil book newspaper envelope stamp coin wallet key lock door
window chimney fence gate well tent anchor sail oar kite balloon statue fountain snowman penguin kangaroo
crocodile snake spider butterfly lobster shark whale octopus camel
"""
ENOUGH = 0.95


def random_vit(folder: Path) -> Path:
    """A CLIP of the size of ViT-B/16 with random weights, and the pocket one's reader of texts."""
    import torch
    from transformers import AutoTokenizer, CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    torch.manual_seed(0)
    pocket = Path(load_encoder("pocket").folder)
    tokenizer = AutoTokenizer.from_pretrained(pocket)
    config = CLIPConfig(text_config={"bos_token_id": None})
    config.vision_config.patch_size = 16
    config.text_config.vocab_size = len(tokenizer)
    config.text_config.eos_token_id = tokenizer.eos_token_id
    CLIPModel(config).eval().save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessor(), tokenizer).save_pretrained(folder)
    return folder


def tuned(room: Path, minutes: float = 1.0) -> str:
    """The pocket encoder after a little of `seektrack train clip` on drawn captions."""
    given = [
        "train",
        "clip",
        "--data",
        "world:60",
        "--recipe",
        "head",
        "--epochs",
        "1000",
        "--max-minutes",
        str(minutes),
    ]
    subprocess.run([sys.executable, "-m", "seektrack", *given, "--out", str(room / "tuned")], check=True)
    return str(room / "tuned")


def asked(model: str, folder: Path, paths: list[Path], present: list[str]) -> float:
    """Index with a model, ask, print; the share of absent names of which it is said that nothing matches."""
    with Library(folder, model=model) as library:
        library.index(paths, sampling="every=4")
        silent = [name for name in ABSENT.split() if not library.search(f"a {name}")]
        found = [label for label in present if library.search(label)]
        print(
            f"{model}: silent on {len(silent)} of {len(ABSENT.split())} absent names, "
            f"answers to {len(found)} of {len(present)} labels in view"
        )
    return len(silent) / len(ABSENT.split())


def main() -> None:
    """Ends with status 1 where an encoder claims more than one absent name in twenty."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--scenes", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        (room / "videos").mkdir()
        settings = SceneSettings(n_frames=12, actors=(3, 4), street_only=True)
        footage = write_footage(room / "videos", seeds(Split.TEST, given.scenes, start=5000), settings)
        present = sorted({t.label for one in footage for t in one.truth if len(t.label.split()) > 2})
        models = given.model or [str(random_vit(room / "vit")), tuned(room)]
        paths = [Path(one.path) for one in footage]
        shares = [asked(model, room / f"library{i}", paths, present) for i, model in enumerate(models)]
    sys.exit(min(shares) < ENOUGH)


if __name__ == "__main__":
    main()
