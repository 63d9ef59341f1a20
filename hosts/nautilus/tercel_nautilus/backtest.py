"""Parent orders on a recorded day in NautilusTrader's backtest: each by a strategy of its own, all worked by Tercel."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any

from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType, BookType, OmsType
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import Money

from tercel_nautilus.algorithm import TercelExecAlgorithm, TercelExecAlgorithmConfig
from tercel_nautilus.days import AFTER_NS
from tercel_nautilus.parents import OneParent, OneParentConfig

CASH = 10**9
"""USD of the simulated account: no order fails for want of money."""


@dataclass(frozen=True)
class ParentOrder:
    """A parent order of the comparison.

    Parameters
    ----------
    side : str
        "buy" or "sell".
    size : int
        Shares.
    start_ns : int
        ns since 1970-01-01 UTC.
    horizon_s : float
    decisions : int
    strategy : str
        Name of a strategy of Tercel.
    limit_price : str, optional
        Worst price, or text such as ``"25bps"`` beyond the mid at arrival.
    warmup_s : float
        How long before its start the executor is fed.
    """

    side: str
    size: int
    start_ns: int
    horizon_s: float
    decisions: int
    strategy: str
    limit_price: str | None = None
    warmup_s: float = 900.0

    @property
    def fed_from_ns(self) -> int:
        return self.start_ns - round(self.warmup_s * 1e9)

    @property
    def ends_ns(self) -> int:
        return self.start_ns + round(self.horizon_s * 1e9)


def backtest(
    instrument: Instrument, data: Sequence[Any], parent: ParentOrder, latency_ns: int = 0
) -> tuple[OneParent, BacktestEngine]:
    """Run one parent order on a recorded day; its strategy, which has the fills, and the engine, to dispose of.

    Fills are taken from the recorded book, which no order changes. Each parent has an engine of its own: of several
    time events at one moment, the simulated venue handles the commands of the first alone at that moment.

    Parameters
    ----------
    instrument, data
        Of :func:`tercel_nautilus.days.day_of`, from the opening on.
    parent : ParentOrder
    latency_ns : int
        From a command to its arrival at the venue; reports come at once.
    """
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(bypass=True),
            run_analysis=False,
        )
    )
    engine.add_venue(
        instrument.id.venue,
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(CASH, USD)],
        base_currency=USD,
        default_leverage=Decimal(1),
        latency_model=LatencyModel(latency_ns) if latency_ns else None,
        book_type=BookType.L3_MBO,
    )
    engine.add_instrument(instrument)
    end = bisect_right(data, parent.ends_ns + AFTER_NS, key=attrgetter("ts_init"))
    engine.add_data(data[:end], validate=False, sort=False)
    engine.add_exec_algorithm(
        TercelExecAlgorithm(
            TercelExecAlgorithmConfig(
                book="L3", own_orders_shown=False, amends=True, latency_ns=latency_ns
            )
        )
    )
    strategy = OneParent(
        OneParentConfig(
            strategy_id="PARENT",
            order_id_tag="1",
            instrument_id=instrument.id,
            side=parent.side,
            size=str(parent.size),
            at_ns=parent.fed_from_ns,
            params={
                "strategy": parent.strategy,
                "horizon": parent.horizon_s,
                "decisions": parent.decisions,
                "start_ns": parent.start_ns,
                "limit_price": parent.limit_price,
            },
        )
    )
    engine.add_strategy(strategy)
    engine.run()
    return strategy, engine
