"""Recorded requests for quote: read from a file with one row per quote, or simulated.

A file has one row per quote: time, side (the client's), size, dealer, quote, mid, won; perhaps request (its number: else rows
of one time, side and size are one request) and cover (not read: it follows from the quotes). A dealer in the request
that did not answer has an empty quote.

    time,side,size,dealer,quote,mid,won
    2026-03-02T10:00:00Z,buy,5,A,1.08012,1.08010,yes
    2026-03-02T10:00:00Z,buy,5,B,1.08013,1.08010,no
    2026-03-02T10:00:00Z,buy,5,C,,1.08010,no
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.core.tables.columns import rename_columns
from tercel.core.tables.numbers import parse_numbers
from tercel.core.tables.sides import parse_sides
from tercel.core.tables.table import ROW, Table, read_table
from tercel.core.tables.table_map import ColumnNames, TableMap, table_map
from tercel.core.tables.usual_names import USUAL
from tercel.market.dealers.panel import DealerPanel
from tercel.market.dealers.requests import State, request

REQUIRED_COLUMNS: Final = ("time", "side", "size", "dealer", "quote", "mid", "won")
OPTIONAL_COLUMNS: Final = ("request", "cover")
_SYNONYMS: Final = {"side": USUAL["side"], "size": ("quantity", "qty", "amount", "notional")} | {
    "dealer": ("counterparty", "lp", "bank"),
    "quote": ("price", "quotedprice"),
    "won": ("winner", "hit", "traded", "done"),
    "request": ("rfqid", "quotereqid", "requestid"),
}
_WON: Final = {"yes": 1, "true": 1, "1": 1, "won": 1, "y": 1, "done": 1} | {
    "no": 0,
    "false": 0,
    "0": 0,
    "lost": 0,
    "n": 0,
    "": 0,
    "covered": 0,
    "tied": 0,
}
FARTHEST_BPS: Final = 2_000.0
"""A quote beyond it is taken for a price of something else, or for another unit."""


@dataclass(frozen=True)
class RequestHistory:
    """Requests with all quotes, (m, D): one row per request, one column per dealer.

    Attributes
    ----------
    dealers : tuple of str
    size : float64 (m,)
    invited : bool (m, D)
    distance : float64 (m, D)
        Distance of each quote from mid, bps against the client; NaN where a dealer did not answer.
    winner : int64 (m,)
        Column of the winning dealer; -1 where no dealer traded.
    """

    dealers: tuple[str, ...]
    size: Floats
    invited: Bools
    distance: Floats
    winner: Ints

    def __len__(self) -> int:
        return len(self.size)

    @property
    def best(self) -> Floats:
        """Best distance of each request, infinite where no dealer answered, bps."""
        return np.asarray(np.where(np.isnan(self.distance), np.inf, self.distance).min(axis=1))


def read_history(
    path: str | Path,
    map: TableMap | str | Path | None = None,
    columns: ColumnNames | Sequence[str] = (),
) -> RequestHistory:
    """A desk's requests from a file.

    Raises
    ------
    DataError
        A missing column; a size, mid or quote that is not above 0; a quote farther than 2,000 bps from mid; two quotes
        of one dealer, two winners, or a winner without a quote in one request; with file and row.
    """
    table = rename_columns(
        read_table(path, table_map(map, columns, known=(*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS))),
        REQUIRED_COLUMNS,
        OPTIONAL_COLUMNS,
        _SYNONYMS,
    )
    won_text = table.frame["won"].cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase()
    won = won_text.replace_strict(_WON, default=None, return_dtype=pl.Int64)
    table.refuse(won.is_null(), "won", "yes or no", "correct the row")
    numeric = {name: parse_numbers(table, name) for name in ("size", "quote", "mid")}
    for name, values in numeric.items():
        table.refuse(
            (values <= 0.0) | (values.is_null() if name != "quote" else False),
            name,
            f"a {name} above 0",
            "correct the row",
        )
    side = parse_sides(table)
    distance = 1e4 * side * (numeric["quote"] / numeric["mid"] - 1.0)
    table.refuse(
        distance.abs() > FARTHEST_BPS,
        "quote",
        f"a quote within {FARTHEST_BPS:g} bps of mid",
        "correct the row, or its unit",
    )
    keys = ["request"] if "request" in table.frame.columns else ["time", "side", "size"]
    rows = table.frame.select(ROW, *keys, pl.col("dealer").cast(pl.String)).with_columns(
        distance=distance, won=won, lots=numeric["size"]
    )
    ids = rows.select(pl.struct(keys).rank("dense") - 1).to_series()
    rows = rows.with_columns(id=ids)
    _refuse_rows(
        table,
        rows,
        pl.struct("id", "dealer").is_duplicated(),
        "dealer",
        "one quote of a dealer to a request",
    )
    _refuse_rows(
        table,
        rows,
        (pl.col("won").sum().over("id") > 1) & (pl.col("won") == 1),
        "won",
        "one winner of a request",
    )
    _refuse_rows(
        table,
        rows,
        (pl.col("won") == 1) & pl.col("distance").is_null(),
        "won",
        "a quote of the winner",
    )
    return _pivot_quotes(rows)


def _refuse_rows(table: Table, rows: pl.DataFrame, bad: pl.Expr, name: str, expected: str) -> None:
    """Raise the table's error for rows of requests where `bad` holds; nothing where no row is bad."""
    table.refuse(
        rows.select(bad).to_series(),
        name,
        expected,
        "correct the row, or number requests in a column `request`",
    )


def _pivot_quotes(rows: pl.DataFrame) -> RequestHistory:
    """Rows of one quote each as a history: one row per request, one column per dealer."""
    names = sorted(rows["dealer"].unique().to_list())
    cells = (
        rows["id"].to_numpy(),
        rows["dealer"].replace_strict(names, range(len(names))).to_numpy(),
    )
    refuse_if(
        not len(rows), "a history with requests", "none", "write one row per quote", DataError
    )
    shape = int(rows["id"].max()) + 1, len(names)  # type: ignore[arg-type]
    invited = np.zeros(shape, np.bool_)
    distance = np.full(shape, np.nan)
    invited[cells] = True
    distance[cells] = rows["distance"].fill_null(np.nan).to_numpy()
    winner = np.full(shape[0], -1)
    won = rows["won"].to_numpy() == 1
    winner[cells[0][won]] = cells[1][won]
    size = np.zeros(shape[0])
    size[cells[0]] = rows["lots"].to_numpy()
    return RequestHistory(tuple(names), size, invited, distance, winner)


def simulate_history(
    panel: DealerPanel,
    requests: int,
    seed: int,
    dealers_per_request: int,
    reservation: tuple[float, float] = (np.inf, 1.0),
) -> RequestHistory:
    """Independent requests to dealers without positions: sizes exponential, sides and dealers drawn.

    Parameters
    ----------
    panel : DealerPanel
    requests : int
    seed : int
    dealers_per_request : int
        Number of dealers in each request.
    reservation : tuple of float
        Location and scale of the client's logistic reservation, bps.
    """
    rng = np.random.default_rng(seed)
    count = len(panel)
    side = rng.choice([-1, 1], requests)
    size = panel.size * rng.exponential(size=requests)
    invited = rng.random((requests, count)).argsort(axis=1) < dealers_per_request
    limits = reservation[0] + reservation[1] * rng.logistic(size=requests)
    state = State.empty(requests, count)
    outcome = request(panel, state, side, size, invited, rng, max_distance=limits)
    names = tuple(f"D{i + 1}" for i in range(count))
    return RequestHistory(names, size, invited, outcome.answers.distance, outcome.winner)
