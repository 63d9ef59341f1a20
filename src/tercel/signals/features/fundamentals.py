"""Ratios of a company's reports, as Polars expressions: sizes and signs that can be compared between companies.

Income of a 10-Q is a quarter's and that of a 10-K a year's; cash flows run from the start of the fiscal year. Both are
put on a yearly scale before they are divided by assets. Growth compares with the same period of the year before, as it
was reported then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

NEEDED = (
    "symbol", "end_date", "period_focus", "revenues", "op_income", "net_income", "assets", "cur_assets", "cur_liab",
    "cash", "equity", "cash_flow_op", "collected",
)  # fmt: skip
RATIOS = (
    "earnings_to_assets", "operating_margin", "cash_flow_to_assets", "accruals", "equity_to_assets", "current_ratio",
    "cash_to_assets", "asset_growth", "revenue_growth",
)  # fmt: skip
EXTREME = 10.0
"""Ratios are cut at +- this: a company with almost no assets has no meaningful ratio to them."""


def ratios() -> dict[str, pl.Expr]:
    """The ratios by name, over columns :data:`NEEDED`; rows by symbol, then end of period. Null where not reported."""
    import polars as pl

    assets, revenues = _positive("assets"), _positive("revenues")
    income = pl.when(pl.col("period_focus") == "FY").then(1.0).otherwise(4.0)
    quarters = pl.col("period_focus").replace_strict({"Q1": 1.0, "Q2": 2.0, "Q3": 3.0, "FY": 4.0}, default=None)
    flow = pl.col("cash_flow_op") * 4.0 / quarters
    earned = pl.col("net_income") * income
    built = {
        "earnings_to_assets": earned / assets,
        "operating_margin": pl.col("op_income") / revenues,
        "cash_flow_to_assets": flow / assets,
        "accruals": (earned - flow) / assets,
        "equity_to_assets": pl.col("equity") / assets,
        "current_ratio": pl.col("cur_assets") / _positive("cur_liab"),
        "cash_to_assets": pl.col("cash") / assets,
        "asset_growth": _growth(assets),
        "revenue_growth": _growth(revenues),
    }
    return {name: ratio.clip(-EXTREME, EXTREME).alias(name) for name, ratio in built.items()}


def _positive(name: str) -> pl.Expr:
    import polars as pl

    return pl.when(pl.col(name) > 0).then(pl.col(name))


def _growth(value: pl.Expr) -> pl.Expr:
    """Log growth over the same period a year before; null unless that report is 300 to 430 days older and was known."""
    import polars as pl

    by = ("symbol", "period_focus")
    days = (pl.col("end_date") - pl.col("end_date").shift(1).over(by)).dt.total_days()
    known = pl.col("collected").shift(1).over(by) <= pl.col("collected")
    return pl.when(days.is_between(300, 430) & known).then((value / value.shift(1).over(by)).log())
