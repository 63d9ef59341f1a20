"""`tercel market score --impact` measures the impact card beside the score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from tercel.cli import OWN, ScoreRequest, score as own_score
from tercel.core import ConfigError

if TYPE_CHECKING:
    from tercel.core.report import Figure
    from tercel.market import CardRow, Day
    from tercel.market.flow import Preset


@dataclass(frozen=True)
class ScoreWithImpact(ScoreRequest):
    """What is asked of `tercel market score`, with the impact card beside it."""

    body: ClassVar[str] = "studies.commands.market_score:score"

    impact: Annotated[
        bool, typer.Option("--impact", help="Measure the impact card too (minutes).")
    ] = False

    def impact_card(self, preset: "Preset") -> dict[str, Any] | None:
        """Impact card of the preset where it is asked for."""
        if not self.impact:
            return None
        from studies.impact.card import impact_card

        return impact_card(preset)

    def fill_rows(
        self, preset: "Preset", test: "Sequence[Day]", train: "Sequence[Day]"
    ) -> "Sequence[CardRow]":
        """Rows of fills on days held out and on simulated ones; none where no queue can be read."""
        from studies.fills.fill_comparison import measured_rows

        return measured_rows(preset, test, train)

    def impact_figures(self, measured: dict[str, Any]) -> "list[Figure]":
        """Figures of an impact card."""
        from studies.impact.card import LENGTH_S
        from studies.impact.impact_figures import (
            decay_and_response,
            impact_by_size,
            metaorder_paths,
        )

        return [
            metaorder_paths(measured["path"], LENGTH_S),
            impact_by_size(measured["sizes"], measured["lengths"]),
            decay_and_response(measured["decay"], measured["response"]),
        ]


def score(request: ScoreWithImpact) -> None:
    """Score a market, with its impact card where it is asked for."""
    if request.impact and (request.by != OWN or request.lake is None):
        raise ConfigError(
            "--impact with days of a lake, scored by tercel",
            f"--by {request.by}" if request.by != OWN else "--impact without --lake",
            "leave --impact out; `tercel market impact` measures the card alone",
        )
    own_score(request)
