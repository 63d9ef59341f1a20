"""Preset files: shipped ones load and are stated, wrong ones are refused in three parts."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.market.flow import Preset, load, names, registry
from tercel.market.flow.santa_fe import SantaFePreset
from tercel.market.score.calibrated import calibrate_preset
from tercel.market.simulator.layout import FOREIGN

SANTA_FE = [name for name in names() if name.endswith("-santa-fe")]


@pytest.mark.parametrize("name", SANTA_FE)
def test_shipped_presets_are_whole(name: str) -> None:
    found = load(name)
    assert isinstance(found, SantaFePreset)
    assert found.name == name
    card = found.card
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
    assert np.mean(found.market_sizes) * 2.0 * found.market_rate == pytest.approx(
        found.volume_per_s, rel=0.02
    )
    assert card["simulated"]["live_orders"] < 0.5 * found.orders
    for row in card["fit"].values():
        assert {
            "train",
            "held_out",
            "simulated",
            "simulated_over_held_out",
            "train_over_held_out",
        } <= set(row)


@pytest.mark.parametrize(
    ("name", "venue", "symbol", "tick", "lot", "mid", "says"),
    [
        ("sh600961", "SSE", "600961", 0.01, 100, 9.2, "alternate half hours"),
        ("sh600519", "SSE", "600519", 0.01, 100, 1840.0, "alternate half hours"),
        ("clx5", "GLBX", "CLX5", 0.01, 1, 64.8, "alternate quarter hours"),
        ("ethbtc", "BINANCE", "ETHBTC", 1e-6, 10, 0.0282, "alternate quarter hours"),
    ],
)
def test_markets_of_today_have_the_facts_of_their_instruments_and_tell_their_limits(
    name: str, venue: str, symbol: str, tick: float, lot: int, mid: float, says: str
) -> None:
    preset = load(name)
    assert (preset.venue, preset.symbol, preset.tick, preset.lot) == (venue, symbol, tick, lot)
    assert preset.start_mid_ticks * tick == pytest.approx(mid, rel=0.01)
    assert says in preset.card["limits"][0]
    assert says.endswith(str(preset.card["part_of_day"]).partition(" ")[2])


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


def test_what_gives_a_model_that_is_not_installed(
    toy: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda **_: ())
    monkeypatch.setattr(registry, "entry_point_names", lambda _: ())
    file = tmp_path / "market.json"
    for model, remedy in (
        ("hawkes", "pip install tercel-studies"),
        ("cheridito_weiss", "pip install tercel-studies"),
        ("coin", "take one of these, or install the package that gives it"),
    ):
        file.write_text(json.dumps({**toy.model_dump(mode="json"), "model": model}))
        with pytest.raises(ConfigError, match=model) as caught:
            load(file)
        assert caught.value.remedy == remedy
        with pytest.raises(ConfigError, match=f"model={model}") as caught:
            calibrate_preset(model, [], name="mine", stamp="2030-01-02")
        assert caught.value.remedy == remedy
    for name in ("csco-hawkes", "cw-flow"):
        with pytest.raises(UnknownNameError) as unknown:
            load(name)
        assert unknown.value.remedy == "pip install tercel-studies"
    with pytest.raises(ConfigError, match="received none"):
        registry.event_of(7)


def test_a_package_gives_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    made = EntryPoint("coin", f"{SantaFePreset.__module__}:SantaFePreset", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda **_: (made,))
    with pytest.raises(ConfigError, match="a FlowModel whose presets are of model coin"):
        registry.model_of("coin")


def test_two_models_of_one_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one = registry.model_of("santa_fe")
    monkeypatch.setattr(registry, "models", lambda: {"one": one, "other": one})
    with pytest.raises(ConfigError, match="santa_fe and santa_fe"):
        registry.event_of(one.code - FOREIGN)
