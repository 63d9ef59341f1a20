"""Whatever dealers say over FIX ends no desk and no gate, delays no kill, and trades no request twice."""

import logging
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.desk.gate.hostile_dealers import DEALERS, Chain, chain, name_of, stamp
from tests.waiting import until

from tercel.core.errors import TercelError
from tercel.core.orders import OrdStatus, QuotedOrder, Report, Tif, VenueEvent
from tercel.desk.trading.risk.trading_state import StateReason
from tercel.venues.wire import RemoteVenue

LOG = logging.getLogger(__name__)
KILL_S = 0.5
"""CPU seconds of the whole path, at the speed of the reference, from a kill to its confirmation."""


def speed() -> float:
    """CPU seconds here for one at the speed of the reference."""
    began = time.process_time()
    sum(i * i for i in range(10**6))
    return (time.process_time() - began) / 0.039


ODD = (
    *("", "0", "-1", "1", "7", "NaN", "Infinity", "1e308", "1E+1000000", "10.015", "9" * 40, "\u0663"),
    *("x" * 201, "x" * 5000, "a\tb", "\u2028", "\xe9", "\udcff", "a|b", "*", "NONE", " ", "Y"),
    *("99991231-23:59:59", "00010101-00:00:00", "20250101-00:00:00", "yesterday", "9.99", "10.01"),
)  # fmt: skip
Message = tuple[str, list[tuple[int, object]]]
STATUSES = "0123456789ABCDE"
KINDS = "0123456789ABCDEFGHI"


class Dealers:
    """Says random messages about whatever was asked for, quoted and taken at a venue; and notes what it said first."""

    def __init__(self, made: Chain, rng: random.Random) -> None:
        self.chain, self.venue, self.rng = made, made.venue, rng
        self.names: list[str] = ["q0"]
        self.first: dict[str, str] = {}
        """First word on each take: accepted, refused, or something else."""
        self.said: list[Message] = []
        self.numbers: dict[str, str] = {}
        self._count = 0
        self.venue.answer = self.note
        self.taken: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.refusals: Counter[str] = Counter()

    def note(self, take: dict[int, str]) -> None:
        """Hold a take against what was said of those before it of the same request."""
        hits = self.chain.session.quotes.book.hits
        request = hits[name_of(take)][0]
        asked = next(int(one[38]) for one in self.venue.asked_for if one[131] == request)
        before = [one for one in self.venue.taken[:-1] if hits[name_of(one)][0] == request]
        if silent := [name_of(one) for one in before if name_of(one) not in self.first]:
            self.wrong.append(f"{name_of(take)} while {silent} has no answer")
        lots = [int(one[38]) for one in before if self.first.get(name_of(one)) == "accepted"]
        if sum(lots) + int(take[38]) > asked:
            self.wrong.append(f"{request}: {lots} lots were accepted, then {take[38]} of {asked}")
        if any(one[117] == take[117] for one in before):
            self.wrong.append(f"{take[117]} was taken before")
        self.numbers[name_of(take)] = take[34]

    @contextmanager
    def refused(self) -> Iterator[None]:
        """What a desk may refuse to do, counted by its reason."""
        try:
            yield
        except TercelError as error:
            self.refusals[error.received.split()[0]] += 1

    def word(self, name: str, what: str) -> None:
        self.first.setdefault(name, what)

    # -- messages -----------------------------------------------------------------------------------------------------
    def say(self) -> None:
        """Say a few messages, in any order, some of them twice."""
        rng = self.rng
        with self.venue._lock:
            batch = [self.message() for _ in range(rng.randrange(1, 8))]
            if rng.random() < 0.3:
                batch += self.quotes()
            if rng.random() < 0.2:
                rng.shuffle(batch)
            for kind, fields in batch:
                for name in {str(value) for tag, value in fields if tag in (11, 41, 693, 37)}:
                    for take in self.venue.taken:
                        if name in (name_of(take), f"V{name_of(take)}"):
                            self.word(name_of(take), "odd")
                for take, number in self.numbers.items():
                    if (45, number) in fields:
                        self.word(take, "odd")
                if fields:
                    self.venue.say(kind, fields)
                    self.said.append((kind, fields))

    def message(self) -> Message:
        rng, draw = self.rng, self.rng.random()
        if draw < 0.1 and self.said:
            return rng.choice(self.said[-50:])  # once more
        if draw < 0.4 and self.venue.taken:
            self.clean()
            return "S", []
        made = rng.choice(
            [self.quote] * 6 + [self.withdrawal, self.status, self.reject, self.refusal, self.other]
            + [self.report] * 4
        )  # fmt: skip
        kind, fields = made()
        if rng.random() < 0.5:
            fields = self.changed(fields)
        if rng.random() < 0.05:
            fields = [(43, "Y"), (122, stamp(-1)), *fields]
        return kind, fields

    def clean(self) -> None:
        """Answer the last take as an honest dealer does."""
        take, rng = self.venue.taken[-1], self.rng
        name = name_of(take)
        if name in self.first:
            kind, status = rng.choice([("F", "2"), ("4", "4"), ("8", "8"), ("C", "C"), ("0", "0")])
            self.venue.report(take, kind, status)
        elif rng.random() < 0.6:
            self.word(name, "accepted")
            self.venue.report(take, "0", "0")
        else:
            self.word(name, "refused")
            self.venue.report(take, "8", "8")

    def changed(self, fields: list[tuple[int, object]]) -> list[tuple[int, object]]:
        """The same with some fields left out, odd, twice, or at another place."""
        fields, rng = list(fields), self.rng
        for _ in range(rng.randrange(1, 3)):
            at = rng.randrange(len(fields))
            tag, value = fields[at]
            how = rng.randrange(6)
            if how == 0 and len(fields) > 1:
                del fields[at]
            elif how == 1:
                fields.insert(at, (tag, value))
            elif how == 2:
                fields.append(
                    (rng.choice((60, 58, 1, 15, 48, 9999, 20004, 299, 5)), rng.choice(ODD) or "1")
                )
            else:
                fields[at] = tag, rng.choice(ODD) or "1"
        return fields

    def request(self) -> str:
        asked = self.venue.asked_for
        return self.rng.choice(asked[-1:] * 8 + asked[-20:])[131]

    def party(self) -> list[tuple[int, object]]:
        dealer = self.rng.choice((*DEALERS * 3, "D9", "", "\u202eD1"))
        return [(453, 1), (448, dealer), (447, "D"), (452, 35)] if dealer else []

    def quote(self) -> Message:
        rng, request = self.rng, self.request()
        asked = next(one for one in self.venue.asked_for if one[131] == request)
        self._count += 1
        self.names.append(f"q{self._count}" if rng.random() < 0.95 else rng.choice(self.names))
        side, draw = asked.get(54, ""), rng.choice
        sides = [(132, draw(("9.99", "9.98", "10.00"))), (133, draw(("10.01", "10.00", "10.02")))]
        if side and rng.random() < 0.8:
            sides = [sides[1] if side == "1" else sides[0]]
        told = [(54, side)] if side and rng.random() < 0.9 else []
        lots, ends = draw((asked[38], asked[38], "40")), stamp(draw((-1, 1, 5, 30)))
        about = [(131, request), (117, self.names[-1]), *self.party(), (55, "XYZ")]
        return "S", [*about, *told, (38, lots), *sides, (62, ends)]

    def quotes(self) -> list[Message]:
        """A quote of each dealer on the last request, as it was asked for."""
        asked, found = self.venue.asked_for[-1], list[Message]()
        side = asked.get(54)
        prices = [(132, "9.99")] * (side != "1") + [(133, "10.01")] * (side != "2")
        for dealer in DEALERS:
            self._count += 1
            self.names.append(f"q{self._count}")
            party = [(453, 1), (448, dealer), (447, "D"), (452, 35), (55, "XYZ")]
            about = [(131, asked[131]), (117, self.names[-1]), *party, (38, asked[38])]
            found.append(("S", [*about, *prices, (62, stamp(30))]))
        return found

    def withdrawal(self) -> Message:
        kind, name = self.rng.choice("12345"), self.rng.choice((*self.names[-5:], "*"))
        request = [(131, self.request())] * (self.rng.random() < 0.8)
        return "Z", [*request, (117, name), (298, kind), *self.party()]

    def status(self) -> Message:
        rng, taken = self.rng, self.venue.taken
        request = [(131, self.request())] * (rng.random() < 0.5)
        take = [(693, name_of(rng.choice(taken[-3:])))] if taken and rng.random() < 0.5 else []
        status = rng.choice(
            ["0", "1", "4", "5", "5", "5", "6", "7", "8", "9", "10", "11", "16", "20"]
        )
        about = [(117, rng.choice(self.names[-5:])), *take, (55, "XYZ")]
        return "AI", [*request, *about, (297, status), (58, "so")]

    def reject(self) -> Message:
        entry = [(146, 1), (55, "XYZ"), *self.party()]
        return "AG", [(131, self.request()), (658, self.rng.choice(("1", "9", "10", "99"))), *entry]

    def refusal(self) -> Message:
        rng = self.rng
        number = rng.choice([*[*self.numbers.values()][-3:], "1", str(rng.randrange(1, 200))])
        kind, about = rng.choice("3j"), rng.choice(("D", "R", "q", "F", "AJ", "S"))
        return kind, [(45, number), (372, about), *[(380, "3")] * (kind == "j"), (58, "no")]

    def other(self) -> Message:
        kind = self.rng.choice(("i", "b", "B", "R", "AJ", "AH", "CW", "ZZ", "h", "9", "r"))
        name = self.rng.choice(self.names)
        return kind, [(131, self.request()), (117, name), (55, "XYZ"), (58, "x"), (11, "c")]

    def report(self) -> Message:
        rng = self.rng
        self._count += 1
        take = rng.choice(self.venue.taken[-3:]) if self.venue.taken else {}
        name, lots = name_of(take) if take else "nobody", int(take.get(38, 100))
        kind, status = rng.choice(KINDS), rng.choice(STATUSES)
        if rng.random() < 0.7:
            kind, status = rng.choice(
                ["00", "F2", "F1", "44", "88", "AA", "I0", "I8", "CC", "D0", "50", "H0", "G1"]
            )
        if (
            not take and kind in "5D"
        ):  # opens an order that a person has to settle: the venue denies it
            kind = "F"
        last, price = rng.choice((lots, lots // 2, 1)), take.get(44, "10.01")
        cum = rng.choice((0, last, lots))
        return "8", [
            *((37, f"V{name}"), (11, name), (17, f"R{self._count}"), (150, kind), (39, status)),
            *((1, rng.choice(("ann", "ann", "bob"))), (55, "XYZ"), (54, take.get(54, "1"))),
            *((38, lots), (44, price), *[(19, f"R{self._count - 1}")] * (kind in "GH")),
            *[(32, last), (31, price)] * (kind in "FG"),
            *((151, max(lots - cum, 0)), (14, cum), (6, 0), (60, stamp())),
        ]


def forgive(made: Chain) -> None:
    """Let an agent trade again that implausible reports have stopped."""
    for gateway in (made.gate.gateway, made.session.gateway):
        with gateway.lock:
            gateway.limits.resume("ann")
            gateway.states.end(StateReason.BREACH, "ann")
    if made.latch.kill_reason("ann"):
        made.latch.rearm("a test", "eve", time.time_ns(), ["ann"])
        made.step()


def attacked(made: Chain, rng: random.Random, messages: int, person: bool) -> Dealers:
    """Let dealers say so many messages to a desk that asks them again and again."""
    dealers = Dealers(made, rng)
    session, tried = made.session, 0
    while len(dealers.said) < messages:
        session = made.session
        if not session.quotes.open and tried < messages:
            tried += 1
            forgive(made)
            side = rng.choice((1, -1))
            with dealers.refused():
                if person:
                    name = made.parent(100, side, strategy="twap_passive")
                    session.manager.pause(name, "to ask dealers")
                    made.step()
                    session.quotes.request(
                        name, 100, seconds=2, hidden=rng.random() < 0.3, by="eve"
                    )
                else:
                    made.parent(100, side, horizon_s=8)
            for _ in range(3):
                made.step()
        if made.venue.asked_for:
            dealers.say()
        while made.step(0.002):
            pass
        if person and session.quotes.book.quotes and rng.random() < 0.5:
            request = rng.choice([*session.quotes._open] or ["r0"])
            with suppress(TercelError):
                session.quotes.accept(request, rng.choice([*session.quotes.book.quotes]), "eve")
        if person and rng.random() < 0.02 and session.quotes._open:
            with suppress(TercelError):
                session.quotes.pass_quotes(rng.choice([*session.quotes._open]), (), "eve")
    return dealers


def held(dealers: Dealers, made: Chain) -> tuple[float, float]:
    """See that the desk goes on, that no request traded twice, and that a kill is confirmed; how long that took."""
    assert dealers.wrong == []
    forgive(made)
    made.step()
    return made.kill()


@pytest.mark.parametrize("person", [False, True])
def test_random_messages_of_dealers(person, tmp_path):
    with chain(tmp_path / "gate", limits={"person": person, "value": 10**9}) as made:
        made.rest()
        cpu_s, _ = held(attacked(made, random.Random(7), 60, person), made)
        assert cpu_s < KILL_S * speed()


@pytest.mark.release
def test_fifty_thousand_random_messages_of_dealers(tmp_path):
    """Each hundredth part is said to a desk and a gate of its own, until they are killed."""
    said, took, words = 0, [], Counter()
    for seed in range(100):
        person = seed % 2 == 1
        ways = {"quotes": ("order", "response")[seed // 2 % 2]}
        limits = {"person": person, "value": 10**9}
        with chain(tmp_path / str(seed), limits=limits, **ways) as made:
            made.rest()
            dealers = attacked(made, random.Random(seed), 500, person)
            took.append(held(dealers, made))
            said += len(dealers.said)
            words.update(dealers.first.values())
            words["requests"] += len(made.venue.asked_for)
    cpu_s, wall_s = (max(one) for one in zip(*took, strict=True))
    LOG.info("%d messages, %s; kills: %.2f CPU s, %.2f s at most", said, dict(words), cpu_s, wall_s)
    assert said >= 50_000
    assert words["requests"] > 500
    assert min(words["accepted"], words["refused"], words["odd"]) > 20
    assert cpu_s < KILL_S * speed()


FLOODS = {
    "quotes of one dealer": lambda n: ("S", {117: f"q{n}"}),
    "quotes without a dealer": lambda n: ("S", {117: f"q{n}", 453: None, 448: None, 447: None, 452: None}),
    "quotes that cannot be read": lambda n: ("S", {117: f"q{n}", 133: "10.015"}),
    "messages of no use": lambda n: ("i", {117: f"q{n}"}),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_delays_no_kill(flood, tmp_path):
    """10,000 quotes, or 2,000 messages of which each is journaled, alerted at and answered, before the kill."""
    many = 10_000 if "dealer" in flood else 2_000
    with chain(tmp_path / "gate", limits={"person": True}) as made:
        made.rest()
        name = made.asked()
        asked = made.venue.asked_for[-1]
        base = {131: name, 117: "", 453: 1, 448: "D1", 447: "D", 452: 35, 55: "XYZ", 54: "1"}
        base |= {38: asked[38], 133: "10.01"}
        for n in range(many):
            kind, changed = FLOODS[flood](n)
            fields = {tag: value for tag, value in (base | changed).items() if value is not None}
            made.venue.say(kind, [*fields.items()])
        cpu_s, wall_s = made.kill()
        LOG.info("%s: %.2f CPU s, %.2f s", flood, cpu_s, wall_s)
        assert cpu_s < 2 * KILL_S * speed(), "venue, gate and desk together"
        answers = made.venue.kinds().count("j")
        assert answers < many / 4 or flood == "messages of no use", "the session's own answers"


def test_no_session_takes_the_quote_of_another(tmp_path):
    with chain(tmp_path / "gate", limits={"person": True}) as made:
        name = made.quoted()
        other = RemoteVenue(made.gate.path, ("cat",))
        other.announce("b1", "XYZ", "cat", 1, 5)
        terms = "XYZ", 1, 5, 1001, Tif.IOC, "cat", "b1", other.now_ns, "q1"
        other.send(QuotedOrder("b1.1", *terms))
        heard: list[VenueEvent] = []
        until(
            lambda: (
                heard.extend(other.step(other.now_ns + 10**7))
                or any(isinstance(one, Report) for one in heard)
            )
        )
        (report,) = [one for one in heard if isinstance(one, Report)]
        assert (report.status, report.text) == (
            OrdStatus.REJECTED,
            "the quote 'q1' is for 'ann', not 'cat'",
        )
        assert made.venue.taken == []
        made.session.quotes.accept(name, "q1", "eve")
        made.until(lambda: made.venue.taken, "the take of who asked")
        other.close()


def test_times_of_no_64_bits_and_bytes_that_are_no_text_end_neither_gate_nor_desk(tmp_path):
    with chain(tmp_path / "gate", limits={"person": True}) as made:
        name = made.asked(5)
        for n, text in enumerate(("99991231-23:59:59", "00010101-00:00:00")):
            made.venue.respond(name, f"q{n}", DEALERS[n], _62=text)
        made.until(lambda: len(made.session.quotes.book.quotes) == 2, "quotes")
        order = made.session.quotes.accept(name, "q1", "eve")
        made.until(lambda: made.venue.taken, "a take")
        (take,) = made.venue.taken
        made.venue.report(
            take, "0", "0", _60="99991231-23:59:59", _37="\udcff", _17="\udcff", _58="\udcff"
        )
        made.venue.report(take, "F", "2", _60="00010101-00:00:00", _17="E\udcff")
        made.until(lambda: made.session.ledger.orders.get(order).settled, "a fill")
        assert made.session.ledger.orders.get(order).status is OrdStatus.FILLED
        made.kill()


def test_a_kill_is_confirmed_while_executions_are_missing(tmp_path):
    """The venue counts lots as filled whose execution never comes; the order has ended all the same."""
    with chain(tmp_path / "gate", limits={"person": True}) as made:
        name = made.quoted()
        made.session.quotes.accept(name, "q1", "eve")
        made.until(lambda: made.venue.taken, "a take")
        made.venue.report(made.venue.taken[0], "4", "4", _14="3")
        made.kill()
        assert made.session.ledger.orders.live() != []


def test_what_answers_a_flood_leaves_room_for_a_cancel(tmp_path):
    more = "[limits]\nmessages = 60\nwindow_s = 60"
    with chain(tmp_path / "gate", limits={"person": True}, more=more) as made:
        made.rest()
        name = made.asked(5)
        for n in range(40):
            made.venue.respond(name, f"q{n}", _133="10.015")
            made.step()
        made.until(lambda: len(made.session.ledger.orders.quarantined) == 40, "all of them")
        assert 0 < made.venue.kinds().count("j") < 30
        made.kill()
        assert made.venue.open == []
