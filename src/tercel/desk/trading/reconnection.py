"""Reconnection of a session to a venue whose link is down, until it is up or too much time has passed."""

import time
from typing import Final

from tercel.core.errors import VenueError
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.risk.trading_state import StateReason

OUTAGE_S: Final = 60.0
"""Longest time, s, for which a session tries to reach its venue again."""


class Reconnection:
    """Reconnects a gateway's venue in every step while its link is down.

    Parameters
    ----------
    gateway : OrderGateway
    """

    def __init__(self, gateway: OrderGateway) -> None:
        self._gateway = gateway
        self._since_s = 0.0

    @property
    def is_link_down(self) -> bool:
        """Whether the link to the venue is down."""
        return self._gateway.states.text_of(StateReason.LINK_DOWN) is not None

    @property
    def has_failed(self) -> bool:
        """Whether an attempt to reconnect has failed, and none has succeeded since."""
        return self._since_s > 0

    def reconnect(self) -> bool:
        """Try once to reconnect, if the link is down and the venue has a way to; False if that failed, else True.

        Raises
        ------
        VenueError
            No answer for `OUTAGE_S`.
        """
        gateway = self._gateway
        link = gateway.venue.capabilities.reconnects if self.is_link_down else None
        if link is None or link.up:
            self._since_s = 0.0
            return True
        now_s = time.monotonic()
        self._since_s = self._since_s or now_s
        with gateway.lock:
            try:
                link.reconnect()
            except VenueError:
                if now_s - self._since_s > OUTAGE_S:
                    raise
                return False
        return True
