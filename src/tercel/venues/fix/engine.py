"""QuickFIX as the engine of both sides: its settings, its dictionary with our tags in it, its callbacks.

The engine owns sequence numbers, stores, heartbeats, resends and the checks of FIX 4.4; everything else here is text.
It is loaded when a session is made, for it is an extra.
"""

import signal
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

from tercel.core.errors import ConfigError, VenueError
from tercel.venues.fix import tags as t
from tercel.venues.fix.translate import Fields

BEGIN: Final = "FIX.4.4"
DICTIONARY: Final = "FIX44-tercel.xml"
"""Name of the dictionary that is written into a store."""

_OWN_FIELDS: Final = {
    "ExactNs": t.EXACT_NS,
    "RowKind": t.ROW_KIND,
    "AggressorID": t.AGGRESSOR,
    "ListedTick": t.TICK,
    "ListedLot": t.LOT,
    "VolumePerSecond": t.VOLUME_PER_S,
    "DenseIds": t.DENSE_IDS,
    "BeganNs": t.BEGAN_NS,
    "Answers": t.ANSWERS,
    "BookWidth": t.BOOK_WIDTH,
    "FeedLevels": t.FEED_LEVELS,
    "VenueFees": t.VENUE_FEES,
    "UntilNs": t.UNTIL_NS,
    "StepID": t.STEP_ID,
    "WaitOnly": t.WAIT_ONLY,
}
"""Fields that the dictionary must know: those of groups, which end at an unknown tag, and of own messages."""
_ENTRY_FIELDS: Final = ("ExactNs", "RowKind", "AggressorID")
_LISTED_FIELDS: Final = (
    *("ListedTick", "ListedLot", "VolumePerSecond", "DenseIds", "BeganNs", "Answers"),
    *("VenueFees", "BookWidth", "FeedLevels"),
)
_OWN_MESSAGES: Final = {
    t.STEP: ("StepUntil", (("UntilNs", "Y"), ("StepID", "Y"), ("WaitOnly", "N"))),
    t.STEPPED_TO: ("SteppedTo", (("ExactNs", "Y"), ("StepID", "Y"))),
}


def quickfix() -> Any:
    """The QuickFIX package. It takes Ctrl-C for itself as it is loaded; whoever handled it before handles it again.

    Raises
    ------
    ConfigError
        When it is not installed.
    """
    if (found := sys.modules.get("quickfix")) is not None:
        return found
    handler = signal.getsignal(signal.SIGINT)
    try:
        found = import_module("quickfix")
    except ImportError:
        raise ConfigError("the extra [fix]", "no module quickfix", "pip install 'tercel[fix]'") from None
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)
    return found


def _shipped_dictionary() -> Path:
    """FIX44.xml as the package ships it."""
    listed = metadata.files("quickfix") or []
    for path in listed:
        if path.name == "FIX44.xml":
            found = Path(str(path.locate())).resolve()
            if found.is_file():
                return found
    raise ConfigError(
        "the dictionary FIX44.xml of the package quickfix", "none among its files", "install quickfix anew with pip"
    )


def write_dictionary(folder: Path) -> Path:
    """Write FIX 4.4's dictionary with our messages and fields in it into a folder; its path."""
    tree = ET.parse(_shipped_dictionary())
    root = tree.getroot()
    fields, messages, components = (root.find(name) for name in ("fields", "messages", "components"))
    if fields is None or messages is None or components is None:
        raise ConfigError("a FIX 4.4 dictionary", str(_shipped_dictionary()), "install quickfix anew with pip")
    for name, tag in _OWN_FIELDS.items():
        ET.SubElement(fields, "field", {"number": str(tag), "name": name, "type": "STRING"})
    types = next(field for field in fields if field.get("name") == "MsgType")
    for kind, (name, members) in _OWN_MESSAGES.items():
        ET.SubElement(types, "value", {"enum": kind, "description": name.upper()})
        message = ET.SubElement(messages, "message", {"name": name, "msgtype": kind, "msgcat": "app"})
        for member, required in members:
            ET.SubElement(message, "field", {"name": member, "required": required})
    for group in components.iter("group"):
        added = {"NoMDEntries": _ENTRY_FIELDS, "NoRelatedSym": _LISTED_FIELDS}.get(group.get("name", ""), ())
        for name in added:
            ET.SubElement(group, "field", {"name": name, "required": "N"})
    path = folder / DICTIONARY
    tree.write(path)
    return path


@dataclass(frozen=True)
class SessionKey:
    """The two names of a session, ours first."""

    sender: str
    target: str

    def engine_id(self) -> Any:
        """The engine's name for it."""
        return quickfix().SessionID(BEGIN, self.sender, self.target)


def comp_id(name: str) -> str:
    """A name that can stand in a settings file and in a header.

    Raises
    ------
    ConfigError
        When it cannot.
    """
    if not name or not name.isascii() or not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise ConfigError("a CompID of letters, digits, '-', '_' and '.'", repr(name), "choose another name")
    return name


def settings(kind: str, common: Mapping[str, object], sessions: Sequence[SessionKey], folder: Path) -> Any:
    """Engine settings of an `acceptor` or `initiator` with its store in a folder."""
    lines = ["[DEFAULT]", f"ConnectionType={kind}", *(f"{key}={value}" for key, value in _COMMON.items())]
    lines += [f"FileStorePath={folder}", f"DataDictionary={write_dictionary(folder)}"]
    lines += [f"{key}={value}" for key, value in common.items()]
    for session in sessions:
        lines += ["[SESSION]", f"BeginString={BEGIN}"]
        lines += [f"SenderCompID={comp_id(session.sender)}", f"TargetCompID={comp_id(session.target)}"]
        if quickfix().Session.doesSessionExist(session.engine_id()):
            names = f"another session from {session.sender} to {session.target}"
            raise VenueError("names that no session of this process has", names, "close it, or choose other CompIDs")
    made = quickfix().SessionSettings()
    made.setFromString("\n".join(lines) + "\n")
    return made


_COMMON: Final = MappingProxyType(
    {
        "StartTime": "00:00:00",
        "EndTime": "00:00:00",
        "NonStopSession": "Y",
        "SocketNodelay": "Y",
        "SocketReuseAddress": "Y",
        "ReconnectInterval": 1,
        "UseDataDictionary": "Y",
        "ValidateUserDefinedFields": "N",
        "TimestampPrecision": 6,
        "PersistMessages": "Y",
    }
)


class Hooks(Protocol):
    """The callbacks of the engine. It calls from its own threads and waits: they must be quick, and never block."""

    def link_up(self, peer: str) -> None:
        """A session with this counterparty is logged on."""

    def link_down(self, peer: str) -> None:
        """It is not any more, or an attempt failed."""

    def admin_out(self, message: Any, peer: str) -> None:
        """A session message is about to leave."""

    def admin_in(self, message: Any, peer: str) -> None:
        """A session message came in."""

    def app_out(self, message: Any, peer: str) -> None:
        """An application message is about to leave, or to be repeated (PossDup)."""

    def app_in(self, message: Any, peer: str) -> None:
        """An application message came in, in sequence and well-formed."""


def _peer(session_id: Any) -> str:
    return str(session_id.getTargetCompID().getString())


def application(hooks: Hooks) -> Any:
    """The engine's application that calls `hooks`. The base class is known at run time alone, hence `type`."""

    def callback(method: Callable[[Any, str], None]) -> Callable[[Any, Any, Any], None]:
        return lambda _self, message, session_id: method(message, _peer(session_id))

    members = {
        "onCreate": lambda _self, _session_id: None,
        "onLogon": lambda _self, session_id: hooks.link_up(_peer(session_id)),
        "onLogout": lambda _self, session_id: hooks.link_down(_peer(session_id)),
        "toAdmin": callback(hooks.admin_out),
        "fromAdmin": callback(hooks.admin_in),
        "toApp": callback(hooks.app_out),
        "fromApp": callback(hooks.app_in),
    }
    return type("Application", (quickfix().Application,), members)()


def header(message: Any, tag: int) -> str:
    """A field of a message's header, or ""."""
    head = message.getHeader()
    return str(head.getField(tag)) if head.isSetField(tag) else ""


def field(message: Any, tag: int) -> str:
    """A field of a message's body, or ""."""
    return str(message.getField(tag)) if message.isSetField(tag) else ""


def read(message: Any, kind: str) -> dict[int, str]:
    """The fields of a message that are looked at (`tags.READ`)."""
    return {tag: message.getField(tag) for tag in t.READ.get(kind, ()) if message.isSetField(tag)}


def symbols(message: Any) -> list[str]:
    """The instruments that a market data request names."""
    fix, found = quickfix(), []
    for n in range(message.groupCount(t.NO_RELATED_SYM)):
        group = fix.Group(t.NO_RELATED_SYM, t.SYMBOL)
        message.getGroup(n + 1, group)
        found.append(str(group.getField(t.SYMBOL)))
    return found


def body(fields: Fields) -> str:
    """Fields as text."""
    return "".join(f"{tag}={value}\x01" for tag, value in fields)


def logon(sender: str, target: str, number: int) -> bytes:
    """A logon as it stands on the wire."""
    fix = quickfix()
    message = fix.Message()
    head = message.getHeader()
    names = (t.SENDER, sender), (t.TARGET, target)
    for tag, value in ((8, BEGIN), (t.MSG_TYPE, t.LOGON), *names, (t.SEQ_NUM, str(number))):
        head.setField(tag, value)
    head.setField(fix.SendingTime())
    for tag, value in ((98, "0"), (108, "30")):
        message.setField(tag, value)
    return bytes(message.toString(), "utf-8")


class Outlet:
    """The way out of one session. Text becomes a message of the engine, which numbers, stores and sends it."""

    def __init__(self, key: SessionKey, dictionary: Path) -> None:
        self._fix = quickfix()
        self._grammar = self._fix.DataDictionary(str(dictionary))
        self.session = self._fix.Session.lookupSession(key.engine_id())
        if self.session is None:
            raise VenueError("a session of the engine", f"none from {key.sender} to {key.target}", "report this")

    def send(self, kind: str, text: str) -> bool:
        """Send a message; False where the link is down (it is stored, and numbered, all the same)."""
        whole = f"8={BEGIN}\x019=0\x0135={kind}\x01{text}10=000\x01"
        return bool(self.session.send(self._fix.Message(whole, self._grammar, False)))

    def log_out(self) -> None:
        """Begin to log out. The engine would do so at its next tick; the answer to a test request wakes it."""
        self.session.logout()
        self.send(t.TEST_REQUEST, f"{t.TEST_ID}=LOGOUT\x01")

    @property
    def expected_number(self) -> int:
        """Sequence number that is expected next from the other side."""
        return int(self.session.getExpectedTargetNum())

    @property
    def next_number(self) -> int:
        """Sequence number of the next message."""
        return int(self.session.getExpectedSenderNum())
