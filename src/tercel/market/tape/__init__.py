"""The tape: one canonical, integer event stream, in memory (:class:`Events`) and on disk (:class:`Lake`)."""

from tercel.market.tape.events import Events
from tercel.market.tape.instrument import Instrument
from tercel.market.tape.lake import Lake
from tercel.market.tape.validate import validate

__all__ = ["Events", "Instrument", "Lake", "validate"]
