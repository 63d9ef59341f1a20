"""`python -m studies regimes` as typed: a line for each named regime."""

import pytest
from tests.studies.typed import printed

from studies.regimes import command

pytestmark = pytest.mark.release


def test_each_named_regime_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "EPISODES", 4)
    found = printed("regimes", "--market", "csco-santa-fe")
    assert (found["market"], found["episodes"]) == ("csco-santa-fe", 4)
    assert {"volatile", "thin", "flash_crash"} <= {row["name"] for row in found["regimes"]}
