"""Profiles: what ships, what a file says, and what is refused with its row; secrets are named, and never shown."""

from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.fix.link import Address, FixLink
from tercel.fix.profiles import SHIPPED, load
from tercel.fix.protocol.admission import examine, header_fault
from tercel.fix.protocol.message import Message

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SECRET = "hunter2-is-my-word"
KEY = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u
-----END PRIVATE KEY-----
"""


@pytest.mark.parametrize("name", [*SHIPPED, str(EXAMPLES / "stranger-venue.toml")])
def test_what_ships_can_be_read(name):
    assert load(name).profile.version in ("FIX.4.2", "FIX.4.4")


def test_a_file_says_what_differs_from_its_base(profile):
    text = """
base = "generic-44"
[session]
sender = "ME"
target = "THEM"
heartbeat_s = 7
[times]
start = "08:00"
end = "17:30"
zone = "Europe/Zurich"
days = ["monday", "friday"]
[[symbol]]
name = "XYZ"
tick = 0.05
lot = 10
currency = "CHF"
"""
    terms = load(profile(text))
    settings = terms.settings()
    assert (settings.sender, settings.target, settings.heartbeat_s, settings.on_gap) == (
        "ME",
        "THEM",
        7,
        "request",
    )
    assert (settings.times.start, settings.times.end, settings.times.days) == (
        time(8),
        time(17, 30),
        (0, 4),
    )
    assert [(one.name, one.tick, one.lot, one.currency) for one in terms.symbols] == [
        ("XYZ", Decimal("0.05"), 10, "CHF")
    ]
    assert terms.profile.orders.mass_status, "from its base"


@pytest.mark.parametrize(
    ("text", "row", "said"),
    [
        ('base = "generic-44"\n[session]\nhart_beat = 3', 3, "hart_beat"),
        ('base = "generic-44"\n[session]\nheartbeat_s = "3"', 3, "heartbeat_s"),
        (
            'base = "generic-44"\n\n[times]\nstart = "08:00"\nend = "09:00"\nzone = "Mars/Olympus"',
            6,
            "time zone",
        ),
        ('base = "generic-44"\n[times]\nstart = "26:00"\nend = "09:00"', 3, "times.start"),
        (
            'base = "generic-44"\n[times]\nstart = "06:00"\nend = "09:00"\ndays = ["someday"]',
            5,
            "days",
        ),
        ('base = "generic-44"\n[orders]\nreplace = "Z"', 3, "replace"),
        ('base = "generic-44"\nversion = "FIX.5.0"', 2, "version"),
        ('base = "generic-44"\n\ndictionary = "none.xml"', 3, "none.xml"),
        ('base = "generic-44"\n[[symbol]]\nname = "A"\ntick = -1', 4, "greater than 0"),
        ('base = "generic-44"\n[names]\nletters = "["', 3, "regular expression"),
        ("base = 3", 1, "base"),
    ],
)
def test_bad_files_are_refused_with_the_row(profile, text, row, said):
    with pytest.raises(ConfigError, match=rf"\(row {row}\)") as refused:
        load(profile(text))
    assert said in str(refused.value)


SYMBOL = '[[symbol]]\nname = "A"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[session", "TOML"),
        ('base = "loop.toml"', "base that ends"),
        (f'base = "generic-44"\n{SYMBOL}{SYMBOL}', "A twice"),
        ('version = "FIX.4.2"\ndictionary = "d.xml"', r"dictionary of FIX\.4\.2"),
        ('version = "FIX.4.2"\nextension = true', r"FIX\.4\.4 where extension"),
    ],
)
def test_other_bad_files(tmp_path, text, words):
    parts = "<header/><messages/><trailer/><components/><fields/>"
    (tmp_path / "d.xml").write_text(f"<fix major='4' minor='4'>{parts}</fix>")
    (tmp_path / "loop.toml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        load(str(tmp_path / "loop.toml"))


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(UnknownNameError, match="generic-44"):
        load("generic-45")
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load(str(tmp_path / "none.toml"))
    for base, missing in (("binance", "dictionary of"), ("generic-44", r"session\.target")):
        with pytest.raises(ConfigError, match=missing):
            load(base).settings("ME")


class TestSecrets:
    @pytest.mark.parametrize(
        "line",
        [
            f'password = "{SECRET}"',
            f'password = {{ value = "{SECRET}" }}',
            f'password = {{ env = "{SECRET}" }}',
            f'username = "{SECRET}"',
            f'private_key = "{SECRET}"',
            f'fields = {{ 554 = "{SECRET}" }}',
            f'fields = {{ 96 = "{SECRET}" }}',
            f'my_password = "{SECRET}"',
        ],
    )
    def test_one_in_the_file_is_refused_and_not_repeated(self, profile, line):
        with pytest.raises(ConfigError, match=r"\(row 3\)") as refused:
            load(profile(f'base = "generic-44"\n[logon]\n{line}\n'))
        assert SECRET not in str(refused.value)
        assert "not shown" in str(refused.value)

    def test_a_file_of_ones_own_is_read_and_nobody_elses(self, profile, tmp_path, monkeypatch):
        terms = load(
            profile(
                'base = "generic-44"\n[session]\nsender = "A"\ntarget = "B"\n[logon]\n'
                'username = { env = "TERCEL_USER" }\npassword = { file = "word" }'
            )
        )
        monkeypatch.delenv("TERCEL_USER", raising=False)
        with pytest.raises(ConfigError, match="TERCEL_USER"):
            terms.settings()
        monkeypatch.setenv("TERCEL_USER", "me")
        with pytest.raises(ConfigError, match="word"):
            terms.settings()
        (tmp_path / "word").write_text(SECRET + "\n")
        (tmp_path / "word").chmod(0o644)
        with pytest.raises(ConfigError, match="chmod 600") as refused:
            terms.settings()
        (tmp_path / "word").chmod(0o600)
        fields = dict(terms.settings().logon_fields("20260101-00:00:00", 1))
        assert (fields[553], fields[554]) == ("me", SECRET)
        shown = f"{refused.value} {terms!r} {terms.with_secrets()!r} {terms.settings()!r}"
        assert SECRET not in shown

    def test_one_that_the_venue_repeats_is_hidden(self, profile, tmp_path, monkeypatch):
        from tercel.core.secrets import mask_secrets

        monkeypatch.setenv("TERCEL_WORD", SECRET)
        terms = load(
            profile('base = "generic-44"\n[logon]\npassword = { env = "TERCEL_WORD" }')
        ).with_secrets()
        assert SECRET not in mask_secrets(f"password {SECRET} is wrong", terms.secrets)

    def test_a_signature_is_the_one_of_the_venues_document(self, profile, tmp_path, monkeypatch):
        """Binance's "FIX API", "How to sign Logon": a key, the fields and the signature."""
        pytest.importorskip("cryptography", reason="pip install 'tercel[sign]'")
        (tmp_path / "key.pem").write_text(KEY)
        (tmp_path / "key.pem").chmod(0o600)
        monkeypatch.setenv(
            "TERCEL_USER", "sBRXrJx2DsOraMXOaUovEhgVRcjOvCtQwnWj8VxkOh1xqboS02SPGfKi2h8spZJb"
        )
        text = """
base = "binance"
dictionary = "standard"
[session]
sender = "EXAMPLE"
[logon]
username = { env = "TERCEL_USER" }
private_key = { file = "key.pem" }
"""
        fields = list(load(profile(text)).settings().logon_fields("20240627-11:17:25.223", 1))
        signed = "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="
        at = fields.index((95, "88"))
        assert fields[at + 1] == (96, signed)
        assert dict(fields)[25035] == "2"


CFG = """
# as QuickFIX reads it
[DEFAULT]
ConnectionType=initiator
ReconnectInterval=60
StartTime=12:30:00
EndTime=21:30:00
TimeZone=America/New_York
Weekdays=mon,tue,wed,thu,fri
HeartBtInt=20
UseDataDictionary=N
FileStorePath=store
Colour=blue

[SESSION]
BeginString=FIX.4.2
SenderCompID=CLIENT1
TargetCompID=EXECUTOR
SocketConnectHost=127.0.0.1
SocketConnectPort=5001
ResetOnLogon=Y

[SESSION]
BeginString=FIX.4.4
SenderCompID=CLIENT2
TargetCompID=EXECUTOR
HeartBtInt=30
SocketConnectHost=127.0.0.1
SocketConnectPort=5002
NonStopSession=Y
"""


def ns(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


SHORT = "[SESSION]\nBeginString=FIX.4.4\nSenderCompID=A\nTargetCompID=B\n"
NOW = 1_750_000_000 * 10**9
HEAD = [(49, "B"), (56, "A"), (34, "7"), (52, "20250615-15:06:40")]
REJECT = [(37, "V1"), (11, "c"), (41, "p"), (39, "0"), (434, "1")]


class TestSettingsOfQuickFix:
    def made(self, tmp_path, text):
        path = tmp_path / "session.cfg"
        path.write_text(text)
        return str(path)

    def test_a_file_is_read_as_it_is(self, tmp_path):
        path = self.made(tmp_path, CFG)
        first, second = load(path, "CLIENT1"), load(path, "CLIENT2")
        table = first.profile.session
        assert (first.profile.version, table.sender, table.target) == (
            "FIX.4.2",
            "CLIENT1",
            "EXECUTOR",
        )
        assert (table.host, table.port, table.heartbeat_s, table.reset) == (
            "127.0.0.1",
            5001,
            20,
            ("logon",),
        )
        times = first.settings().times
        assert (times.start, times.end, times.zone, times.days) == (
            time(12, 30),
            time(21, 30),
            "America/New_York",
            tuple(range(5)),
        )
        assert second.profile.times is None
        assert (second.profile.session.heartbeat_s, second.profile.session.reset) == (30, ())
        assert not first.profile.orders.mass_status, "what 4.2 has not"

    def test_keys_that_are_not_understood_are_named(self, tmp_path):
        colour, again = load(self.made(tmp_path, CFG), "CLIENT1").notes
        assert "row 13: colour is not understood" in colour
        assert (
            "row 5: reconnectinterval=60 is not supported and has no effect: the way is tried"
            in again
        )

    @pytest.mark.parametrize(
        ("line", "other"),
        [
            *(
                ("CheckCompID=N", "Y"),
                ("ValidateLengthAndChecksum=N", "Y"),
                ("PersistMessages=N", "Y"),
            ),
            *(
                ("RefreshOnLogon=Y", "N"),
                ("RejectInvalidMessage=N", "Y"),
                ("RequiresOrigSendingTime=N", "Y"),
            ),
            *(("ValidateSequenceNumbers=N", "Y"), ("LogoutTimeout=5", None)),
        ],
    )
    def test_a_key_that_asks_for_what_this_engine_does_not_do_is_named(self, tmp_path, line, other):
        text = CFG.replace("ReconnectInterval=60\n", "").replace("Colour=blue", line)
        (note,) = load(self.made(tmp_path, text), "CLIENT1").notes
        assert (
            f"row 12: {line.partition('=')[0].lower()}={line.partition('=')[2]} is not supported"
            in note
        )
        if other is not None:
            right = text.replace(line, f"{line.partition('=')[0]}={other}")
            assert load(self.made(tmp_path, right), "CLIENT1").notes == ()

    @pytest.mark.parametrize(
        ("line", "kind", "body", "reason"),
        [
            ("ValidateFieldsOutOfOrder=N", "9", [*REJECT, (50, "ME")], 14),
            ("ValidateFieldsHaveValues=N", "9", [*REJECT, (58, "")], 4),
            (
                "ValidateUnorderedGroupFields=N",
                "W",
                [(55, "X"), (268, "1"), (270, "9"), (269, "0")],
                15,
            ),
            (
                "ValidateUnorderedGroupFields=N",
                "W",
                [(55, "X"), (268, "3"), (269, "0"), (270, "9")],
                16,
            ),
            ("AllowUnknownMsgFields=Y", "9", [*REJECT, (4999, "x")], 0),
            ("AllowUnknownMsgFields=Y", "9", [*REJECT, (262, "x")], 2),
            ("UseDataDictionary=N", "9", [*REJECT[1:], (4999, "x"), (39, "Z"), (58, "")], 0),
            ("ValidateIncomingMessage=N", "9", REJECT[1:], 1),
        ],
    )
    def test_a_key_that_relaxes_does_so_and_no_more(self, tmp_path, line, kind, body, reason):
        said = Message("FIX.4.4", [(35, kind), *HEAD, *body])
        strict, loose = (
            load(self.made(tmp_path, f"{SHORT}{key}={value}\n")).settings()
            for key, value in (("HeartBtInt", "30"), line.split("="))
        )
        assert examine(said, strict, NOW)[1].reason == reason
        assert examine(said, loose, NOW)[1] is None
        if "Dictionary" not in line and "Incoming" not in line:
            wrong = Message("FIX.4.4", [*said.fields[:-1], (1, "a"), (1, "b"), *said.fields[-1:]])
            assert examine(wrong, loose, NOW)[1] is not None, "another fault is one as before"

    def test_fields_of_users_are_checked_where_the_file_says_so(self, tmp_path):
        def reason(flag, tag):
            terms = load(self.made(tmp_path, f"{SHORT}ValidateUserDefinedFields={flag}\n"))
            fault = examine(
                Message("FIX.4.4", [(35, "9"), *HEAD, *REJECT, (tag, "5")]), terms.settings(), NOW
            )[1]
            return fault and fault.reason

        assert [reason("N", 7000), reason("Y", 7000)] == [None, 0]
        assert [reason("N", 20004), reason("Y", 20004)] == [None, 2], "one that another message has"

    @pytest.mark.parametrize(
        ("lines", "length_h", "begins"),
        [
            ("StartTime=00:00:00 EndTime=00:00:00", 24, "2024-06-12T00:00"),
            ("StartTime=17:00:00 EndTime=17:00:00", 24, "2024-06-11T17:00"),
            ("StartTime=17:00:00 EndTime=17:00:00 TimeZone=America/New_York", 24, "2024-06-11T21:00"),
            ("StartTime=00:00:00 EndTime=00:00:00 UseLocalTime=Y TimeZone=Asia/Tokyo", 24, "2024-06-11T15:00"),
            ("StartTime=17:00:00 EndTime=17:00:00 StartDay=sunday EndDay=sunday", 168, "2024-06-09T17:00"),
            ("StartTime=00:00:00 EndTime=00:00:00 Weekdays=mon,tue,wed", 24, "2024-06-12T00:00"),
            ("StartTime=00:00:00 EndTime=00:00:00 Weekdays=mon,tue", None, ""),
            ("StartTime=00:00:00 EndTime=00:00:00 NonStopSession=Y", 0, ""),
            ("NonStopSession=Y", 0, ""),
            ("HeartBtInt=30", 0, ""),
        ],
    )  # fmt: skip
    def test_a_session_that_ends_when_it_starts_begins_again_then(
        self, tmp_path, lines, length_h, begins
    ):
        """StartTime equal to EndTime is a day, or a week from StartDay on, as at QuickFIX; noon of a Wednesday."""
        text = SHORT + lines.replace(" ", "\n") + "\n"
        times = load(self.made(tmp_path, text)).settings().times
        assert (times is None) == (length_h == 0)
        if times is not None:
            noon_ns = ns("2024-06-12T12:00")
            window = times.window(noon_ns)
            assert window == (length_h and (ns(begins), ns(begins) + length_h * 3600 * 10**9))
            if window is not None and length_h * len(times.days) == 168:
                assert times.window(window[1]) == (window[1], 2 * window[1] - window[0])

    def test_no_session_is_begun_while_the_clocks_may_disagree_on_the_day(self, tmp_path):
        text = f"{SHORT}StartTime=00:00:00\nEndTime=00:00:00\n"
        terms = load(self.made(tmp_path, text))
        reasons = []
        for seconds in (-2, -1, 0, 1, 3):
            wall = ns("2024-06-13T00:00") + seconds * 10**9
            link = FixLink(terms, Address("127.0.0.1", 1), "A", wall=lambda wall=wall: wall)
            link.poll()
            reasons.append("closed" in link.down_reason)
            link.end()
        assert reasons == [True, True, True, True, False]

    def test_times_are_checked_and_written_as_the_file_says(self, tmp_path):
        late = Message("FIX.4.4", [(35, "0"), *HEAD])
        for flag, found in (("Y", 10), ("N", None)):
            settings = load(self.made(tmp_path, f"{SHORT}CheckLatency={flag}\n")).settings()
            fault = header_fault(late, settings, NOW + 40 * 86_400 * 10**9)
            assert (fault and fault.reason) == found
        assert (
            load(self.made(tmp_path, f"{SHORT}MillisecondsInTimeStamp=N\n")).settings().digits == 0
        )
        both = f"{SHORT}MillisecondsInTimeStamp=N\nTimestampPrecision=6\n"
        assert load(self.made(tmp_path, both)).settings().digits == 6

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("ConnectionType=initiator", "ConnectionType=acceptor", "row 4"),
            ("HeartBtInt=20", "HeartBtInt=soon", "row 10"),
            ("ResetOnLogon=Y", "ResetOnLogon=maybe", "row 21"),
            ("mon,tue", "mon,moon", "row 9"),
            ("America/New_York", "America/Olympus", "time zone"),
            ("UseDataDictionary=N", "DataDictionary=none.xml", "none.xml"),
            ("Colour=blue", f"Password={SECRET}", "row 13"),
            ("Colour=blue", "Colour", "row 13"),
            ("[DEFAULT]", "[DEFAULTS]", "row 3"),
        ],
    )
    def test_what_cannot_be_is_refused_with_the_row(self, tmp_path, old, new, said):
        with pytest.raises(ConfigError) as refused:
            load(self.made(tmp_path, CFG.replace(old, new)), "CLIENT1")
        assert said in str(refused.value)
        assert SECRET not in str(refused.value)

    def test_one_of_several_sessions_is_to_be_named(self, tmp_path):
        with pytest.raises(ConfigError, match="CLIENT1, CLIENT2"):
            load(self.made(tmp_path, CFG))

    def test_a_profile_adds_to_it(self, tmp_path, profile, monkeypatch):
        one = self.made(tmp_path, CFG.rsplit("[SESSION]", 1)[0])
        monkeypatch.setenv("TERCEL_WORD", SECRET)
        terms = load(profile(f'base = "{one}"\n[logon]\npassword = {{ env = "TERCEL_WORD" }}'))
        assert terms.profile.session.sender == "CLIENT1"
        assert dict(terms.settings().logon_fields("", 1))[554] == SECRET


@pytest.mark.parametrize(
    ("key", "kind", "body"),
    [
        ("known_values", "9", [*REJECT[:3], (39, "Z"), REJECT[4]]),
        ("known_tags", "9", [*REJECT, (4999, "x")]),
        ("have_values", "9", [*REJECT, (58, "")]),
        ("fields_in_order", "9", [*REJECT, (50, "ME")]),
        ("groups", "W", [(55, "X"), (268, "2"), (270, "9"), (269, "0"), (270, "8"), (269, "1")]),
        ("validated", "9", REJECT[:1]),
    ],
)
def test_how_strict_a_session_is_stands_in_its_profile(profile, key, kind, body):
    """Of all but executions (tests/fix/test_faulty_reports.py)."""
    said = Message("FIX.4.4", [(35, kind), *HEAD, *body])
    words = 'base = "generic-44"\n[session]\nsender = "A"\ntarget = "B"\n'
    for flag in ("true", "false"):
        settings = load(profile(f"{words}{key} = {flag}\n")).settings()
        assert (examine(said, settings, NOW)[1] is None) == (flag == "false")


def test_a_message_shows_no_value():
    assert SECRET not in repr(Message("FIX.4.4", [(35, "A"), (554, SECRET)]))
