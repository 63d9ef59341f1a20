"""A desk trades on a planted score nowhere but on its own simulated exchange, and on no model unless it names one."""

from collections.abc import Callable

import pytest

from tercel.api.desk.config import parse_config
from tercel.api.simulated_desk import SimulatedMarkets
from tercel.core.ports import Venue
from tercel.desk.engine.assembly import DeskDependencies, assemble_desk
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.execution.market import Market
from tercel.venues.exchange import MarketSpec, SimulatedExchange

DESK = """
[desk]
rounds = 2
round_s = 60.0
decision_s = 10.0
warmup_s = 240.0
venue = "fix://127.0.0.1:1"
[risk]
posture = "off"
[[instrument]]
name = "AAA"
[[agent]]
name = "peg"
strategy = "peg_behind"
"""
DRIFT = "[scenario.instrument.AAA]\ndrift = 0.25\n"
MODEL = '[signals]\nmodel = "packaged:demo"\n'


@pytest.fixture(scope="module")
def elsewhere(tools: SimulatedMarkets) -> Callable[[], Venue]:
    """Exchanges that nothing is planted in."""
    preset, source = tools.market(Market("csco-santa-fe"))
    spec = MarketSpec(source, 1, volume_per_s=preset.volume_per_s)
    return lambda: SimulatedExchange({"AAA": spec})


def heard(text: str, tools: SimulatedMarkets, venue: Venue | None = None) -> list[tuple[str, ...]]:
    """The sources of every forecast of a desk that ran to its end."""
    journal = MemoryJournal(chained=False)
    config = parse_config(text, "desk.toml")
    opened = assemble_desk(
        config, journal, tools.dependencies(config) if venue is None else DeskDependencies(venue)
    )
    opened.run()
    assert opened.results
    assert all(row["alpha_bps"] is None for row in opened.results) or "[signals]" in text
    return [tuple(entry.body["sources"]) for _, entry in journal.read(0, (kinds.ALPHA,))]


def test_a_desk_elsewhere_has_no_alpha_unless_it_names_a_model_which_hears_no_news(
    tools: SimulatedMarkets, elsewhere: Callable[[], Venue]
) -> None:
    assert heard(DESK, tools, elsewhere()) == []
    found = heard(DESK + MODEL, tools, elsewhere())
    assert len(found) == 2
    assert all("news" not in sources for sources in found)


def test_on_its_own_exchange_a_desk_hears_of_planted_drift_alone(tools: SimulatedMarkets) -> None:
    assert heard(DESK + DRIFT, tools) == []
    assert all("news" in sources for sources in heard(DESK + DRIFT + MODEL, tools))
    assert all("news" not in sources for sources in heard(DESK + MODEL, tools))
