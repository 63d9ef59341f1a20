"""Hit ratios and cost of requests to a panel by the number of dealers, and the law fitted to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tercel.core.estimate import Estimate
from tercel.core.report import svg
from tercel.core.report.svg import PAGE, Figure, Section, finished, render, sketch
from tercel.core.report.tables import plain_table
from tercel.market.dealers.curves import RESERVED, ByDealers, by_dealers, hit_formula
from tercel.market.dealers.history import DealerFit, RequestHistory, fit, simulated
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
        """Hit ratios of the fitted law for 1, 2, ... dealers."""
        return [hit_formula(self.fit, row.dealers) for row in self.rows]

    @property
    def cheapest(self) -> int:
        """Number of dealers at which the mean cost is lowest."""
        return min(self.rows, key=lambda row: row.cost.mean).dealers

    def to_json(self) -> dict[str, Any]:
        """Hit ratios, fit and leakage curve by their keys, never rounded."""
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
        """At most five, for a terminal and a page."""
        low = self.rows[self.cheapest - 1].cost
        said = [
            f"A request for {self.size:g} {self.panel.unit} costs least, {low.mean:.3f} bps, with {self.cheapest} of "
            f"{len(self.panel)} dealers asked.",
            f"Quotes: half spread {_interval(self.fit.half_spread)} bps, dispersion {_interval(self.fit.dispersion)} bps.",
        ]
        if self.fit.reservation is not None:
            said.append(f"The client trades within {_interval(self.fit.reservation)} bps of mid.")
        return [*said, *self.fit.notes, f"Numbers of the panel: {self.panel.source}."][:5]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows."""
        headings = ["dealers asked", "hit ratio", "by the fit", "cost, bps"]
        return headings, [
            [
                str(row.dealers),
                _interval(row.hit),
                "" if formula is None else f"{formula:.3f}",
                _interval(row.cost),
            ]
            for row, formula in zip(self.rows, self.formula, strict=True)
        ]

    def page(self) -> str:
        """A report of one file."""
        headings, rows = self.table()
        return render(
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


def _interval(one: Estimate) -> str:
    if one.ci_low is None or one.ci_high is None:
        return f"{one.mean:.3f}"
    return f"{one.mean:.3f} [{one.ci_low:.3f}, {one.ci_high:.3f}]"


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
        limit = panel.book_bps, RESERVED * panel.book_bps
        history = simulated(panel, requests, seed, min(3, len(panel)), limit)
    return DealerStudy(panel, panel.large if size is None else size, rows, fit(history))


def _curves(found: DealerStudy) -> Figure:
    """Hit ratio and cost by the number of dealers, with 95 % intervals."""
    x = [row.dealers for row in found.rows]

    def draw(axis: Any, estimates: Sequence[Estimate], label: str) -> None:
        means = [one.mean for one in estimates]
        axis.fill_between(
            x,
            [one.ci_low for one in estimates],
            [one.ci_high for one in estimates],
            color=svg.SERIES[1].token,
            alpha=0.22,
            linewidth=0,
        )
        axis.plot(x, means, "o-", color=svg.SERIES[1].token, markersize=3, label="simulated")
        axis.set_xlabel("dealers asked")
        axis.set_ylabel(label)

    with sketch(2.6, PAGE) as drawing:
        left, right = drawing.subplots(1, 2)
        draw(left, [row.hit for row in found.rows], "hit ratio of an answer")
        if found.fit.reservation is not None:
            left.plot(x, found.formula, "--", color=svg.INK.token, label="fitted law")
        left.legend(frameon=False)
        draw(right, [row.cost for row in found.rows], "cost, bps")
    low = found.rows[found.cheapest - 1].cost.mean
    return finished(
        drawing,
        "dealers",
        f"Hit ratio and cost by dealers asked; cost is lowest, {low:.3f} bps, at {found.cheapest}.",
        "Left: more dealers share the trades. Right: more quotes are better until what losers do costs more.",
    )
