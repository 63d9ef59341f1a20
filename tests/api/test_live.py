"""Where money can move: where the table of `docs/howto/gate.md` says so, with all that live asks, and nowhere else."""

import datetime as dt
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="a desk's journal needs the extra [trade]")

from tests.core.test_installation import NOBODY
from tests.desk.console.desks import PASSWORD, people_of
from tests.desk.gate.wall import exchange, turning
from tests.desk.rounds.test_stage import begun, desk, drill, journal_with
from tests.fix.plain_venue import PlainVenue

from tercel.api.console.second_person import SecondPerson
from tercel.api.desk import dependencies, desk as desk_module
from tercel.api.desk.desk import open_desk
from tercel.core import installation
from tercel.core.errors import ConfigError, TercelError
from tercel.core.system import user_name
from tercel.desk.engine import live_checks
from tercel.desk.engine.assembly import limits_of
from tercel.desk.engine.live_checks import check_stage, confirmation_text, live_reason
from tercel.desk.engine.runtime import is_in_process
from tercel.desk.gate.config import GateConfig, GateTerms
from tercel.desk.gate.opening import open_gate
from tercel.desk.limits import packaged_text
from tercel.fix import opening as fix_opening
from tercel.venues.binance_venue import opening as binance_opening
from tercel.venues.wire import RemoteVenue

pytestmark = pytest.mark.usefixtures("quick_hashes")
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "gate.md"
STAGES = ("", "replay", "shadow", "paper", "live")
STAYS, REFUSED, LEAVES, ALL = (
    "orders stay here",
    "refused",
    "orders leave, no money",
    "**money**, with all that live asks",
)
DRILL = "no money, with all that live asks"
PLACES = {
    "`simulated`, the exchange in the process": ("simulated", ""),
    "the code's list of hosts": ("binance", ""),
    "the installation's list": ("fix://venue.example:9", ""),
    "`tercel venue serve`, by its challenge": ("fix://127.0.0.1:9", ""),
    "every other host, loopback too": ("fix://127.0.0.1:9", "money"),
    "a gate that found one of these": ("gate:gate.sock", ""),
    "a gate that found one": ("gate:gate.sock", "money"),
}
NO_ORDERS = '[signals]\norders = "none"\n'
OWN = '\n[limits.changed]\n"desk.daily_loss" = 1_500\n"desk.drawdown" = 1_000\n"desk.gross_value" = 5_000\n'


def cell(stage: str, venue: str, why: str) -> str:
    """What the code makes of a stage at a venue that it found to be so; data are given where the stage wants them."""
    config = desk(stage, venue, lake_of(stage, venue))
    try:
        check_stage(config)
    except ConfigError:
        return REFUSED
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_checks, "why_money_at", lambda *_: why)
        try:
            if live_reason(config):
                return ALL if why else DRILL
        except ConfigError:
            return REFUSED
    return STAYS if is_in_process(config) or stage == "replay" or venue == "simulated" else LEAVES


def table() -> str:
    heads = [
        "where the order session would open",
        "no `stage`",
        *(f"`{stage}`" for stage in STAGES[1:]),
    ]
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, place in PLACES.items():
        alike.setdefault(tuple(cell(stage, *place) for stage in STAGES), []).append(name)
    rows = [["; ".join(names), *cells] for cells, names in alike.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in [heads, ["---"] * len(heads), *rows])


def test_the_table_is_what_the_code_decides() -> None:
    assert table() in PAGE.read_text(encoding="utf-8"), table()


# -- the way that a desk opens ----------------------------------------------------------------------------------------


class OpenedError(Exception):
    """An order session opens."""


class StaysError(Exception):
    """No order leaves."""


@pytest.fixture(scope="module")
def venues() -> Iterator[dict[str, PlainVenue]]:
    with ExitStack() as stack:
        found = {name: stack.enter_context(PlainVenue()) for name in ("served", "other")}
        found["other"].proves = False
        yield found


@pytest.fixture
def installed(
    tmp_path: Path, venues: dict[str, PlainVenue], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An installation whose people are others' than who trades, in a folder."""
    folder = tmp_path / "etc"
    folder.mkdir()
    people = people_of(folder, bob="risk", tom="trader")
    people.path.chmod(0o640)
    file = folder / "installation.toml"
    file.write_text(
        f'test_hosts = ["localhost:{venues["other"].port}"]\npeople = "{people.path}"\n'
    )
    monkeypatch.setattr(installation, "FILE", file)
    for module in (installation.os, desk_module.os):
        monkeypatch.setattr(module, "geteuid", lambda: NOBODY)
    return folder


@pytest.fixture
def places(tmp_path: Path, venues: dict[str, PlainVenue]) -> Iterator[Mapping[str, str]]:
    """Venues by the table's names."""
    with ExitStack() as stack:

        def gate(name: str, why: str) -> str:
            def reach(*asked: Any) -> Any:
                if why:
                    asked[-1](why)
                return exchange()

            folder = tmp_path / name
            folder.mkdir()
            (folder / "limits.toml").write_text(packaged_text())
            terms = GateConfig(
                gate=GateTerms(
                    venue="binance", accounts=("ann",), limits="limits.toml", silence_s=60.0
                )
            )

            def prove(shown: Mapping[str, Any], uid: int) -> str:
                return f"{shown['second']} {SecondPerson(str(shown['second']), str(shown['password']))}"

            made = stack.enter_context(open_gate(terms, folder, "test", reach=reach, prove=prove))
            stack.enter_context(turning(made.run))
            return f"gate:{made.path}"

        hosts = {
            name: f"fix://D@{{}}:{one.port}?profile=generic-44" for name, one in venues.items()
        }
        yield dict(
            zip(
                PLACES,
                ("simulated", "binance", hosts["other"].format("localhost"), hosts["served"].format("127.0.0.1"),
                 hosts["other"].format("127.0.0.1"), gate("test", ""), gate("real", "production")),
                strict=True,
            )
        )  # fmt: skip


@pytest.fixture
def opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """A desk opens as it does, but that its own gate is in this process, and that no order session gets further than
    its beginning."""

    def begins(*_: Any, **__: Any) -> None:
        raise OpenedError

    def stays(*_: Any, **__: Any) -> None:
        raise StaysError

    def venue_at(
        where: str, accounts: list[str], folder: Path, file: Path | None, latch: Path, closing: ExitStack,
        near: Path | None, changed: dict[str, Any], agree: Callable[[str], Mapping[str, str]],
    ) -> Any:  # fmt: skip
        if where.startswith("gate:"):
            closing.callback(RemoteVenue(where.removeprefix("gate:"), accounts, agree=agree).close)
            raise OpenedError
        terms = GateTerms(
            venue=where, accounts=tuple(accounts), limits=str(file or ""), changed=changed
        )
        closing.enter_context(
            open_gate(
                GateConfig(gate=terms),
                folder / "gate",
                "test",
                approve_money=lambda why: bool(agree(why)),
            )
        )

    def running(config: Any, folder: Path, parts: Any, **_: Any) -> None:
        with ExitStack() as closing:
            folder.mkdir(exist_ok=True)
            parts(folder, folder / "kill.json", closing)

    monkeypatch.setattr(fix_opening, "open_fix_venue", begins)
    monkeypatch.setattr(binance_opening, "open_binance_venue", begins)
    for name in ("refuse_short_day", "warm_up", "_paper_venue"):
        monkeypatch.setattr(
            dependencies, name, stays if name == "_paper_venue" else lambda *_: None
        )
    monkeypatch.setattr(dependencies.SimulatedMarkets, "dependencies", stays)
    monkeypatch.setattr(dependencies, "connect_venue", venue_at)
    monkeypatch.setattr(desk_module, "open_runtime", running)


ROWS = '\n[[instrument]]\nname = "AAA"\n\n[[agent]]\nname = "ann"\nstrategy = "twap_take"\n'


def lake_of(stage: str, venue: str) -> str:
    """Data are given where the stage wants them."""
    return (
        '[data]\nlake = "lake"\n' if venue == "simulated" and stage in ("replay", "shadow") else ""
    )


def outcome(folder: Path, stage: str, venue: str, more: str, **shown: Any) -> str:
    """What becomes of a desk of such a file that is opened."""
    said = f'stage = "{stage}"\n' if stage else ""
    file = folder / "desk.toml"
    file.write_text(f'[desk]\n{said}venue = "{venue}"\n{more}{ROWS}{NO_ORDERS}')
    try:
        open_desk(file, folder=folder / "desk", **shown)
    except OpenedError:
        return "opened"
    except StaysError:
        return "stays"
    except TercelError as error:
        return f"refused: {error}"
    raise AssertionError("it neither stays nor opens nor is refused")


def evidence_of(config: Any, folder: Path) -> dict[str, Any]:
    """All that live asks, of a desk whose kill switch was tried today."""
    if not folder.exists():
        journal_with(folder, *begun(config), *drill(dt.datetime.now(dt.UTC)))
    words = confirmation_text(config, limits_of(config))
    return {"tried": folder, "confirm": words, "second": SecondPerson("bob", PASSWORD)}


@pytest.mark.usefixtures("installed", "opening")
@pytest.mark.parametrize("place", PLACES)
def test_money_can_move_where_the_table_says_and_nowhere_else(
    place: str, places: Mapping[str, str], tmp_path: Path
) -> None:
    for stage in STAGES:
        decided = cell(stage, *PLACES[place])
        asks = decided in (ALL, DRILL)
        for limits, evidence in (("", False), *[("", True), (OWN, False)] * asks, (OWN, True)):
            more = lake_of(stage, places[place]) + limits
            config = desk(stage, places[place], more)
            tried = tmp_path / f"tried-{'own' if limits else 'packaged'}"
            shown = evidence_of(config, tried) if evidence else {}
            found = outcome(tmp_path, stage, places[place], more, **shown)
            wanted = {STAYS: "stays", REFUSED: "refused", LEAVES: "opened"}.get(decided)
            wanted = wanted or ("opened" if limits and evidence else "refused")
            assert found.partition(":")[0] == wanted, (stage, place, limits, evidence, found)
            told = "which counts as production" in found or "gate" in place or stage == "live"
            assert told or decided != ALL or wanted != "refused", found


@pytest.mark.usefixtures("installed", "opening")
@pytest.mark.parametrize("stage", ["", "live"])
@pytest.mark.parametrize(
    ("lacks", "told"),
    [
        ({"limits": ""}, "limits in currency units that a person set"),
        ({"tried": "nowhere"}, "a kill switch that was tried on"),
        ({"confirm": "yes"}, "the words"),
        ({"second": None}, "a second person"),
        ({"second": SecondPerson("bob", "a guess")}, "another password, or no user of that name"),
        ({"second": SecondPerson("tom", PASSWORD)}, "tom, who is trader"),
        ({"second": SecondPerson("eve", PASSWORD)}, "no user of that name"),
    ],
)
def test_without_one_part_of_the_evidence_no_order_session_opens(
    stage: str, lacks: dict[str, Any], told: str, places: Mapping[str, str], tmp_path: Path
) -> None:
    lacks = dict(lacks)
    venue, limits = places["every other host, loopback too"], lacks.pop("limits", OWN)
    (tmp_path / "people.json").write_text(json.dumps({"people": {}}))
    shown = evidence_of(desk(stage, venue, OWN), tmp_path / "tried")
    found = outcome(tmp_path, stage, venue, limits, **shown | lacks)
    assert re.search(told, found), found
    if not limits:
        assert ("the packaged ones (no stage in the desk's file, at " in found) == (not stage)
        what = "every requirement of live trading applies: docs/howto/crypto.md#what-live-asks"
        assert what in found
    assert not (tmp_path / "desk").exists(), "before anything is written"
    assert outcome(tmp_path, stage, venue, OWN, **shown) == "opened"


def test_the_second_person_is_of_a_file_that_the_starter_cannot_write(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob, file = SecondPerson("bob", PASSWORD), installed / "people.json"
    assert bob.prove_identity(file, NOBODY) == "bob (password)"
    monkeypatch.setenv("TERCEL_PEOPLE", str(file))
    with pytest.raises(
        ConfigError, match=r"received none named. To go on: have `people = FILE` written into"
    ):
        bob.prove_identity("", NOBODY)
    with pytest.raises(ConfigError, match="which the user who trades cannot write; received"):
        bob.prove_identity(file, file.stat().st_uid)
    file.chmod(0o660)
    with pytest.raises(ConfigError, match="mode 660, which uid"):
        bob.prove_identity(file, NOBODY)


@pytest.mark.parametrize(
    ("name", "why"), [(user_name(), "who starts it"), ("puppet", "one of the two let in or raised")]
)
def test_the_second_person_is_another_one(
    installed: Path, name: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, starter = people_of(installed), user_name()
    rows = json.loads(people.path.read_bytes())["people"]
    rows |= {name: {**rows["bob"], "lifters": {f"{starter} (tercel console users)": time.time()}}}
    people.path.write_text(json.dumps({"people": rows}))
    monkeypatch.setattr("tercel.api.console.second_person.user_name", lambda uid: starter)
    with pytest.raises(ConfigError, match=why):
        SecondPerson(name, PASSWORD).prove_identity(people.path, NOBODY)
