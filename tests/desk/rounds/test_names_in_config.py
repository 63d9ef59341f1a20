"""Names in a desk's file that mean one of its sections, and those of its dealers."""

import json
from typing import Any

import pytest

from tercel.api.desk.config import parse_config
from tercel.core.errors import ConfigError, LimitsError
from tercel.desk.engine.assembly import check_config, limits_of
from tercel.desk.gate.config import GateTerms

DESK = """
[[instrument]]
name = "CSCO"

[[agent]]
name = "a1"
strategy = "twap_take"

"""


@pytest.mark.parametrize("place", ["agents.a11.messages", "instruments.CSC0.order_lots"])
def test_a_limit_of_a_name_that_is_not_there_is_refused(place: str) -> None:
    """At a desk, which warms up with its first instrument alone, and in a gate's file; the nearest name is offered."""
    lines = [f'"{place}" = 5', '"agents.a1.messages" = 5', '"instruments.*.messages" = 5']
    for line, wrong in zip(lines, (True, False, False), strict=True):
        config = parse_config(f"{DESK}[limits.changed]\n{line}\n", "desk.toml")
        if wrong:
            with pytest.raises(ConfigError, match=r"try '(a1|CSCO)'"):
                check_config(config)
        else:
            check_config(config)
    two = parse_config(
        f'{DESK}[[instrument]]\nname = "IBM"\n[limits.changed]\n"instruments.IBM.messages" = 5', ""
    )
    check_config(two)
    assert limits_of(two.model_copy(update={"instrument": two.instrument[:1]})) == limits_of(two)
    gate: dict[str, Any] = {"venue": "fix://localhost:1", "accounts": ("a1",)}
    with pytest.raises(LimitsError, match="try 'a1'"):
        GateTerms(**gate, changed={"agents.a11.messages": 5})
    GateTerms(**gate, changed={"agents.a1.messages": 5, "instruments.CSC0.messages": 5})


def test_names_in_signals_are_of_instruments() -> None:
    config = parse_config(f'{DESK}[signals]\nnames = {{CSC0 = "Cisco"}}\n', "desk.toml")
    with pytest.raises(ConfigError, match="try 'CSCO'"):
        check_config(config)


@pytest.mark.parametrize(
    "dealers", [["D" * 5_000], [f"D{i}" for i in range(100_000)], [""], ["a\n"]]
)
def test_dealers_have_names_of_a_message_and_a_number_of_a_market(dealers: list[str]) -> None:
    with pytest.raises(ConfigError, match="dealers"):
        parse_config(f"[desk]\ndealers = {json.dumps(dealers)}\n{DESK}", "desk.toml")
