"""Profiles read from settings files of QuickFIX.

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

from tercel.core.bounded_parsing import Tables
from tercel.core.errors import ConfigError, suggest_name
from tercel.fix.profiles.model import DAYS

_PROFILE_KEYS: Final = {
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
_IGNORED: Final = frozenset(
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
_REMEDY: Final = "mend the settings file"


Settings = dict[str, tuple[str, int]]


def read_settings(path: Path, sender: str = "") -> tuple[Tables, list[str]]:
    """Profile tables from a settings file, and notes on its settings that are not understood or have no effect.

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
        reason = getattr(error, "strerror", None) or "bytes that are no UTF-8"
        raise ConfigError(
            "a settings file of QuickFIX", f"{path}: {reason}", "name another file"
        ) from None
    session = _select_session(_sections(text, path), path, sender)
    kind = session.get("connectiontype", ("initiator", 0))
    if kind[0].lower() != "initiator":
        raise ConfigError("ConnectionType=initiator", f"{path}: {kind[0]} (row {kind[1]})", _REMEDY)
    known = {*_PROFILE_KEYS, *_FLAGS, *_INVERSE, *_RESETS, *_HANDLED, *_IGNORED, *_FIXED}
    notes = [
        f"{path}, row {row}: {key} is not understood ({suggest_name(key, sorted(known), 'it has no effect')})"
        for key, (_, row) in session.items()
        if key not in known
    ]
    notes += [
        f"{path}, row {session[key][1]}: {key}={session[key][0]} is not supported and has no effect: {instead}"
        for key, (ours, instead) in _FIXED.items()
        if key in session and session[key][0].upper()[:1] != ours
    ]
    return _tables(session, path), notes


def _sections(text: str, path: Path) -> list[tuple[str, Settings]]:
    """Sections of a settings file's text in order: name, and by key in lower case its value and row; ConfigError for
    secrets."""
    sections: list[tuple[str, Settings]] = []
    for row, raw_line in enumerate(text.splitlines(), 1):
        line = raw_line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            name = line.strip("[]").strip().upper()
            if name not in ("DEFAULT", "SESSION"):
                raise ConfigError(
                    "[DEFAULT] or [SESSION]", f"{path}: {line[:40]} (row {row})", _REMEDY
                )
            sections.append((name, {}))
            continue
        key, equals, value = line.partition("=")
        if not equals or not sections:
            raise ConfigError(
                "a row KEY=VALUE below [DEFAULT] or [SESSION]", f"{path} (row {row})", _REMEDY
            )
        name = key.strip().lower()
        if "passw" in name or "secret" in name or name in ("username", "rawdata"):
            raise ConfigError(
                "a settings file without secrets",
                f"{path}: {key.strip()} (row {row}; its value is not shown)",
                'take it out, and write a profile with base = "FILE.cfg" and [logon], which names their place',
            )
        sections[-1][1][name] = value.strip(), row
    return sections


def _select_session(sections: list[tuple[str, Settings]], path: Path, sender: str) -> Settings:
    """Settings of the one session, or of the sender's, with the defaults; ConfigError unless exactly one is left."""
    default = {
        key: value
        for name, section in sections
        if name == "DEFAULT"
        for key, value in section.items()
    }
    sessions = [default | section for name, section in sections if name == "SESSION"]
    if sender:
        sessions = [
            session for session in sessions if session.get("sendercompid", ("",))[0] == sender
        ] or sessions
    if len(sessions) != 1:
        names = ", ".join(session.get("sendercompid", ("?",))[0] for session in sessions) or "none"
        raise ConfigError(
            "one [SESSION], or one that is named",
            f"{path}: {len(sessions)} ({names})",
            "name its SenderCompID in the address: fix://COMPID@host:port",
        )
    return sessions[0]


def _tables(session: Settings, path: Path) -> Tables:
    """Profile tables of a session's settings."""
    tables: Tables = {}
    for key, place in [pair for pair in _PROFILE_KEYS.items() if pair[0] in session]:
        value, row = session[key]
        table = tables
        for name in place[:-1]:
            table = table.setdefault(name, {})
        table[place[-1]] = _value(place[-1], key, value, row, path)
    session_table = tables.setdefault("session", {})
    if resets := [reset for key, reset in _RESETS.items() if _flag(session, key, path)]:
        session_table["reset"] = resets
    session_table |= {
        name: _flag(session, key, path) for key, name in _FLAGS.items() if key in session
    }
    session_table |= {
        name: not _flag(session, key, path) for key, name in _INVERSE.items() if key in session
    }
    if not session_table.get("validated", True):
        tables["dictionary"] = "standard"
    if not _flag(session, "checklatency", path, True):
        session_table["clock_tolerance_s"] = 1_000_000_000  # thirty years
    if not _flag(session, "millisecondsintimestamp", path, True):
        session_table.setdefault("digits", 0)
    if _flag(session, "socketusessl", path):
        tables.setdefault("tls", {})
    _times(tables, session, path)
    return tables


def _value(name: str, key: str, value: str, row: int, path: Path) -> Any:
    """A setting's value for a profile's key: text, or a whole number."""
    if name not in _NUMBERS:
        return value
    if not (value.isascii() and value.isdigit()):
        raise ConfigError(
            f"a whole number for {key}", f"{path}: {value[:40]!r} (row {row})", _REMEDY
        )
    return int(value)


def _flag(
    session: Mapping[str, tuple[str, int]], key: str, path: Path, default: bool = False
) -> bool:
    """Whether a setting is Y, not N; `default` where it is missing, ConfigError for another text."""
    if key not in session:
        return default
    value, row = session[key]
    if value.upper() not in ("Y", "N", "YES", "NO", "TRUE", "FALSE"):
        raise ConfigError(f"Y or N for {key}", f"{path}: {value[:40]!r} (row {row})", _REMEDY)
    return value.upper() in ("Y", "YES", "TRUE")


def _times(tables: Tables, session: Settings, path: Path) -> None:
    """Add [times] from a session's start and end; a session that never stops gets none."""
    times = tables.get("times", {})
    if not {"start", "end"} <= times.keys() or _flag(session, "nonstopsession", path):
        tables.pop("times", None)
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
            _day(day, session["weekdays"][1], path) for day in session["weekdays"][0].split(",")
        ]
    if "startday" in session:
        times["days"] = [_day(*session["startday"], path)]
    if "endday" in session:
        times["ends_on"] = _day(*session["endday"], path)


def _day(name: str, row: int, path: Path) -> str:
    """Day of the week by its name or the name's first letters."""
    matches = [day for day in DAYS if name.strip().lower() in (day, day[:2], day[:3])]
    if not matches:
        raise ConfigError("a day of the week", f"{path}: {name[:40]!r} (row {row})", _REMEDY)
    return matches[0]
