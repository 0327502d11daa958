"""What the scores of an encoder mean: the numbers that turn its cosines into beliefs and judgements.

They belong to the encoder, as its weights do: a cosine of 0.3 is a match for one and noise for another. They
lie in ``calibration.json`` beside the weights; an encoder without that file is calibrated from the library it
made (`seektrack.retrieval.calibrate`). They change no embedding, so they are no part of the fingerprint.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seektrack.errors import InputError, ModelError
from seektrack.files import write_json

CALIBRATION_FILE = "calibration.json"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The numbers of one encoder.

    Attributes:
        min_confidence: Least belief at which a library shows what was asked for.
        weight: How much one neighbouring frame counts beside a frame's own evidence; 1 takes them as
            independent witnesses, 0 as the same.
        temperature: Divides the logits; above 1 the model is less sure than it says.
        max_cosine: A contrast text nearer to a query than this says the same and does not compete.
        different, same: Cosines of crops of two objects, and of the same one.
        alike: Cosine of two pictures from which on they are taken to show the same.
    """

    min_confidence: float = 0.88
    weight: float = 0.15
    temperature: float = 1.0
    max_cosine: float = 0.97
    different: float = 0.4
    same: float = 1.0
    alike: float = 0.9

    def __post_init__(self) -> None:
        shares = {n: getattr(self, n) for n in ("min_confidence", "weight", "max_cosine")}
        wrong = [n for n, v in shares.items() if not 0 <= v <= 1]
        if wrong or self.temperature <= 0 or not -1 <= self.different < self.same <= 1:
            raise InputError(
                f"not a calibration: {self}",
                hint="shares lie from 0 to 1, the temperature above 0, different below same",
            )

    def save(self, folder: str | os.PathLike[str], *, weights: str) -> Path:
        """Write ``calibration.json`` into an encoder's folder.

        Args:
            folder: Holds the encoder.
            weights: `Encoder.fingerprint` of the encoder it is true of.

        Raises:
            OutputError: It cannot be written.
        """
        target = Path(folder) / CALIBRATION_FILE
        write_json(target, {"weights": weights} | {n: round(v, 7) for n, v in asdict(self).items()}, indent=1)
        return target


def read_calibration(folder: str | os.PathLike[str], *, weights: str) -> Calibration | None:
    """The calibration that lies beside an encoder; None where there is none, or it is that of other weights.

    Raises:
        ModelError: The file cannot be read.
    """
    path = Path(folder) / CALIBRATION_FILE
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("weights") != weights:
            return None
        return Calibration(**{name: float(value) for name, value in content.items()})
    except (OSError, ValueError, TypeError, AttributeError, KeyError, InputError) as error:
        raise ModelError(
            f"cannot read {path}: {error}", hint="make it again: seektrack train calibrate"
        ) from error
