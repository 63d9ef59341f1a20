"""An exchange of ccxt, and what is known of it: features, names of symbols, errors as Binance has them."""

from collections.abc import Callable
from typing import Any

from tercel.feeds.ccxt_messages import error_answer
from tercel.venues.binance_venue.rest import seconds_of
from tercel.venues.ccxt_venue.terms import CONFORMANT


class CcxtExchange:
    """An exchange of ccxt.

    Parameters
    ----------
    pro : ccxt.pro.Exchange
    clean : callable
        Takes secrets out of a text.
    now_ms : callable
    """

    def __init__(self, pro: Any, clean: Callable[[str], str], now_ms: Callable[[], int]) -> None:
        """Set up for an exchange; a conformant one's requests are stamped by `now_ms`."""
        self.pro = pro
        self._clean = clean
        self.now_ms = now_ms
        self.is_conformant = pro.id in CONFORMANT
        if self.is_conformant:
            pro.nonce = now_ms  # stamps of requests, by the exchange's clock
        self.by_name = self.is_conformant or self.has("fetchOrderWithClientOrderId")
        """Whether an order can be queried by the own name."""
        self.unified: dict[str, str] = {}
        """ccxt's name of a symbol by the exchange's."""

    def has(self, method: str) -> bool:
        """Whether the exchange itself offers a method of ccxt's."""
        return self.pro.has.get(method) is True

    def refusal(self, method: str, error: Exception) -> dict[str, Any]:
        """An error of ccxt as Binance's error answer, without secrets."""
        wait_s = seconds_of(str((self.pro.last_response_headers or {}).get("Retry-After", "")))
        return error_answer(
            method, error, self._clean(str(error)), self.is_conformant, wait_s, self.now_ms()
        )

    def error_text(self, error: Exception) -> str:
        """Text of an error, without secrets."""
        return str(self.refusal("", error)["error"]["msg"])
