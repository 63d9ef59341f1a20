"""Study of a panel (`DealerStudy`): hit ratio and cost by number of dealers, and a fitted law; text, JSON, HTML page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tercel.core.estimate import Estimate
from tercel.core.report import palette
from tercel.core.report.formatting import format_interval
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import PAGE, Figure, finish_figure, sketch
from tercel.core.report.tables import plain_table
from tercel.market.dealers.curves import RESERVATION_SHARE, ByDealers, by_dealers, hit_formula
from tercel.market.dealers.dealer_fit import DealerFit, fit
from tercel.market.dealers.history import RequestHistory, simulate_history
from tercel.market.dealers.panel import DealerPanel


@dataclass(frozen=True)
class DealerStudy:
    """Requests to a panel for each number of dealers, and the law fitted to a history."""

    panel: DealerPanel
    size: float
    rows: tuple[ByDealers, ...]
    fit: DealerFit

    @property
    def formula(self) -> list[float | None]:
        """Hit ratios by the fitted law for 1, 2, ... dealers; None where no reservation was fitted."""
        return [hit_formula(self.fit, row.dealers) for row in self.rows]

    @property
    def cheapest(self) -> int:
        """Number of dealers at which the mean cost is lowest."""
        return min(self.rows, key=lambda row: row.cost.mean).dealers

    def to_json(self) -> dict[str, Any]:
        """Hit ratios, fit and leakage curve by their keys, never rounded; `fit` is the `DealerFit` itself."""
        hits = [
            {
                "dealers": row.dealers,
                "ratio": row.hit.mean,
                "ci_low": row.hit.ci_low,
                "ci_high": row.hit.ci_high,
                "formula": formula,
            }
            for row, formula in zip(self.rows, self.formula, strict=True)
        ]
        leakage = [
            {
                "dealers": row.dealers,
                "cost_bps": row.cost.mean,
                "ci_low": row.cost.ci_low,
                "ci_high": row.cost.ci_high,
            }
            for row in self.rows
        ]
        about = {"panel": self.panel.name, "source": self.panel.source, "unit": self.panel.unit}
        return {**about, "size": self.size, "hit_ratio": hits, "fit": self.fit, "leakage": leakage}

    def sentences(self) -> list[str]:
        """At most five sentences of results, for a terminal and a page."""
        low = self.rows[self.cheapest - 1].cost
        lines = [
            f"A request for {self.size:g} {self.panel.unit} costs least, {low.mean:.3f} bps, with {self.cheapest} of "
            f"{len(self.panel)} dealers asked.",
            f"Quotes: half spread {format_interval(self.fit.half_spread, digits=3)} bps, "
            f"dispersion {format_interval(self.fit.dispersion, digits=3)} bps.",
        ]
        if self.fit.reservation is not None:
            lines.append(
                f"The client trades within {format_interval(self.fit.reservation, digits=3)} bps of mid."
            )
        return [*lines, *self.fit.notes, f"Numbers of the panel: {self.panel.source}."][:5]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows of the table by number of dealers."""
        headings = ["dealers asked", "hit ratio", "by the fit", "cost, bps"]
        return headings, [
            [
                str(row.dealers),
                format_interval(row.hit, digits=3),
                "" if formula is None else f"{formula:.3f}",
                format_interval(row.cost, digits=3),
            ]
            for row, formula in zip(self.rows, self.formula, strict=True)
        ]

    def page(self) -> str:
        """The study as an HTML page in one file."""
        headings, rows = self.table()
        return render_page(
            f"Dealers: {self.panel.name}",
            " ".join(self.sentences()),
            [
                Section(
                    "By the number of dealers",
                    html=plain_table(headings, rows),
                    figures=[_curves(self)],
                )
            ],
        )


def study(
    panel: DealerPanel,
    requests: int,
    seed: int,
    size: float | None = None,
    history: RequestHistory | None = None,
) -> DealerStudy:
    """Simulated requests for each number of dealers, and a fit to a history, or to one simulated from the panel.

    The client of the simulated history asks three dealers, and trades within what the book costs.
    """
    rows = tuple(by_dealers(panel, requests, seed, size))
    if history is None:
        limit = panel.book_bps, RESERVATION_SHARE * panel.book_bps
        history = simulate_history(panel, requests, seed, min(3, len(panel)), limit)
    return DealerStudy(panel, panel.large if size is None else size, rows, fit(history))


def _curves(results: DealerStudy) -> Figure:
    """Hit ratio and cost by the number of dealers, with 95 % intervals."""
    x = [row.dealers for row in results.rows]

    def draw(axis: Any, estimates: Sequence[Estimate], label: str) -> None:
        """Draw estimates with error bars against the number of dealers, on one axis."""
        means = [estimate.mean for estimate in estimates]
        axis.fill_between(
            x,
            [estimate.ci_low for estimate in estimates],
            [estimate.ci_high for estimate in estimates],
            color=palette.SERIES[1].token,
            alpha=0.22,
            linewidth=0,
        )
        axis.plot(x, means, "o-", color=palette.SERIES[1].token, markersize=3, label="simulated")
        axis.set_xlabel("dealers asked")
        axis.set_ylabel(label)

    with sketch(2.6, PAGE) as drawing:
        left, right = drawing.subplots(1, 2)
        draw(left, [row.hit for row in results.rows], "hit ratio of an answer")
        if results.fit.reservation is not None:
            left.plot(x, results.formula, "--", color=palette.INK.token, label="fitted law")
        left.legend(frameon=False)
        draw(right, [row.cost for row in results.rows], "cost, bps")
    low = results.rows[results.cheapest - 1].cost.mean
    return finish_figure(
        drawing,
        "dealers",
        f"Hit ratio and cost by dealers asked; cost is lowest, {low:.3f} bps, at {results.cheapest}.",
        "Left: more dealers share the trades. Right: more quotes are better until what losers do costs more.",
    )
