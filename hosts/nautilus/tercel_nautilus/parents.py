"""A strategy of NautilusTrader that submits one parent order to the execution algorithm."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderCanceled, OrderFilled
from nautilus_trader.model.identifiers import ExecAlgorithmId, InstrumentId
from nautilus_trader.trading.strategy import Strategy

START_NS = 100_000_000


class OneParentConfig(StrategyConfig, frozen=True):
    """Configuration of :class:`OneParent`: instrument, side, size, when to submit (ns; the past: at once), parameters."""

    instrument_id: InstrumentId
    side: str
    size: str
    at_ns: int
    params: dict[str, Any]


class OneParent(Strategy):
    """Submits one parent order to the execution algorithm, and notes fills and end."""

    def __init__(self, config: OneParentConfig) -> None:
        super().__init__(config)
        self.fills: list[OrderFilled] = []
        self.primary: Any = None
        self.ended = False

    def on_start(self) -> None:
        # Strategies start before execution algorithms, which ignore what comes before their start.
        at_ns = max(self.config.at_ns, self.clock.timestamp_ns() + START_NS)
        self.clock.set_time_alert_ns("submit", at_ns, self._submit)

    def _submit(self, _event: Any) -> None:
        instrument = self.cache.instrument(self.config.instrument_id)
        self.primary = self.order_factory.market(
            instrument.id,
            OrderSide.BUY if self.config.side == "buy" else OrderSide.SELL,
            instrument.make_qty(Decimal(self.config.size)),
            exec_algorithm_id=ExecAlgorithmId("TERCEL"),
            exec_algorithm_params=self.config.params,
        )
        self.submit_order(self.primary)

    def on_order_filled(self, event: OrderFilled) -> None:
        self.fills.append(event)

    def on_order_canceled(self, event: OrderCanceled) -> None:
        self.ended |= event.client_order_id == self.primary.client_order_id

    def on_stop(self) -> None:
        """Nothing: the parent is kept."""
