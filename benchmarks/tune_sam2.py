r"""What each recipe of `seektrack train sam2 --data` makes of a style and of categories never trained on.

    python benchmarks/tune_sam2.py                        # short: does it run, what does a step cost
    python benchmarks/tune_sam2.py --clips 200 --steps 2000 --minutes 10 --measure 12 \
        --recipes full frozen-image head lora

J&F of held-out clips before and after, by the product's own engine, and seconds of processor time a step,
measuring included.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from seektrack.training.sam2 import MODES, LossWeights, PromptMix, Sam2Finetune, tune_sam2

WORLD = "style=scan,categories=snail+umbrella+teapot"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipes", nargs="+", default=["head", "full"], choices=MODES)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--measure", type=int, default=2, help="held-out clips")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--boundary", type=float, default=0.0)
    parser.add_argument("--corrections", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    print("recipe        moving     steps  cpu s/step  J&F before  after   J      F      stopped")
    for mode in chosen.recipes:
        recipe = Sam2Finetune(
            mode=mode,
            steps=chosen.steps,
            max_held_out=chosen.measure,
            losses=LossWeights(boundary=chosen.boundary),
            prompts=PromptMix(corrections=chosen.corrections, later=0.2 if chosen.corrections else 0.0),
        )
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            figures = tune_sam2(
                recipe,
                f"world:{chosen.clips},{WORLD},start=1000",
                Path(folder) / "out",
                model=chosen.model,
                held_out=f"world:{chosen.measure},{WORLD}",
                max_minutes=chosen.minutes,
            )
            spent = (time.process_time() - began) / max(1, figures["steps"])
        print(
            f"{mode:12}  {figures['trainable']:>9}  {figures['steps']:>5}  {spent:>10.2f}"
            f"  {figures['JF_before']:>10.3f}  {figures['JF']:.3f}  {figures['J']:.3f}  {figures['F']:.3f}"
            f"  {figures['stopped']}"
        )


if __name__ == "__main__":
    main()
