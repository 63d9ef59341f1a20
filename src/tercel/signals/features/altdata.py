"""Satellite scenes as numbers: how much stands on the ground or the water.

The measures are plain image statistics. They count structure, not ships or containers; light, season, clouds and the
crop move them too.
"""

from pathlib import Path

import numpy as np

from tercel.core.errors import DataError
from tercel.core.extras import needed
from tercel.core.jit import Floats

SIDE = 512
"""Pixels of the longer side at which scenes are measured."""


def read_scene(path: Path, side: int = SIDE) -> Floats:
    """A picture as brightness in [0, 1], float64, its longer side `side` pixels.

    Raises
    ------
    ConfigError
        Without Pillow (the extra [signals]).
    DataError
        When the file is missing, no picture, or flat.
    """
    pictures = needed("PIL.Image")
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
