"""State of a desk from its folder, while the desk runs and afterwards: ledger, positions, quotes, weights, decisions."""

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError
from tercel.core.fixed_point import PAID_ONE, PAID_PLACES, to_number
from tercel.core.toml import read_toml
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.console.report import PositionPart
from tercel.desk.console.report_base import Total
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.database import CONFIG
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.ledger import FOLDED, Ledger
from tercel.desk.trading.risk.money import HeldPosition, Money
from tercel.desk.trading.tca.dealer_costs import DealerCosts, dealer_costs
from tercel.desk.trading.tca.rfq import QuotedRequest, requests_of


@dataclass(kw_only=True)
class PositionRow(PositionPart):
    """A position in shares and money, and in ticks and lots; a value in an unknown unit is None."""

    average_ticks: float | None
    mark_ticks: float | None
    realised_ticks: float
    unrealised_ticks: float | None
    realised_half_ticks: float


def positions_of(folder: Path) -> tuple[list[PositionRow], list[Total]]:
    """Positions by agent and instrument, and their sums by currency."""
    money, ledger = _fold_money_and_ledger(folder, kinds.MARKET)
    holdings = money.holdings(ledger.positions)
    return [_position_row(holding) for holding in holdings], [
        Total(**row) for row in money.total(holdings)
    ]


def _fold_money_and_ledger(folder: Path, *extra_kinds: str) -> tuple[Money, Ledger]:
    """Money and ledger of a journal, from entries of more kinds than they need."""
    money = Money()
    ledger = Ledger()
    with closing(JournalReader(folder)) as reader:
        for _, entry in reader.read(0, [*FOLDED, *extra_kinds]):
            ledger.apply(entry)
            money.apply(entry, ledger)
    return money, ledger


def quotes_of(folder: Path) -> tuple[list[QuotedRequest], list[DealerCosts]]:
    """Requests for quotes of a desk at the last journal entry, and the costs of finished ones by dealer, last over all."""
    with closing(JournalReader(folder)) as reader:
        quote_entries = [entry for _, entry in reader.read(0, (kinds.QUOTE,))]
        now_ns = max((entry.ns for _, entry in reader.read(reader.last - 1)), default=0)
    if not quote_entries:
        return [], []  # most desks ask no dealer: their journal is not folded for it
    money, ledger = _fold_money_and_ledger(folder)
    requests = requests_of(quote_entries, ledger, money.unit, now_ns)
    return requests, dealer_costs(requests, ledger, money.unit)


def _position_row(holding: HeldPosition) -> PositionRow:
    """Row of a held position."""
    realised2 = holding.position.realised2
    value = holding.exact("value")
    open2 = None if value is None else (holding.exact("open") or 0) / holding.unit.value * 2
    row = PositionRow(
        **holding.to_row(),
        average_ticks=holding.position.average,
        mark_ticks=None if holding.mark is None else holding.mark[1] / 2,
        realised_ticks=realised2 / (2 * PAID_ONE),
        unrealised_ticks=None if open2 is None else float(open2 / 2),
        realised_half_ticks=to_number(realised2, PAID_PLACES),
    )
    return replace(row, value=None if value is None or not holding.unit.known else float(value))


def names_of(folder: Path) -> dict[str, str]:
    """Instrument -> its name in the desk's model and targets, where they differ (`names` of `[signals]`)."""
    return {
        str(instrument): str(model_name)
        for instrument, model_name in signals_of(folder).get("names", {}).items()
    }


def weights_of(folder: Path) -> dict[str, float] | None:
    """Portfolio weights of a desk: value at the last marks over the capital in its file, by the names of its model.

    None if its file names no capital, or a position has no mark.
    """
    capital = float(signals_of(folder).get("capital", 0.0))
    names = names_of(folder)
    weights: dict[str, float] = {}
    for row in positions_of(folder)[0] if capital else ():
        if row.lots:
            if row.value is None:
                return None
            name = names.get(row.instrument, row.instrument)
            weights[name] = weights.get(name, 0.0) + row.value / capital
    return weights if capital else None


def signals_of(folder: Path) -> dict[str, Any]:
    """Section `[signals]` of a desk's file, {} if absent; ConfigError without a readable file."""
    section = read_toml(folder / CONFIG, "name the folder of a desk", "a desk file").get(
        "signals", {}
    )
    return section if isinstance(section, dict) else {}


def decision_of(
    folder: Path, parent: str | None = None, at_s: float | None = None, entry: int | None = None
) -> dict[str, Any]:
    """A decision with its observation, intent and commands: that of a journal entry, or the last up to a venue time.

    Raises
    ------
    ConfigError
        No such decision.
    """
    from tercel.desk.trading.explain import decision_at, explain

    seq = entry
    with closing(JournalReader(folder)) as reader:
        if seq is None:
            seq = decision_at(reader, parent, None if at_s is None else round(at_s * NS_PER_SECOND))
            if seq is None:
                raise ConfigError(
                    f"a decision of {parent or 'any parent'}",
                    f"none in {folder} by then",
                    "`tercel trade orders` names the parents",
                )
        explanation = explain(reader, seq)
    if explanation is None:
        raise ConfigError(
            "the number of a decision", f"{seq}", "the console and `tercel trade replay` name some"
        )
    return {"seq": seq, **explanation}
