"""`tercel market calibrate` measures fills on the days that judge the market."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tercel.cli import Calibrate, calibrate as own_calibrate

if TYPE_CHECKING:
    from tercel.market import CardRow, Day
    from tercel.market.flow import Preset


@dataclass(frozen=True)
class CalibrateWithFills(Calibrate):
    """What is asked of `tercel market calibrate`, with rows of fills on its card."""

    body: ClassVar[str] = "studies.commands.market_calibrate:calibrate"

    def fill_rows(
        self, preset: "Preset", test: "Sequence[Day]", train: "Sequence[Day]"
    ) -> "Sequence[CardRow]":
        """Rows of fills on days held out and on simulated ones; none where no queue can be read."""
        from studies.fills.fill_comparison import measured_rows

        return measured_rows(preset, test, train)


def calibrate(request: CalibrateWithFills) -> None:
    """Calibrate a market, and measure its fills too."""
    own_calibrate(request)
