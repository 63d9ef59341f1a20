"""`python -m studies regimes` and `choices` as typed: a line for each named regime."""

import pytest
from tests.studies.typed import printed, refused

from studies.regimes import command

pytestmark = pytest.mark.release


def test_each_named_regime_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "EPISODES", 4)
    found = printed("regimes", "--market", "csco-santa-fe")
    assert (found["market"], found["episodes"]) == ("csco-santa-fe", 4)
    assert {"volatile", "thin", "flash_crash"} <= {row["name"] for row in found["regimes"]}


def test_choices_are_told_by_regime() -> None:
    regimes = ["--regime", "trending", "--regime", "plain", "--episodes", 4]
    found = printed("choices", "--market", "csco-santa-fe", *regimes, "--agent", "peg_touch")
    trending, plain = found["regimes"]
    assert (trending["regime"], plain["regime"], found["episodes"]) == ("trending", "plain", 4)
    assert set(trending["less_twap_repeg"]) == {"twap_repeg+trend", "filter", "oracle", "peg_touch"}
    assert "oracle" not in plain["less_twap_repeg"]
    assert "try 'trending'" in refused("choices", "--regime", "trendy")
