"""Profiles of FIX venues: each venue's conventions, as TOML files.

`tercel`, `generic-44`, `generic-42`, `binance` and `binance-md` are shipped. A file of one's own names one of them as
its `base` and says what differs; a settings file of QuickFIX is a profile too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import time
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError, check_known
from tercel.core.serialization import JsonSchema, Tables
from tercel.core.toml import (
    TomlTable,
    parse_toml,
    read_toml,
    row_of,
    schema_of,
    validated,
)
from tercel.fix import tags as t
from tercel.fix.connection import TlsSettings
from tercel.fix.dialect import CHECKED, own_dictionary
from tercel.fix.profiles.model import (
    DAYS,
    RAW,
    RAW_LENGTH,
    Profile,
    SymbolTable,
    refuse_written,
    signed_text,
    signer,
)
from tercel.fix.profiles.quickfix import read_settings
from tercel.fix.protocol.dictionary import Dictionary, read_xml
from tercel.fix.protocol.message import Fields
from tercel.fix.protocol.settings import NEVER_REPEATED, NOT_STORED, SessionSettings, SessionTimes

SHIPPED: Final = ("tercel", "generic-44", "generic-42", "binance", "binance-md")
_WAY: Final = "see docs/howto/fix.md, or name one of " + ", ".join(SHIPPED)
_DEEPEST: Final = 8


@dataclass(frozen=True)
class ProfileTerms:
    """A profile with the objects it refers to: dictionary, secrets, TLS.

    Parameters
    ----------
    name : str
        What errors call it.
    profile : Profile
    dictionary : Dictionary or None
        None: it must be named before anybody connects.
    symbols : tuple of SymbolTable
        From the profile and its file.
    folder : Path
        Relative names in it count from here.
    notes : tuple of str
        What was not understood, and has no effect.
    """

    name: str
    profile: Profile
    dictionary: Dictionary | None = field(repr=False)
    symbols: tuple[SymbolTable, ...] = ()
    folder: Path = Path()
    notes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def settings(self, sender: str = "", reset: bool = False) -> SessionSettings:
        """Settings of an initiator session, secrets read from their places.

        Parameters
        ----------
        sender : str
            SenderCompID, where the profile has none.
        reset : bool
            Begin at 1 with every logon, whatever the profile says but for `next_out`.

        Raises
        ------
        ConfigError
            Names that are missing, secrets that are not there.
        """
        session, times = self.profile.session, self.profile.times
        checks = session.model_dump(include=set(CHECKED))
        if self.dictionary is None:
            raise ConfigError(
                f"the dictionary of {self.name}",
                "none",
                'name the XML file that the venue publishes: dictionary = "FILE.xml"',
            )
        for what, name in (("sender", session.sender or sender), ("target", session.target)):
            if not name:
                raise ConfigError(
                    f"session.{what} in {self.name}",
                    "none",
                    "name the SenderCompID: fix://COMPID@host",
                )
        return SessionSettings(
            session.sender or sender,
            session.target,
            begin=self.profile.version,
            initiates=True,
            heartbeat_s=session.heartbeat_s,
            dictionary=self.dictionary,
            header=[(int(tag), value) for tag, value in session.header.items()],
            logon_fields=self._logon(session.sender or sender),
            never_repeated=NEVER_REPEATED | _NEVER_AGAIN,
            not_stored=NOT_STORED | _NOT_STORED,
            reset=frozenset({*session.reset, "logon"} if reset else session.reset)
            - ({"logon"} if session.next_out else set()),
            next_expected=session.next_expected,
            on_gap=session.on_gap,
            accuracy_s=session.clock_tolerance_s,
            answer_s=session.answer_s,
            digits=session.digits,
            user_tags=session.user_tags,
            unchecked=frozenset(
                reason for key, reasons in CHECKED.items() if not checks[key] for reason in reasons
            ),
            times=None
            if times is None
            else SessionTimes(
                time.fromisoformat(times.start),
                time.fromisoformat(times.end),
                times.zone,
                tuple(DAYS.index(day) for day in times.days),
                None if times.ends_on is None else DAYS.index(times.ends_on),
            ),
        )

    def unlocked(self) -> "ProfileTerms":
        """A copy with its secrets read, so that they can be hidden in texts.

        Raises
        ------
        ConfigError
            When one is not there.
        """
        found = [
            one.read(name, self.folder)
            for name, one in self.secret_places()
            if one is not self.profile.logon.private_key
        ]
        return replace(self, secrets=tuple(found))

    def beating(self, seconds: int) -> "ProfileTerms":
        """A copy with another heartbeat interval."""
        session = self.profile.session.model_copy(update={"heartbeat_s": seconds})
        return replace(self, profile=self.profile.model_copy(update={"session": session}))

    def secret_places(self) -> list[tuple[str, Any]]:
        """Locations of its secrets, by name."""
        logon = self.profile.logon
        pairs = (
            ("username", logon.username),
            ("password", logon.password),
            ("private_key", logon.private_key),
        )
        return [(name, one) for name, one in pairs if one is not None]

    def _logon(self, sender: str) -> Any:
        """Further fields of a logon, in the order of the dictionary; None if there are none."""
        session, logon = self.profile.session, self.profile.logon
        known = dict(self.secret_places())
        constant = {
            int(tag): value for tag, value in (logon.fields | session.cancel_on_disconnect).items()
        }
        if not known and not constant:
            return None
        texts = {name: one.read(name, self.folder) for name, one in known.items()}
        sign = signer(texts.pop("private_key"), self.name) if "private_key" in texts else None
        constant |= {_LOGON_TAGS[name]: text for name, text in texts.items()}

        def made(now: str, number: int) -> Fields:
            fields = dict(constant)
            if sign is not None:
                signed = sign(signed_text(sender, session.target, str(number), now))
                fields[RAW_LENGTH], fields[RAW] = str(len(signed)), signed
            return list(fields.items())

        return made

    def tls(self) -> TlsSettings | None:
        """TLS settings of its connections; None: plain TCP.

        Raises
        ------
        ConfigError
            When others could read the key.
        """
        if (table := self.profile.tls) is None:
            return None
        cert, key, ca = (
            self.folder / name if name else None for name in (table.cert, table.key, table.ca)
        )
        if key is not None and key.is_file() and key.stat().st_mode & 0o077:
            raise ConfigError(
                f"{key} for its owner alone",
                f"mode {key.stat().st_mode & 0o777:04o}",
                f"chmod 600 {key}",
            )
        return TlsSettings(cert, key, ca, table.server_name)


_LOGON_TAGS: Final = {"username": 553, "password": t.PASSWORD}
# Requests: their sender repeats them.
_NOT_STORED: Final = frozenset(
    {
        *(t.STEP, t.SECURITY_LIST_REQUEST, t.MARKET_DATA_REQUEST),
        *(t.STATUS, t.MASS_STATUS, t.POSITIONS_REQUEST, "XLQ"),
    }
)
# Types that are never sent a second time.
_NEVER_AGAIN: Final = _NOT_STORED | {t.NEW_ORDER, t.REPLACE, t.CANCEL, t.MASS_CANCEL, "XCN", "XAK"}


def load(name: str, sender: str = "") -> ProfileTerms:
    """A profile by its shipped name, or by its file: TOML, or a settings file of QuickFIX (.cfg, .ini).

    >>> load("generic-44").profile.session.on_gap, load("binance").profile.session.on_gap
    ('request', 'logout')

    Raises
    ------
    ConfigError
        An invalid file; the error has file and row, if any.
    """
    if name in SHIPPED:
        return _shipped(name)
    path = Path(name)
    if not (path.suffix or path.exists()):
        check_known(name, SHIPPED, said=f"the profile {name}")
    return read(path, sender)


def read(path: Path, sender: str = "") -> ProfileTerms:
    """A profile from its file; see :func:`load`."""
    raw, notes = _tables(path, sender, 0)
    return _terms(raw, str(path), path.parent, tuple(notes))


def check_file(path: Path) -> None:
    """Read a profile from its file, and refuse secret files readable by others.

    Raises
    ------
    ConfigError
    """
    terms = read(path)
    terms.tls()
    for _, secret in terms.secret_places():
        secret.check(terms.folder)


def schema() -> JsonSchema:
    """The JSON schema of a profile."""
    found = schema_of(Profile, "a profile of a FIX venue")
    base = {"type": "string", "description": "A shipped profile or a file that this one adds to."}
    return found | {"properties": {"base": base, **found["properties"]}}


@lru_cache
def _shipped(name: str) -> ProfileTerms:
    return _terms(_shipped_tables(name), name, Path(), ())


def _shipped_tables(name: str) -> Tables:
    text = (files(__package__) / f"{name}.toml").read_text(encoding="utf-8")
    return parse_toml(text, f"{name}.toml", _WAY, "a profile")


def _tables(path: Path, sender: str, depth: int) -> tuple[Tables, list[str]]:
    """Tables of a file upon those of its base."""
    if depth > _DEEPEST:
        raise ConfigError(
            "a base that ends somewhere", f"{path}: {depth} files deep", "take a base out"
        )
    if path.suffix.lower() in (".cfg", ".ini"):
        raw, notes = read_settings(path, sender)
        if "dictionary" in raw and raw["dictionary"] != "standard":
            raw["dictionary"] = str(path.parent / raw["dictionary"])
        return _upon(
            _shipped_tables("generic-42" if raw.get("version") == "FIX.4.2" else "generic-44"), raw
        ), notes
    raw = read_toml(path, _WAY, "a profile")
    refuse_written(raw, str(path), lambda keys: _row(path, keys))
    base = raw.pop("base", None)
    if base is None:
        return raw, []
    if not isinstance(base, str):
        raise ConfigError(
            "base: a profile by name or file", f"{path}{_row(path, ('base',))}", "mend the file"
        )
    if base in SHIPPED:
        return _upon(_shipped_tables(base), raw), []
    below, notes = _tables(path.parent / base, sender, depth + 1)
    return _upon(below, raw), notes


def _upon(below: Mapping[str, Any], above: Mapping[str, Any]) -> Tables:
    """Tables of one upon those of another; a secret's place is taken whole."""
    found = dict(below)
    for key, new in above.items():
        value, old = new, found.get(key)
        if (
            isinstance(value, Mapping)
            and isinstance(old, Mapping)
            and not {"env", "file"} & {*value, *old}
        ):
            value = _upon(old, value)
        found[key] = value
    return found


def _row(path: Path, keys: Any) -> str:
    row = row_of(path.read_text(encoding="utf-8"), list(keys))
    return "" if row is None else f" (row {row})"


def _terms(raw: Tables, name: str, folder: Path, notes: tuple[str, ...]) -> ProfileTerms:
    profile = validated(Profile, raw, name, "a profile of a FIX venue")
    path = Path(name)
    try:
        dictionary = _dictionary(profile, folder)
    except ConfigError as error:
        row = _row(path, ("dictionary",)) if path.is_file() and path.suffix == ".toml" else ""
        raise ConfigError(
            error.expected, f"{error.received}, the dictionary of {name}{row}", error.remedy
        ) from None
    if dictionary is not None and dictionary.version != profile.version:
        raise ConfigError(
            f"a dictionary of {profile.version}",
            f"one of {dictionary.version} in {name}",
            "name another dictionary or version",
        )
    for key, asked, needed in (
        ("positions", profile.orders.positions, _POSITIONS),
        ("quotes", profile.orders.quotes, _QUOTES),
    ):
        if asked and dictionary is not None and not dictionary.messages.keys() >= needed:
            raise ConfigError(
                f"a dictionary with {', '.join(sorted(needed))}, as orders.{key} of {name} asks for them",
                f"one of {dictionary.version} without",
                f'{key} = "", or another dictionary',
            )
    return ProfileTerms(name, profile, dictionary, _symbols(profile, folder), folder, notes)


_QUOTES: Final = frozenset({t.QUOTE_REQUEST, t.QUOTE, t.QUOTE_CANCEL, t.QUOTE_REQUEST_REJECT})
_POSITIONS: Final = frozenset({t.POSITIONS_REQUEST, t.POSITIONS_ACK, t.POSITION_REPORT})


class _SymbolsFile(TomlTable):
    symbol: tuple[SymbolTable, ...] = ()


_xml: Final = lru_cache(read_xml)


def _dictionary(profile: Profile, folder: Path) -> Dictionary | None:
    if not profile.dictionary:
        return None
    if profile.dictionary == "standard":
        return own_dictionary(profile.version)
    return _xml(folder / profile.dictionary)


def _symbols(profile: Profile, folder: Path) -> tuple[SymbolTable, ...]:
    """Instruments of the profile, then those of its file; the same name twice is refused."""
    found = list(profile.symbol)
    if profile.symbols.file:
        path = folder / profile.symbols.file
        found += validated(
            _SymbolsFile, read_toml(path, _WAY, "a file of symbols"), str(path), "a file of symbols"
        ).symbol
    names = [one.name for one in found]
    if twice := {one for one in names if names.count(one) > 1}:
        raise ConfigError(
            "each instrument once", f"{', '.join(sorted(twice))} twice", "take one of them out"
        )
    return tuple(found)
