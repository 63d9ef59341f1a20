"""Measures of scenes: what stands there."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercel.core.errors import DataError
from tercel.signals.features.altdata import activity, bright_spots, read_scene, smoothed


def harbour(seed: int = 0, side: int = 128) -> np.ndarray:
    """Dark water with waves, a quay of blocks."""
    rng = np.random.default_rng(seed)
    scene = 0.15 + 0.02 * rng.standard_normal((side, side))
    for _ in range(40):
        row, column = rng.integers(0, side // 2), rng.integers(0, side - 10)
        scene[row : row + 5, column : column + 9] = rng.uniform(0.3, 0.7)
    return np.clip(scene, 0, 1)


@given(st.integers(0, 5), st.integers(0, 4))
def test_smoothing_is_a_mean_over_a_box(seed: int, reach: int) -> None:
    scene = np.random.default_rng(seed).random((9, 11))
    padded = np.pad(scene, reach, mode="edge")
    width = 2 * reach + 1
    by_hand = [[padded[i : i + width, j : j + width].mean() for j in range(11)] for i in range(9)]
    assert smoothed(scene, reach) == pytest.approx(np.array(by_hand))


def test_a_quay_has_more_edges_than_water() -> None:
    scene = harbour()
    assert activity(scene) > 2 * activity(scene[64:])
    calm = scene.copy()
    calm[90:94, 20:60] = 0.9
    assert bright_spots(calm) > bright_spots(scene)


def test_the_port_scenes_are_measured(shared_data: Path) -> None:
    pytest.importorskip("PIL.Image")
    folder = shared_data / "altdata" / "satellite-port-scenes"
    scenes = {path.stem: read_scene(path) for path in sorted(folder.glob("*.png"))}
    assert sorted(scenes) == ["lb_3", "sfbay_1", "sfbay_2"]
    assert all(0 < activity(scene) < 0.5 for scene in scenes.values())


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "a.png").write_bytes(b"text")
    with pytest.raises(DataError, match=r"a picture .*a\.png"):
        read_scene(tmp_path / "a.png")
    image.new("L", (20, 20), 7).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"one brightness.*b\.png"):
        read_scene(tmp_path / "b.png")
