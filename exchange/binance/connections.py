"""WebSocket connections: market streams with their control messages, user streams of listen keys, the WebSocket API."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from exchange.binance.accounts import ApiKey
from exchange.binance.endpoints import RequestDesk
from exchange.binance.params import Params
from exchange.binance.streams import MOST_STREAMS, Streams
from exchange.binance.words import (
    SIGNED,
    BinanceError,
    Security,
    ServerCode,
    ms,
    to_microseconds,
    unsupported_operation,
)
from tercel.venues.binance_venue import SIGNATURE, ErrorCode, sorted_payload

_METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_SESSION: Final = ("returnRateLimits",)
Say = Callable[[str], None]


def encode_json(value: Any, micro: bool = False) -> str:
    """As it goes over the wire; `micro`: times in microseconds."""
    return json.dumps(to_microseconds(value) if micro else value, separators=(",", ":"))


class _ControlError(Exception):
    """A control message that makes no sense: its code and text."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.message = {"code": code, "msg": msg}


@dataclass(eq=False)
class StreamConnection:
    """A connection that listens to market streams, and to accounts by their listen keys.

    Parameters
    ----------
    streams : Streams
    say : callable
        Sends a text.
    combined : bool
        Whether a message names its stream.
    account_of : callable
        The account of a listen key, which is a stream's name too; "": it is none.
    micro : bool
        Whether times are in microseconds.
    """

    streams: Streams
    say: Say
    account_of: Callable[[str], str]
    combined: bool = False
    micro: bool = False
    accounts: dict[str, str] = field(default_factory=dict)
    """Whose events come here, by listen key."""
    names: list[str] = field(default_factory=list)

    def listen(self, names: list[str]) -> None:
        """Listen to streams; unknown names are accepted, and never send anything."""
        for name in names:
            if name and name not in self.names and len(self.names) < MOST_STREAMS:
                self.names.append(name)
                if account := self.account_of(name):
                    self.accounts[name] = account
                else:
                    self.streams.listen(name)

    def leave(self, names: list[str]) -> None:
        """Listen no longer."""
        for name in names:
            if name in self.names:
                self.names.remove(name)
                if not self.accounts.pop(name, ""):
                    self.streams.leave(name)

    def send_event(self, name: str, message: Any, text: str) -> None:
        """Send an event of a stream; `text` is it with times in milliseconds."""
        if name in self.names:
            self._say(name, encode_json(message, True) if self.micro else text)

    def send_account_event(self, account: str, event: dict[str, Any]) -> None:
        """An account's event."""
        for name, mine in self.accounts.items():
            if mine == account:
                self._say(name, encode_json(event, self.micro))

    def _say(self, name: str, text: str) -> None:
        self.say(f'{{"stream":{json.dumps(name)},"data":{text}}}' if self.combined else text)

    def handle_message(self, text: str) -> None:
        """A control message."""
        number: Any = None
        try:
            request = json.loads(text)
        except (ValueError, RecursionError):
            self.say(
                encode_json(
                    {"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}}
                )
            )
            return
        try:
            if not isinstance(request, dict) or "method" not in request:
                raise _ControlError(2, "Invalid request: missing field `method` at line 1 column 1")
            number = self._number(request)
            answer: dict[str, Any] = {"result": self._execute(request), "id": number}
        except _ControlError as error:
            answer = {"error": error.message} | ({} if number is None else {"id": number})
        self.say(encode_json(answer))

    @staticmethod
    def _number(request: dict[str, Any]) -> Any:
        number = request.get("id")
        is_integer = (
            isinstance(number, int) and not isinstance(number, bool) and abs(number) < 2**63
        )
        is_text = (
            isinstance(number, str) and number.replace("-", "").isalnum() and len(number) <= 36
        )  # UUIDs are sent too
        if number is not None and not is_integer and not is_text:
            raise _ControlError(2, "Invalid request: request ID must be an unsigned integer")
        return number

    def _execute(self, request: dict[str, Any]) -> Any:
        method = request["method"]
        params = request.get("params", [])
        if method not in _METHODS:
            known = ", ".join(f"`{name}`" for name in _METHODS)
            raise _ControlError(
                2, f"Invalid request: unknown variant `{method}`, expected one of {known}"
            )
        if not isinstance(params, list):
            raise _ControlError(2, "Invalid request: property name must be a string")
        if method == "LIST_SUBSCRIPTIONS":
            return list(self.names)
        if method.endswith("SUBSCRIBE"):
            if not params or not all(isinstance(param, str) for param in params):
                raise _ControlError(2, "Invalid request: property name must be a string")
            (self.listen if method == "SUBSCRIBE" else self.leave)(params)
            return None
        if not params or params[0] != "combined":
            raise _ControlError(0, "Unknown property")
        if method == "GET_PROPERTY":
            return self.combined
        if len(params) != 2 or not isinstance(params[1], bool):
            raise _ControlError(1, "Invalid value type: expected Boolean")
        self.combined = params[1]
        return None

    def close(self) -> None:
        """It is gone."""
        self.leave(list(self.names))


@dataclass(eq=False)
class ApiConnection:
    """A connection of the WebSocket API.

    Parameters
    ----------
    desk : RequestDesk
    say : callable
        Sends a text.
    address : str
        Whose weight is used.
    shows_limits : bool
        Whether answers have `rateLimits` unless they are asked not to.
    micro : bool
        Whether times are in microseconds.
    """

    desk: RequestDesk
    say: Say
    address: str
    shows_limits: bool = True
    micro: bool = False
    key: ApiKey | None = None
    since: int | None = None
    connected: int = 0
    subscriptions: dict[int, str] = field(default_factory=dict)
    """Account by subscription."""
    session_subscription: int | None = None
    """The subscription of the session's own key."""
    _count: int = 0

    def send_account_event(self, account: str, event: dict[str, Any]) -> None:
        """An account's event."""
        for number, name in self.subscriptions.items():
            if name == account:
                self._say({"subscriptionId": number, "event": event})

    def handle_request(self, text: str) -> None:
        """A request, and its answer."""
        number: Any = None
        account = ""
        limits = self.shows_limits
        try:
            request = json.loads(text)
        except (ValueError, RecursionError):
            request = None
        try:
            if not isinstance(request, dict) or not isinstance(request.get("params", {}), dict):
                raise BinanceError(ServerCode.INVALID_JSON, "Invalid JSON Request")
            number = request.get("id")
            values = dict(request.get("params") or {})
            if isinstance(values.get("returnRateLimits"), bool):
                limits = values["returnRateLimits"]
            method = str(request.get("method", "")).removeprefix("v3/")
            account, result = self._answer(method, values)
            answer = {"id": number, "status": 200, "result": result}
        except BinanceError as error:
            body = error.body
            if error.retry_ms:
                now = ms(self.desk.engine.now_ns)
                body["data"] = {"serverTime": now, "retryAfter": error.retry_ms}
            answer = {"id": number, "status": error.status, "error": body}
            account = account or (self.key.account if self.key else "")
        if limits:
            answer["rateLimits"] = self.desk.usage.rows(self.address, account)
        self._say(answer)

    def _say(self, message: dict[str, Any]) -> None:
        self.say(encode_json(message, self.micro))

    def _answer(self, method: str, values: dict[str, Any]) -> tuple[str, Any]:
        """The account that a request is of, and the answer."""
        params = Params(values)
        handler = _SESSION_HANDLERS.get(method)
        if handler is not None:
            self.desk.usage.ask(self.address, 2)
            return (self.key.account if self.key else ""), handler(self, params)
        if (endpoint := self.desk.by_call.get(method)) is None:
            raise unsupported_operation()
        self.desk.usage.ask(self.address, self.desk.weight(endpoint, values))
        key = None if endpoint.security is Security.NONE else self._authenticate(params)
        result = self.desk.answer(
            endpoint,
            params,
            key,
            _SESSION if endpoint.security in SIGNED else (*_SESSION, "apiKey"),
        )
        return (key.account if key else ""), result

    def _authenticate(self, params: Params) -> ApiKey:
        """The key of a request, checked; a session that logged on needs no signature."""
        if "apiKey" not in params and self.key is not None:
            self.desk.check_timestamp(params)
            return self.key
        key = self.desk.key(params.require("apiKey"))
        self.desk.check_signature(key, params, sorted_payload(params.values))
        return key

    # -- the session --------------------------------------------------------------------------------------------------

    def _status(self, _params: Params | None = None) -> dict[str, Any]:
        return {
            "apiKey": self.key.name if self.key else None,
            "authorizedSince": self.since,
            "connectedSince": self.connected,
            "returnRateLimits": self.shows_limits,
            "serverTime": ms(self.desk.engine.now_ns),
            "userDataStream": bool(self.subscriptions),
        }

    def _logon(self, params: Params) -> dict[str, Any]:
        params.allow(("apiKey", "recvWindow", SIGNATURE, "timestamp", *_SESSION))
        key = self.desk.key(params.require("apiKey"))
        self.desk.check_signature(key, params, sorted_payload(params.values))
        if key.secret:  # "Only Ed25519 keys are supported for this feature."
            raise unsupported_operation()
        self.key, self.since = key, ms(self.desk.engine.now_ns)
        return self._status()

    def _logout(self, _params: Params) -> dict[str, Any]:
        if self.session_subscription is not None:
            self._end(self.session_subscription)
        self.key = self.since = None
        return self._status()

    def _subscribe(self, _params: Params) -> dict[str, Any]:
        if self.key is None:
            raise BinanceError(
                ErrorCode.UNAUTHORIZED, "You are not authorized to execute this request.", 401
            )
        self.session_subscription = self._add(self.key.account)
        return {"subscriptionId": self.session_subscription}

    def _subscribe_signed(self, params: Params) -> dict[str, Any]:
        params.allow(("apiKey", "recvWindow", SIGNATURE, "timestamp", *_SESSION))
        key = self.desk.key(params.require("apiKey"))
        self.desk.check_signature(key, params, sorted_payload(params.values))
        return {"subscriptionId": self._add(key.account)}

    def _add(self, account: str) -> int:
        if account in self.subscriptions.values():
            raise BinanceError(
                ErrorCode.SUBSCRIPTION_ACTIVE, "User Data Stream subscription already active."
            )
        number = self._count
        self._count = self._count + 1
        self.subscriptions[number] = account
        return number

    def _unsubscribe(self, params: Params) -> dict[str, Any]:
        number = params.whole_number("subscriptionId")
        if not self.subscriptions or (number is not None and number not in self.subscriptions):
            raise BinanceError(
                ServerCode.SUBSCRIPTION_INACTIVE, "User Data Stream subscription not active."
            )
        for subscription in list(self.subscriptions) if number is None else [number]:
            self._end(subscription)
        return {}

    def _end(self, number: int) -> None:
        if self.subscriptions.pop(number, None) is not None:
            event = {"e": "eventStreamTerminated", "E": ms(self.desk.engine.now_ns)}
            self._say({"subscriptionId": number, "event": event})
        if number == self.session_subscription:
            self.session_subscription = None

    def _list(self, _params: Params) -> list[dict[str, int]]:
        return [{"subscriptionId": subscription} for subscription in self.subscriptions]


_SESSION_HANDLERS: Final[dict[str, Callable[[ApiConnection, Params], Any]]] = {
    "session.logon": ApiConnection._logon,
    "session.status": ApiConnection._status,
    "session.logout": ApiConnection._logout,
    "session.subscriptions": ApiConnection._list,
    "userDataStream.subscribe": ApiConnection._subscribe,
    "userDataStream.subscribe.signature": ApiConnection._subscribe_signed,
    "userDataStream.unsubscribe": ApiConnection._unsubscribe,
}
