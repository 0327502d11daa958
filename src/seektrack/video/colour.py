"""From the colours a film was made for to the colours of the display a player assumes: sRGB, gamma 2.2.

Pure functions over arrays. Light is in cd/m² (nits); diffuse white of HDR is 203 nits (ITU-R BT.2408).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Chromaticity = tuple[float, float]

# Numbers of ITU-T H.273, as FFmpeg uses them.
BT709, BT470M, BT470BG, SMPTE170M, SMPTE240M, FILM, BT2020, DCI_P3, DISPLAY_P3, EBU3213 = (
    1, 4, 5, 6, 7, 8, 9, 11, 12, 22,
)  # fmt: skip
LINEAR, PQ, SMPTE428, HLG = 8, 16, 17, 18

WHITE_NITS = 203.0
USUAL_PEAK_NITS = 1000.0
_GAMMA = 2.2

_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
# Red, green, blue, white: ITU-T H.273 table 2.
_PRIMARIES = {
    BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    BT470M: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    FILM: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    DCI_P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI),
    DISPLAY_P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
# Those of BT.601 lie so near to BT.709's that no player converts them.
WIDE = frozenset({BT470M, FILM, BT2020, DCI_P3, DISPLAY_P3})
CURVED = frozenset({LINEAR, PQ, SMPTE428, HLG})

_STEPS = 4096  # of the tables: finer than any 10-bit picture, small enough for the cache


@dataclass(frozen=True)
class Display:
    """Turns R'G'B' of one kind of film into R'G'B' of the display.

    HDR (PQ of SMPTE ST 2084, HLG of ARIB STD-B67) becomes light, is rolled off from the film's peak to
    diffuse white by the curve of ITU-R BT.2390-10 section 5.4 on the largest channel, so that hues stay, and
    then goes the way of all: primaries to BT.709, gamma 2.2.

    Attributes:
        transfer: H.273 number of the transfer curve; what is not in ``CURVED`` counts as gamma 2.2.
        primaries: H.273 number; what is not known counts as BT.709.
        peak_nits: The brightest light of an HDR film.
    """

    transfer: int
    primaries: int
    peak_nits: float = USUAL_PEAK_NITS

    def __call__(self, image: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """uint16 (H, W, 3), 0 to 65535, to uint8 (H, W, 3)."""
        light = self._to_light[image >> 4]
        if self.transfer == HLG:
            light *= _hlg_gain(light)[..., None]
        if self.transfer in (PQ, HLG):
            brightest = light.max(axis=-1)
            light *= self._rolled_off[_root_index(brightest, self._peak)][..., None]
        if self.primaries in _PRIMARIES and self.primaries != BT709:
            light = cv2.transform(light, to_bt709(self.primaries))
        return np.asarray(self._to_code[_root_index(light, 1.0)], dtype=np.uint8)

    @property
    def _peak(self) -> float:
        """Brightest light, diffuse white being 1."""
        return max(self.peak_nits, WHITE_NITS) / WHITE_NITS

    @cached_property
    def _to_light(self) -> Floats:
        """Light of each code; of HLG, of the scene."""
        return np.asarray(to_light(np.linspace(0, 1, _STEPS), self.transfer), dtype=np.float32)

    @cached_property
    def _rolled_off(self) -> Floats:
        """Factor on the light by the square root of the largest channel."""
        light = np.linspace(0, 1, _STEPS) ** 2 * self._peak
        light[0] = light[1]
        return np.asarray(roll_off(light, self._peak) / light, dtype=np.float32)

    @cached_property
    def _to_code(self) -> NDArray[np.uint8]:
        light = np.linspace(0, 1, _STEPS) ** 2
        return np.asarray(np.rint(255 * light ** (1 / _GAMMA)), dtype=np.uint8)


@lru_cache(maxsize=16)
def display_for(transfer: int, primaries: int, peak_nits: float) -> Display:
    """The same `Display` for the same film, with its tables made once."""
    return Display(transfer, primaries, peak_nits)


def needs_display(transfer: int, primaries: int) -> bool:
    """Whether a film with these tags would look wrong if its codes were shown as they are."""
    return transfer in CURVED or primaries in WIDE


def to_light(code: NDArray[np.float64], transfer: int) -> NDArray[np.float64]:
    """Light of codes in [0, 1]: of PQ with diffuse white as 1, else in [0, 1]; of HLG, the scene's."""
    if transfer == PQ:
        return pq_to_nits(code) / WHITE_NITS
    if transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    if transfer == LINEAR:
        return code
    if transfer == SMPTE428:
        return np.minimum(code**2.6 * 52.37 / 48, 1.0)
    return code**_GAMMA


_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128


def pq_to_nits(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084, equation 4.1: codes in [0, 1] to cd/m²."""
    powered = np.asarray(code) ** (1 / _M2)
    return 10_000 * (np.maximum(powered - _C1, 0) / (_C2 - _C3 * powered)) ** (1 / _M1)


def nits_to_pq(nits: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """SMPTE ST 2084, equation 5.2: cd/m² to codes in [0, 1]."""
    powered = (np.asarray(nits) / 10_000) ** _M1
    return ((_C1 + _C2 * powered) / (1 + _C3 * powered)) ** _M2


def roll_off(light: NDArray[np.float64], peak: float) -> NDArray[np.float64]:
    """Light up to ``peak`` brought to at most 1, diffuse white being 1: ITU-R BT.2390-10, section 5.4.

    What is well below white stays as it is; above the knee a Hermite spline in PQ goes to 1.
    """
    if peak <= 1:
        return np.minimum(light, 1.0)
    top = nits_to_pq(peak * WHITE_NITS)
    target = float(nits_to_pq(WHITE_NITS) / top)
    knee = 1.5 * target - 0.5
    e = np.minimum(nits_to_pq(light * WHITE_NITS) / top, 1.0)
    t = np.clip((e - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee)
    spline += (-2 * t**3 + 3 * t**2) * target
    return pq_to_nits(np.where(e < knee, e, spline) * top) / WHITE_NITS


def _hlg_gain(scene: Floats) -> Floats:
    """The display's light over the scene's at a peak of 1000 nits: ITU-R BT.2100, table 5, gamma 1.2."""
    luminance = scene @ np.asarray((0.2627, 0.6780, 0.0593), dtype=np.float32)
    return np.asarray(np.maximum(luminance, 1e-6) ** 0.2 * (USUAL_PEAK_NITS / WHITE_NITS), dtype=np.float32)


def _root_index(light: Floats, peak: float) -> NDArray[np.uint16]:
    """Place in a table whose entries stand at even steps of the square root of light up to ``peak``."""
    scaled = cv2.sqrt(np.clip(light, 0, peak)) * np.float32((_STEPS - 1) / peak**0.5)
    return np.asarray(scaled + np.float32(0.5), dtype=np.uint16)


@lru_cache(maxsize=8)
def to_bt709(primaries: int) -> Floats:
    """(3, 3) from linear light of other primaries to BT.709's, white to white (Bradford)."""
    red, green, blue, white = _PRIMARIES[primaries]
    to_xyz = _rgb_to_xyz(red, green, blue, white)
    back = np.linalg.inv(_rgb_to_xyz(*_PRIMARIES[BT709]))
    return np.asarray(back @ _adapted(white, _D65) @ to_xyz, dtype=np.float32)


def _xyz(xy: Chromaticity) -> NDArray[np.float64]:
    return np.asarray((xy[0] / xy[1], 1.0, (1 - xy[0] - xy[1]) / xy[1]))


def _rgb_to_xyz(
    red: Chromaticity, green: Chromaticity, blue: Chromaticity, white: Chromaticity
) -> NDArray[np.float64]:
    columns = np.stack([_xyz(red), _xyz(green), _xyz(blue)], axis=1)
    return np.asarray(columns * np.linalg.solve(columns, _xyz(white)))


def _adapted(white: Chromaticity, to: Chromaticity) -> NDArray[np.float64]:
    bradford = np.asarray(((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)))
    scale = (bradford @ _xyz(to)) / (bradford @ _xyz(white))
    return np.asarray(np.linalg.inv(bradford) @ np.diag(scale) @ bradford)
