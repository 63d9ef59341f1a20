"""Ratios of a company's reports, as Polars expressions: sizes and signs that can be compared between companies.

Income of a 10-Q is a quarter's and that of a 10-K a year's; cash flows run from the start of the fiscal year. Both are
put on a yearly scale before they are divided by assets. Growth compares with the same period of the year before, as it
was reported then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

SIZES = (
    "revenues",
    "op_income",
    "net_income",
    "assets",
    "cur_assets",
    "cur_liab",
    "cash",
    "equity",
    "cash_flow_op",
)
NEEDED = ("symbol", "end_date", "period_focus", *SIZES, "collected")
RATIOS = (
    "earnings_to_assets",
    "operating_margin",
    "cash_flow_to_assets",
    "accruals",
    "equity_to_assets",
    "current_ratio",
    "cash_to_assets",
    "asset_growth",
    "revenue_growth",
)
EXTREME = 10.0
"""Ratios are cut at +- this: a company with almost no assets has no meaningful ratio to them."""


def ratios() -> dict[str, pl.Expr]:
    """The ratios by name, over :data:`NEEDED` and columns of :func:`with_year_before`; null where not reported."""
    import polars as pl

    assets, revenues = _positive("assets"), _positive("revenues")
    income = pl.when(pl.col("period_focus") == "FY").then(1.0).otherwise(4.0)
    quarters = pl.col("period_focus").replace_strict(
        {"Q1": 1.0, "Q2": 2.0, "Q3": 3.0, "FY": 4.0}, default=None
    )
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
        "asset_growth": (assets / _positive("assets_before")).log(),
        "revenue_growth": (revenues / _positive("revenues_before")).log(),
    }
    return {name: ratio.clip(-EXTREME, EXTREME).alias(name) for name, ratio in built.items()}


def _positive(name: str) -> pl.Expr:
    import polars as pl

    return pl.when(pl.col(name) > 0).then(pl.col(name))


def with_year_before(reports: pl.DataFrame) -> pl.DataFrame:
    """Reports with `assets_before` and `revenues_before`: of the same period 300 to 430 days earlier, in the newest
    version that was collected by the report's own day; null where none was.
    """
    import polars as pl

    by, times, row = (
        ["symbol", "period_focus"],
        ["end_date", "collected"],
        pl.int_range(pl.len()).alias("_row"),
    )
    mine = reports.with_columns(row)
    pairs = mine.select("_row", *by, *times).join(
        reports.select(*by, *times, "assets", "revenues"), on=by
    )
    days = (pl.col("end_date") - pl.col("end_date_right")).dt.total_days()
    known = pairs.filter(
        days.is_between(300, 430), pl.col("collected_right") <= pl.col("collected")
    )
    last = (
        known.sort("end_date_right", "collected_right", maintain_order=True).group_by("_row").last()
    )
    before = last.select("_row", assets_before="assets", revenues_before="revenues")
    return mine.join(before, on="_row", how="left", maintain_order="left").drop("_row")
