"""`tercel data export itch`: a day of a lake as a file of the exchange's own format."""

from certify.commands import ExportItch
from certify.feeds.itch_write import as_itch
from tercel.core.report.terminal import hand_over, say
from tercel.market.tape import Lake


def itch(request: ExportItch) -> None:
    """Write the day."""
    file = as_itch(request.out, *Lake(request.lake).read(request.symbol, request.date, request.venue or None))
    found = {"symbol": request.symbol, "date": request.date, "file": file}
    hand_over(found, request.as_json, lambda: say(f"written  {file}"))
