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

from tercel.core.bounded_parsing import JsonSchema, Tables
from tercel.core.errors import ConfigError, check_known
from tercel.core.json_schema import schema_of
from tercel.core.link.connection import TlsSettings
from tercel.core.link.signing_key import signer
from tercel.core.secrets import refuse_inline_secrets
from tercel.core.toml import parse_toml, read_toml, row_of_key
from tercel.core.validation import TomlTable, validate_model
from tercel.fix import tags as t
from tercel.fix.dialect import REASONS_OF_CHECKS
from tercel.fix.own_dialect import own_dictionary
from tercel.fix.profiles.model import DAYS, Profile, SymbolTable
from tercel.fix.profiles.quickfix import read_settings
from tercel.fix.profiles.signatures import RAW_DATA, RAW_DATA_LENGTH, signed_text
from tercel.fix.protocol.dictionary import Dictionary
from tercel.fix.protocol.message import Fields
from tercel.fix.protocol.quickfix_xml import read_xml
from tercel.fix.protocol.settings import NEVER_REPEATED, NOT_STORED, SessionSettings, SessionTimes

SHIPPED: Final = ("tercel", "generic-44", "generic-42", "binance", "binance-md")
_REMEDY: Final = "see docs/howto/fix.md, or name one of " + ", ".join(SHIPPED)
_MAX_DEPTH: Final = 8
SECRET_TAGS: Final = frozenset({"553", "554", "925", "96", "1400", "1402", "1404"})
"""Fields of a logon that hold a secret."""
_LOGON_TAGS: Final = {"username": 553, "password": t.PASSWORD}
# Requests: their sender repeats them.
_NOT_STORED: Final = frozenset(
    {
        *(t.STEP, t.SECURITY_LIST_REQUEST, t.MARKET_DATA_REQUEST),
        *(t.STATUS, t.MASS_STATUS, t.POSITIONS_REQUEST, "XLQ"),
    }
)
# Types that are never sent a second time.
_NEVER_RESENT: Final = _NOT_STORED | {t.NEW_ORDER, t.REPLACE, t.CANCEL, t.MASS_CANCEL, "XCN", "XAK"}
_QUOTES: Final = frozenset({t.QUOTE_REQUEST, t.QUOTE, t.QUOTE_CANCEL, t.QUOTE_REQUEST_REJECT})
_POSITIONS: Final = frozenset({t.POSITIONS_REQUEST, t.POSITIONS_ACK, t.POSITION_REPORT})
_read_xml: Final = lru_cache(read_xml)


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
        session = self.profile.session
        times = self.profile.times
        checks = session.model_dump(include=set(REASONS_OF_CHECKS))
        if self.dictionary is None:
            raise ConfigError(
                f"the dictionary of {self.name}",
                "none",
                'name the XML file that the venue publishes: dictionary = "FILE.xml"',
            )
        for field_name, name in (("sender", session.sender or sender), ("target", session.target)):
            if not name:
                raise ConfigError(
                    f"session.{field_name} in {self.name}",
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
            never_repeated=NEVER_REPEATED | _NEVER_RESENT,
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
                reason
                for key, reasons in REASONS_OF_CHECKS.items()
                if not checks[key]
                for reason in reasons
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

    def with_secrets(self) -> "ProfileTerms":
        """A copy with its secrets read, but for the private key, so that they can be hidden in texts.

        Raises
        ------
        ConfigError
            When one is not there.
        """
        secrets = [
            place.read(name, self.folder)
            for name, place in self.secret_places()
            if place is not self.profile.logon.private_key
        ]
        return replace(self, secrets=tuple(secrets))

    def with_heartbeat(self, seconds: int) -> "ProfileTerms":
        """A copy with another heartbeat interval."""
        session = self.profile.session.model_copy(update={"heartbeat_s": seconds})
        return replace(self, profile=self.profile.model_copy(update={"session": session}))

    def secret_places(self) -> list[tuple[str, Any]]:
        """Places of the profile's secrets, by name."""
        logon = self.profile.logon
        pairs = (
            ("username", logon.username),
            ("password", logon.password),
            ("private_key", logon.private_key),
        )
        return [(name, place) for name, place in pairs if place is not None]

    def _logon(self, sender: str) -> Any:
        """Function of SendingTime and MsgSeqNum that gives a logon's further fields, secrets and signature; None if
        there are none."""
        session = self.profile.session
        logon = self.profile.logon
        places = dict(self.secret_places())
        constant = {
            int(tag): value for tag, value in (logon.fields | session.cancel_on_disconnect).items()
        }
        if not places and not constant:
            return None
        texts = {name: place.read(name, self.folder) for name, place in places.items()}
        sign = signer(texts.pop("private_key"), self.name) if "private_key" in texts else None
        constant |= {_LOGON_TAGS[name]: text for name, text in texts.items()}

        def build_logon_fields(now: str, number: int) -> Fields:
            """Further fields of a logon at a SendingTime and MsgSeqNum, with its signature."""
            fields = dict(constant)
            if sign is not None:
                signed = sign(signed_text(sender, session.target, str(number), now))
                fields[RAW_DATA_LENGTH] = str(len(signed))
                fields[RAW_DATA] = signed
            return list(fields.items())

        return build_logon_fields

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


def load(name: str, sender: str = "") -> ProfileTerms:
    """A profile by its shipped name, or by its file: TOML, or a settings file of QuickFIX (.cfg, .ini), where `sender`
    chooses among several sessions.

    >>> load("generic-44").profile.session.on_gap, load("binance").profile.session.on_gap
    ('request', 'logout')

    Raises
    ------
    ConfigError
        An invalid file; the error has file and row, if any.
    """
    if name in SHIPPED:
        return _load_shipped(name)
    path = Path(name)
    if not (path.suffix or path.exists()):
        check_known(name, SHIPPED, received=f"the profile {name}")
    return read(path, sender)


def read(path: Path, sender: str = "") -> ProfileTerms:
    """A profile from its file; see :func:`load`."""
    raw, notes = _tables(path, sender, 0)
    return _build_terms(raw, str(path), path.parent, tuple(notes))


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
    profile_schema = schema_of(Profile, "a profile of a FIX venue")
    base = {"type": "string", "description": "A shipped profile or a file that this one adds to."}
    return profile_schema | {"properties": {"base": base, **profile_schema["properties"]}}


@lru_cache
def _load_shipped(name: str) -> ProfileTerms:
    """A shipped profile by its name."""
    return _build_terms(_shipped_tables(name), name, Path(), ())


def _shipped_tables(name: str) -> Tables:
    """Tables of a shipped profile's TOML file."""
    text = (files(__package__) / f"{name}.toml").read_text(encoding="utf-8")
    return parse_toml(text, f"{name}.toml", _REMEDY, "a profile")


def _tables(path: Path, sender: str, depth: int) -> tuple[Tables, list[str]]:
    """Tables of a profile's file upon those of its base, and notes on settings not understood."""
    if depth > _MAX_DEPTH:
        raise ConfigError(
            "a base that ends somewhere", f"{path}: {depth} files deep", "take a base out"
        )
    if path.suffix.lower() in (".cfg", ".ini"):
        raw, notes = read_settings(path, sender)
        if "dictionary" in raw and raw["dictionary"] != "standard":
            raw["dictionary"] = str(path.parent / raw["dictionary"])
        return _merge_tables(
            _shipped_tables("generic-42" if raw.get("version") == "FIX.4.2" else "generic-44"), raw
        ), notes
    raw = read_toml(path, _REMEDY, "a profile")
    refuse_inline_secrets(raw, str(path), lambda keys: _row(path, keys), SECRET_TAGS)
    base = raw.pop("base", None)
    if base is None:
        return raw, []
    if not isinstance(base, str):
        raise ConfigError(
            "base: a profile by name or file", f"{path}{_row(path, ('base',))}", "mend the file"
        )
    if base in SHIPPED:
        return _merge_tables(_shipped_tables(base), raw), []
    below, notes = _tables(path.parent / base, sender, depth + 1)
    return _merge_tables(below, raw), notes


def _merge_tables(below: Mapping[str, Any], above: Mapping[str, Any]) -> Tables:
    """Merge two tables and their subtables: values of `above` win; a secret's place is replaced as a whole."""
    merged = dict(below)
    for key, new in above.items():
        value = new
        old = merged.get(key)
        if (
            isinstance(value, Mapping)
            and isinstance(old, Mapping)
            and not {"env", "file"} & {*value, *old}
        ):
            value = _merge_tables(old, value)
        merged[key] = value
    return merged


def _row(path: Path, keys: Any) -> str:
    """` (row N)` of a key in a file, empty where the file lacks the key."""
    row = row_of_key(path.read_text(encoding="utf-8"), list(keys))
    return "" if row is None else f" (row {row})"


def _build_terms(raw: Tables, name: str, folder: Path, notes: tuple[str, ...]) -> ProfileTerms:
    """Validate a profile's tables and load the dictionary and symbols that they name."""
    profile = validate_model(Profile, raw, name, "a profile of a FIX venue")
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
    for key, setting, needed in (
        ("positions", profile.orders.positions, _POSITIONS),
        ("quotes", profile.orders.quotes, _QUOTES),
    ):
        if setting and dictionary is not None and not dictionary.messages.keys() >= needed:
            raise ConfigError(
                f"a dictionary with {', '.join(sorted(needed))}, as orders.{key} of {name} asks for them",
                f"one of {dictionary.version} without",
                f'{key} = "", or another dictionary',
            )
    return ProfileTerms(name, profile, dictionary, _symbols(profile, folder), folder, notes)


class _SymbolsFile(TomlTable):
    symbol: tuple[SymbolTable, ...] = ()


def _dictionary(profile: Profile, folder: Path) -> Dictionary | None:
    """The dictionary that a profile names: none, the standard one, or a file's."""
    if not profile.dictionary:
        return None
    if profile.dictionary == "standard":
        return own_dictionary(profile.version)
    return _read_xml(folder / profile.dictionary)


def _symbols(profile: Profile, folder: Path) -> tuple[SymbolTable, ...]:
    """Instruments of the profile, then those of its file; the same name twice is refused."""
    symbols = list(profile.symbol)
    if profile.symbols.file:
        path = folder / profile.symbols.file
        symbols += validate_model(
            _SymbolsFile,
            read_toml(path, _REMEDY, "a file of symbols"),
            str(path),
            "a file of symbols",
        ).symbol
    names = [symbol.name for symbol in symbols]
    if duplicates := {name for name in names if names.count(name) > 1}:
        raise ConfigError(
            "each instrument once", f"{', '.join(sorted(duplicates))} twice", "take one of them out"
        )
    return tuple(symbols)
