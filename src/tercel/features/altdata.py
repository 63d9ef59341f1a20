"""Satellite scenes as numbers: how much stands on the ground or the water, and what changed between two scenes.

Both measures are plain image statistics. They count structure and differences, not ships or containers; light, season,
clouds and the crop move them too. A change is measured only between scenes that show the same place, which is checked
by registration: scenes of different ports have no change between them, whatever a difference of pixels would say.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import ConfigError, DataError

Floats = NDArray[np.float64]
SIDE = 512
"""Pixels of the longer side at which scenes are measured."""
CONTRAST = 0.25
"""Standard deviations of a scene's brightness by which a pixel must differ to have changed."""
SAME_PLACE = 0.5
"""Correlation of registered, smoothed scenes from which on they show the same place."""


@dataclass(frozen=True)
class Change:
    """What differs between two scenes of one place.

    Parameters
    ----------
    changed : float
        Share of pixels that differ by more than noise, and by a quarter of the scene's contrast, in equal light.
    correlation : float
        Of the registered scenes.
    shift : tuple of int
        Rows and columns by which the second was moved onto the first.
    """

    changed: float
    correlation: float
    shift: tuple[int, int]


def read_scene(path: Path, side: int = SIDE) -> Floats:
    """A picture as brightness in [0, 1], float64, its longer side `side` pixels.

    Raises
    ------
    ConfigError
        Without Pillow (the extra [signals]).
    DataError
        When the file is missing, no picture, or flat.
    """
    try:
        pictures = import_module("PIL.Image")
    except ModuleNotFoundError as error:
        raise ConfigError("the extra [signals]", f"no module {error.name}", "pip install 'tercel[signals]'") from error
    try:
        with pictures.open(path) as picture:
            grey = picture.convert("L")
            scale = side / max(grey.size)
            small = grey.resize((max(1, round(grey.width * scale)), max(1, round(grey.height * scale))))
            out = np.asarray(small, np.float64) / 255.0
    except (OSError, ValueError) as error:
        raise DataError("a picture (PNG, JPEG, TIFF)", f"{error} at {path}", "check the file") from error
    if out.max() == out.min():
        raise DataError("a scene that is not of one brightness", f"{path}", "fetch the file again")
    return out


def activity(scene: Floats) -> float:
    """Share of pixels on an edge: gradient above three times its median absolute deviation, in [0, 1].

    Man-made ground (quays, stacks, roofs) has many edges, open water and fields few.
    """
    rows, columns = np.gradient(smoothed(scene))
    slope = np.hypot(rows, columns)
    middle = float(np.median(slope))
    spread = float(np.median(np.abs(slope - middle)))
    return float(np.mean(slope > middle + 3 * max(1.4826 * spread, 1e-6)))


def bright_spots(scene: Floats) -> float:
    """Share of pixels far brighter than their surroundings (a box of 31): hulls on water, roofs, also white caps."""
    local = scene - smoothed(scene, 15)
    spread = 1.4826 * float(np.median(np.abs(local - np.median(local))))
    return float(np.mean(local > 4 * max(spread, 1e-6)))


def change(first: Floats, second: Floats) -> Change:
    """What changed from the first scene to the second, after moving the second onto the first.

    Raises
    ------
    DataError
        When their sizes differ, or they do not show the same place.
    """
    if first.shape != second.shape:
        raise DataError(
            "scenes of one size, cut to one place",
            f"{first.shape} and {second.shape} pixels",
            "cut them to the same ground",
        )
    a, b = standardised(first), standardised(second)
    product = np.fft.fft2(a) * np.conj(np.fft.fft2(b))
    peak = np.fft.ifft2(product / np.maximum(np.abs(product), 1e-12)).real
    at = np.unravel_index(int(np.argmax(peak)), peak.shape)
    down, right = (int(x) if x <= n // 2 else int(x) - n for x, n in zip(at, a.shape, strict=True))
    top, left = abs(down), abs(right)
    moved = np.roll(b, (down, right), (0, 1))
    inner = (slice(top, a.shape[0] - top or None), slice(left, a.shape[1] - left or None))
    one, two = a[inner], moved[inner]
    if one.size < a.size // 4:
        raise DataError(
            "scenes of the same place",
            f"a best shift of {down} rows and {right} columns",
            "cut them to the same ground",
        )
    alike = float(np.corrcoef(smoothed(one, 2).ravel(), smoothed(two, 2).ravel())[0, 1])
    if not alike >= SAME_PLACE:
        raise DataError(
            "scenes of the same place",
            f"a correlation of {alike:.2f} after registration",
            "compare scenes of one place",
        )
    apart = smoothed(one, 1) - smoothed(relit(two, one), 1)
    noise = 1.4826 * float(np.median(np.abs(apart - np.median(apart))))
    changed = np.abs(apart) > max(4 * noise, CONTRAST * float(one.std()))
    return Change(float(np.mean(changed)), alike, (down, right))


def relit(scene: Floats, like: Floats) -> Floats:
    """A scene in the light of another: equal median and equal median deviation, which a few new things do not move."""
    middle, target = float(np.median(scene)), float(np.median(like))
    spread = float(np.median(np.abs(scene - middle)))
    wanted = float(np.median(np.abs(like - target)))
    return np.asarray((scene - middle) * (wanted / spread if spread > 0 else 1.0) + target, np.float64)


def standardised(scene: Floats) -> Floats:
    """Brightness less its mean, over its standard deviation."""
    return np.asarray((scene - scene.mean()) / max(float(scene.std()), 1e-12), np.float64)


def smoothed(scene: Floats, reach: int = 1) -> Floats:
    """Mean over a box of 2 reach + 1 pixels, edges repeated."""
    width = 2 * reach + 1
    out = scene
    for axis in (0, 1):
        pads = [(reach + 1, reach) if a == axis else (0, 0) for a in (0, 1)]
        total = np.cumsum(np.pad(out, pads, mode="edge"), axis=axis)
        n = scene.shape[axis]
        out = (np.take(total, range(width, width + n), axis=axis) - np.take(total, range(n), axis=axis)) / width
    return np.asarray(out, np.float64)
