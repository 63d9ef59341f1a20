"""Settings files of QuickFIX as profiles.

[DEFAULT]
ConnectionType=initiator
BeginString=FIX.4.4
[SESSION]
SenderCompID=DESK
TargetCompID=VENUE
SocketConnectHost=venue.example
SocketConnectPort=9878
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError, offer
from tercel.core.serialization import Tables
from tercel.fix.profiles.model import DAYS

_AT: Final = {
    "beginstring": ("version",),
    "datadictionary": ("dictionary",),
    "sendercompid": ("session", "sender"),
    "targetcompid": ("session", "target"),
    "socketconnecthost": ("session", "host"),
    "socketconnectport": ("session", "port"),
    "heartbtint": ("session", "heartbeat_s"),
    "logontimeout": ("session", "answer_s"),
    "maxlatency": ("session", "clock_tolerance_s"),
    "timestampprecision": ("session", "digits"),
    "sendersubid": ("session", "header", "50"),
    "senderlocationid": ("session", "header", "142"),
    "targetsubid": ("session", "header", "57"),
    "targetlocationid": ("session", "header", "143"),
    "starttime": ("times", "start"),
    "endtime": ("times", "end"),
    "timezone": ("times", "zone"),
    "certificate_authorities_file": ("tls", "ca"),
    "socketcafile": ("tls", "ca"),
    "client_certificate_file": ("tls", "cert"),
    "socketcertificatefile": ("tls", "cert"),
    "client_certificate_key_file": ("tls", "key"),
    "socketprivatekeyfile": ("tls", "key"),
    "socketservername": ("tls", "server_name"),
}
# Y or N.
_FLAGS: Final = {
    "sendnextexpectedmsgseqnum": "next_expected",
    "enablenextexpectedmsgseqnum": "next_expected",
    "usedatadictionary": "validated",
    "validateincomingmessage": "validated",
    "validatefieldsoutoforder": "fields_in_order",
    "validatefieldshavevalues": "have_values",
    "validateunorderedgroupfields": "groups",
}
# The other way round: Y allows what the key of a profile forbids where it is true.
_INVERSE: Final = {"validateuserdefinedfields": "user_tags", "allowunknownmsgfields": "known_tags"}
_RESETS: Final = {
    "resetonlogon": "logon",
    "resetonlogout": "logout",
    "resetondisconnect": "disconnect",
}
_NUMBERS: Final = frozenset({"port", "heartbeat_s", "answer_s", "clock_tolerance_s", "digits"})
_HANDLED: Final = frozenset(
    {
        *("connectiontype", "nonstopsession", "weekdays", "startday", "endday", "uselocaltime"),
        *("socketusessl", "checklatency", "millisecondsintimestamp"),
    }
)
# Without effect: names of files and of logs, which have other places here.
_NAMES: Final = frozenset(
    {
        *("filestorepath", "filelogpath", "filelogbackuppath", "description", "sessionqualifier"),
        *("screenlogshowincoming", "screenlogshowoutgoing", "screenlogshowevents"),
    }
)
# What this engine does whatever they say, and the value that asks for it.
_FIXED: Final = {
    "checkcompid": ("Y", "a message with other CompIDs is always rejected"),
    "validatelengthandchecksum": (
        "Y",
        "a message with a wrong BodyLength or CheckSum is always left out",
    ),
    "persistmessages": (
        "Y",
        "messages are always stored, but for orders, which are never sent again",
    ),
    "refreshonlogon": ("N", "the store belongs to one process"),
    "rejectinvalidmessage": (
        "Y",
        "what the dictionary forbids is rejected; say which checks there are: see [session]",
    ),
    "requiresorigsendingtime": ("Y", "a repetition without OrigSendingTime is rejected"),
    "validatesequencenumbers": ("Y", "sequence numbers are always checked"),
    "reconnectinterval": ("", "the way is tried again after 0.1 s to 5 s"),
    "logouttimeout": ("", "a logout waits as long as a logon, and no longer than two heartbeats"),
}
_BAD: Final = "mend the settings file"


def read_settings(path: Path, sender: str = "") -> tuple[Tables, list[str]]:
    """Profile tables from a settings file, and its keys that were not understood.

    Parameters
    ----------
    path : Path
    sender : str
        SenderCompID of the session that is meant, where the file has several.

    Raises
    ------
    ConfigError
        When it cannot be read, names no session of an initiator, or holds a secret; with the row.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "bytes that are no UTF-8"
        raise ConfigError(
            "a settings file of QuickFIX", f"{path}: {why}", "name another file"
        ) from None
    session = _chosen(_sections(text, path), path, sender)
    kind = session.get("connectiontype", ("initiator", 0))
    if kind[0].lower() != "initiator":
        raise ConfigError("ConnectionType=initiator", f"{path}: {kind[0]} (row {kind[1]})", _BAD)
    known = {*_AT, *_FLAGS, *_INVERSE, *_RESETS, *_HANDLED, *_NAMES, *_FIXED}
    notes = [
        f"{path}, row {row}: {key} is not understood ({offer(key, sorted(known), 'it has no effect')})"
        for key, (_, row) in session.items()
        if key not in known
    ]
    notes += [
        f"{path}, row {session[key][1]}: {key}={session[key][0]} is not supported and has no effect: {instead}"
        for key, (ours, instead) in _FIXED.items()
        if key in session and session[key][0].upper()[:1] != ours
    ]
    return _tables(session, path), notes


Settings = dict[str, tuple[str, int]]


def _sections(text: str, path: Path) -> list[tuple[str, Settings]]:
    found: list[tuple[str, Settings]] = []
    for row, whole in enumerate(text.splitlines(), 1):
        line = whole.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            name = line.strip("[]").strip().upper()
            if name not in ("DEFAULT", "SESSION"):
                raise ConfigError(
                    "[DEFAULT] or [SESSION]", f"{path}: {line[:40]} (row {row})", _BAD
                )
            found.append((name, {}))
            continue
        key, equals, value = line.partition("=")
        if not equals or not found:
            raise ConfigError(
                "a row KEY=VALUE below [DEFAULT] or [SESSION]", f"{path} (row {row})", _BAD
            )
        name = key.strip().lower()
        if "passw" in name or "secret" in name or name in ("username", "rawdata"):
            raise ConfigError(
                "a settings file without secrets",
                f"{path}: {key.strip()} (row {row}; its value is not shown)",
                'take it out, and write a profile with base = "FILE.cfg" and [logon], which names their place',
            )
        found[-1][1][name] = value.strip(), row
    return found


def _chosen(sections: list[tuple[str, Settings]], path: Path, sender: str) -> Settings:
    default = {
        key: said for name, one in sections if name == "DEFAULT" for key, said in one.items()
    }
    sessions = [default | one for name, one in sections if name == "SESSION"]
    if sender:
        sessions = [
            one for one in sessions if one.get("sendercompid", ("",))[0] == sender
        ] or sessions
    if len(sessions) != 1:
        names = ", ".join(one.get("sendercompid", ("?",))[0] for one in sessions) or "none"
        raise ConfigError(
            "one [SESSION], or one that is named",
            f"{path}: {len(sessions)} ({names})",
            "name its SenderCompID in the address: fix://COMPID@host:port",
        )
    return sessions[0]


def _tables(session: Settings, path: Path) -> Tables:
    found: Tables = {}
    for key, place in [one for one in _AT.items() if one[0] in session]:
        value, row = session[key]
        table = found
        for name in place[:-1]:
            table = table.setdefault(name, {})
        table[place[-1]] = _value(place[-1], key, value, row, path)
    own = found.setdefault("session", {})
    if resets := [reset for key, reset in _RESETS.items() if _flag(session, key, path)]:
        own["reset"] = resets
    own |= {name: _flag(session, key, path) for key, name in _FLAGS.items() if key in session}
    own |= {name: not _flag(session, key, path) for key, name in _INVERSE.items() if key in session}
    if not own.get("validated", True):
        found["dictionary"] = "standard"
    if not _flag(session, "checklatency", path, True):
        own["clock_tolerance_s"] = 1_000_000_000  # thirty years
    if not _flag(session, "millisecondsintimestamp", path, True):
        own.setdefault("digits", 0)
    if _flag(session, "socketusessl", path):
        found.setdefault("tls", {})
    _times(found, session, path)
    return found


def _value(name: str, key: str, value: str, row: int, path: Path) -> Any:
    if name not in _NUMBERS:
        return value
    if not (value.isascii() and value.isdigit()):
        raise ConfigError(f"a whole number for {key}", f"{path}: {value[:40]!r} (row {row})", _BAD)
    return int(value)


def _flag(
    session: Mapping[str, tuple[str, int]], key: str, path: Path, default: bool = False
) -> bool:
    if key not in session:
        return default
    value, row = session[key]
    if value.upper() not in ("Y", "N", "YES", "NO", "TRUE", "FALSE"):
        raise ConfigError(f"Y or N for {key}", f"{path}: {value[:40]!r} (row {row})", _BAD)
    return value.upper() in ("Y", "YES", "TRUE")


def _times(found: Tables, session: Settings, path: Path) -> None:
    """Times of day; a session that never stops has none, and one that ends when it starts begins again then."""
    times = found.get("times", {})
    if not {"start", "end"} <= times.keys() or _flag(session, "nonstopsession", path):
        found.pop("times", None)
        return
    if _flag(session, "uselocaltime", path) and "zone" not in times:
        row = session["uselocaltime"][1]
        raise ConfigError(
            "a TimeZone beside UseLocalTime",
            f"{path}: none (row {row})",
            "name the zone: TimeZone=...",
        )
    if "weekdays" in session:
        times["days"] = [
            _day(one, session["weekdays"][1], path) for one in session["weekdays"][0].split(",")
        ]
    if "startday" in session:
        times["days"] = [_day(*session["startday"], path)]
    if "endday" in session:
        times["ends_on"] = _day(*session["endday"], path)


def _day(name: str, row: int, path: Path) -> str:
    found = [day for day in DAYS if name.strip().lower() in (day, day[:2], day[:3])]
    if not found:
        raise ConfigError("a day of the week", f"{path}: {name[:40]!r} (row {row})", _BAD)
    return found[0]
