"""Guard behind a decoder: where an order is too far behind its schedule, it takes lots to catch up."""

from collections.abc import Callable
from dataclasses import dataclass

from tercel.core.arrays import AnyArray
from tercel.core.errors import ConfigError, refuse_if
from tercel.execution.decoder_kernels import catch_up_rows
from tercel.execution.intent import Intents
from tercel.execution.view import View


# A guard outside the network: an order that falls too far behind its schedule is brought back by taking.
# The order is behind by the share of it that is left less the share of its decisions that is left. Beyond `late` the
# guard takes the lots that bring it back to `resume`, at most those displayed at the far touch. Between the two it does
# nothing, so that it does not chatter at one threshold. Both narrow towards the end with the square root of the time that
# is left, so that little is left to the horizon. It has no memory: a guarded policy is a function of the view like any
# other.
@dataclass(frozen=True)
class CatchUp:
    """Guard: how far behind schedule an order may fall, and how far taking brings it back, as shares of the order.

    Parameters
    ----------
    late : float
        Behind by more than this, it takes.
    resume : float
        Arrears to which it brings the order back.

    Raises
    ------
    ConfigError
        Anything but 0 <= resume <= late <= 1.

    >>> from tercel.execution.intent import TAKE
    >>> from tercel.execution.strategy import ladder
    >>> from tercel.execution.probe_views import view_of
    >>> view = view_of(qty0=100, left=[70, 80], decision=30, decisions=60, far1=500)
    >>> CatchUp(0.3, 0.1).apply(ladder(view), view)[:, TAKE].tolist()
    [0, 22]
    """

    late: float
    resume: float

    def __post_init__(self) -> None:
        refuse_if(
            not 0.0 <= self.resume <= self.late <= 1.0,
            "a guard of 0 <= resume <= late <= 1",
            f"late {self.late}, resume {self.resume}",
            "such as [0.2, 0.1]",
        )

    def apply(self, intents: Intents, view: View) -> Intents:
        """Increase takes in place, and return the intents, int32 (n, 10), where an order is behind by more than `late`
        times the root of its share of time left."""
        catch_up_rows(view.x, view.m, self.late, self.resume, intents)
        return intents


def add_guard(
    decode: Callable[[AnyArray, View], Intents], thresholds: tuple[float, float]
) -> Callable[[AnyArray, View], Intents]:
    """A decoder with a :class:`CatchUp` guard of (late, resume) behind it; ConfigError unless 0 <= resume <= late <= 1.

    Raises
    ------
    ConfigError
        Thresholds that are no pair of shares, the first not below the second.
    """
    try:
        late, resume = (float(value) for value in thresholds)
    except (TypeError, ValueError):
        raise ConfigError(
            "a guard of two shares, [late, resume]", f"{thresholds!r}", "such as [0.2, 0.1]"
        ) from None
    catch_up = CatchUp(late, resume)
    return lambda actions, view: catch_up.apply(decode(actions, view), view)
