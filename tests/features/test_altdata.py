"""Measures of scenes: what stands there, what changed, and when there is no change to speak of."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercel.core.errors import DataError
from tercel.features.altdata import activity, bright_spots, change, read_scene, smoothed


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


def test_nothing_changed_in_the_same_scene_moved_or_relit() -> None:
    scene = harbour()
    still = change(scene, scene)
    assert (still.changed, still.shift) == (0.0, (0, 0))
    moved = change(scene[8:120, 8:120], scene[3:115, 12:124])
    assert moved.shift == (-5, 4)
    assert moved.changed < 0.01
    assert change(scene, 0.1 + 0.7 * scene).changed < 0.01


def test_ships_that_came_are_a_change() -> None:
    scene = harbour()
    later = scene.copy()
    later[100:106, 20:60] = 0.8
    found = change(scene, later)
    assert 6 * 40 <= found.changed * scene.size <= 8 * 42  # smoothing adds a rim of one pixel
    assert found.correlation > 0.5


def test_scenes_of_different_places_have_no_change() -> None:
    with pytest.raises(DataError, match="scenes of the same place"):
        change(harbour(1), harbour(2))
    with pytest.raises(DataError, match="of one size"):
        change(harbour(1), harbour(1)[:100])


def test_the_port_scenes_are_measured_and_not_compared(shared_data: Path) -> None:
    pytest.importorskip("PIL.Image")
    folder = shared_data / "altdata" / "satellite-port-scenes"
    scenes = {path.stem: read_scene(path) for path in sorted(folder.glob("*.png"))}
    assert sorted(scenes) == ["lb_3", "sfbay_1", "sfbay_2"]
    assert all(0 < activity(scene) < 0.5 for scene in scenes.values())
    a, b = (scenes[name][:400, :400] for name in ("sfbay_2", "lb_3"))
    with pytest.raises(DataError, match="same place"):
        change(a, b)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "a.png").write_bytes(b"text")
    with pytest.raises(DataError, match=r"a picture .*a\.png"):
        read_scene(tmp_path / "a.png")
    image.new("L", (20, 20), 7).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"one brightness.*b\.png"):
        read_scene(tmp_path / "b.png")
