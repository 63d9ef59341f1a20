"""The study of learning online: the planted flip and shuffled labels on few seeds, and the table of a panel."""

from pathlib import Path

import numpy as np
import pytest

from studies.signals.online import (
    NAMES,
    chance_table,
    flip_figure,
    flip_table,
    over_seeds,
    panel_table,
    planted,
    shuffled,
)
from tercel.signals.runs.config import OnlineRule, PanelSection, SignalsConfig, TrainSection

pytestmark = pytest.mark.release

pytest.importorskip("sklearn")


def test_after_a_flip_the_blend_is_back_at_the_oracles_and_a_fit_that_stays_is_as_wrong() -> None:
    table = over_seeds(1, 10)
    rows = {row["forecast"]: row for row in flip_table(table, np.random.default_rng(0))}
    share = {name: rows[name]["of the oracle's"]["mean"] for name in NAMES}
    assert min(share["recursive"], share["blend"], share["blend, fused"]) >= 0.9
    assert share["static"] < -0.9
    assert share["rolling"] < 0.7
    assert rows["blend"]["before"]["mean"] > 0.97 * rows["oracle"]["before"]["mean"]
    assert rows["blend"]["of the oracle's"]["ci_low"] > 0.9
    picture = flip_figure({1: table}).svg
    assert all(
        name in picture
        for name in ("recursive", "rolling", "static", "oracle", "dates after the flip")
    )


def test_shuffled_labels_teach_nothing() -> None:
    rows = chance_table(over_seeds(5, 10, flips=False, features=4), np.random.default_rng(0))
    assert all(row["p, Holm"] > 0.01 and abs(row["IC"]["mean"]) < 0.005 for row in rows)


def test_shuffling_keeps_each_dates_labels() -> None:
    data, _ = planted(np.random.default_rng(0), names=6, before=3, after=2)
    other = shuffled(data, np.random.default_rng(1))
    for date in range(5):
        rows = data.dates == date
        assert sorted(other.y[rows]) == sorted(data.y[rows])
    assert (other.y != data.y).any()
    assert (other.x == data.x).all()


def test_ways_to_learn_are_compared_on_the_same_dates(tmp_path: Path) -> None:
    section = TrainSection(
        families=("linear",), splits=3, embargo_days=2, online=OnlineRule(warm=30)
    )
    config = SignalsConfig(
        panel=PanelSection(instruments=15, days=160, strength=0.2), train=section
    )
    rows = panel_table(config, 1, tmp_path)
    assert [row["update"] for row in rows] == ["refit", "static", "rolling", "recursive", "blend"]
    assert len({row["dates"] for row in rows}) == 1
    assert rows[0]["dates"] > 30
    assert rows[0]["beyond refit"] is None
    assert rows[1]["beyond refit"]["mean"] == pytest.approx(
        rows[1]["IC"]["mean"] - rows[0]["IC"]["mean"]
    )
