"""Preset files: shipped ones load and are stated, wrong ones are refused in three parts."""

import json
from pathlib import Path

import numpy as np
import pytest

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.market.flow import DEFAULT, Preset, load, names

SANTA_FE = [name for name in names() if load(name).model == "santa_fe"]


@pytest.mark.parametrize("name", SANTA_FE)
def test_shipped_presets_are_whole(name: str) -> None:
    preset = load(name)
    assert preset.name == name
    card = preset.card
    assert {
        "days",
        "calibrated",
        "estimator",
        "fit",
        "misses",
        "simulated",
        "held_out_days",
    } <= set(card)
    assert not set(card["days"]) & set(card["held_out_days"])
    assert np.mean(preset.market_sizes) * 2.0 * preset.market_rate == pytest.approx(
        preset.volume_per_s, rel=0.02
    )
    assert card["simulated"]["live_orders"] < 0.5 * preset.orders
    for row in card["fit"].values():
        assert {
            "train",
            "held_out",
            "simulated",
            "simulated_over_held_out",
            "train_over_held_out",
        } <= set(row)


def test_the_default_is_shipped() -> None:
    assert DEFAULT in names()


def test_save_and_load_give_the_same_preset(toy: Preset, tmp_path: Path) -> None:
    path = tmp_path / "toy.json"
    toy.save(path)
    assert load(path) == toy
    assert [p.name for p in tmp_path.iterdir()] == ["toy.json"]


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="csco-santa-fe"):
        load("cisco-2003")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("limit_rate", [], "limit_rate"),
        ("limit_rate", [0.0] * 5, "empty"),
        ("cancel_rate", [0.1] * 4, "cancel rates"),
        ("cancel_rate", [0.0] * 5, "cancel_rate"),
        ("market_rate", -1.0, "market_rate"),
        ("limit_sizes", [1] * 63, "limit_sizes"),
        ("market_sizes", [0] * 64, "market_sizes"),
        ("orders", 500, "power of two"),
        ("tick", "a cent", "tick"),
        ("extra", 1, "extra"),
    ],
)
def test_wrong_files_are_refused(
    toy: Preset, tmp_path: Path, field: str, value: object, says: str
) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({**toy.model_dump(mode="json"), field: value}))
    with pytest.raises(ConfigError, match=says) as caught:
        load(path)
    assert "wrong.json" in caught.value.received


def test_missing_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(ConfigError, match="broken"):
        load(broken)
