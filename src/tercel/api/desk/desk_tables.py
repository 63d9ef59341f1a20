"""Tables of a desk in Python: parent orders, fills, positions, and costs of finished parents, as data frames."""

from typing import Any

import polars as pl

from tercel.core.fixed_point import PAID_ONE, to_number
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.engine.outcome import DeskOutcome
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.session import Session


def fills_table(session: Session) -> pl.DataFrame:
    """Fills in a session's journal, one row each, with prices in money and venue times in seconds."""
    return rows_table(
        [
            {
                "parent": fill.parent,
                "instrument": fill.instrument,
                "agent": fill.account,
                "side": fill.side,
                "lots": to_number(fill.qty),
                "price": to_number(fill.px) * session.listings[fill.instrument].tick,
                "time_s": fill.ns / NS_PER_SECOND,
                "passive": fill.passive,
            }
            for fill in sorted(Ledger.of(session.journal).orders.fills, key=lambda fill: fill.ns)
        ]
    )


def positions_table(session: Session) -> pl.DataFrame:
    """Positions of a session, one row for each agent and instrument: signed lots, prices, profit in money."""
    rows = []
    for (agent, instrument), position in sorted(session.ledger.positions.all().items()):
        listing = session.listings[instrument]
        mid2 = session.follow(instrument).mid2
        unit = listing.tick / 2 * listing.lot / PAID_ONE
        rows.append(
            {
                "agent": agent,
                "instrument": instrument,
                "lots": position.lots,
                "average": position.average * listing.tick,
                "mark": mid2 / 2 * listing.tick,
                "realised": position.realised2 * unit,
                "unrealised": (position.worth2(mid2) - position.realised2) * unit,
            }
        )
    return rows_table(rows)


def costs_table(outcome: DeskOutcome) -> pl.DataFrame:
    """Costs of finished parent orders in bps, one row each: of the fills, and of the unfilled lots."""
    return rows_table(
        [
            {
                "parent": parent.id,
                "instrument": parent.instrument,
                "agent": parent.agent,
                "side": parent.side,
                "lots": parent.quantity,
                "filled": parent.filled,
                "unfilled": parent.unfilled,
                "refused": parent.refused,
                "shortfall_bps": parent.is_bps,
                "opportunity_bps": parent.opportunity_bps,
                "status": parent.status,
            }
            for parent in outcome.parents
        ]
    )


def rows_table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Table of rows whose column types are inferred from all rows."""
    return pl.DataFrame(rows, infer_schema_length=None)
