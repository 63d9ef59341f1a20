"""What can be typed once this package is installed: `tercel certify fix`, `certify week` and others."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import typer

from tercel.cli import AsJson, PluginCommands, Seed, Simulate

if TYPE_CHECKING:
    from tercel.market.tape import Events, Instrument


@dataclass(frozen=True)
class CertifyFix:
    """Run the certification cases of a profile: sessions (S), orders (O) and controls (K), in both roles over sockets.

    Without --host the system under test is ours. With --host and --port it is somebody else's acceptor: the profile
    says who logs on there and names a symbol. Exit 1 when a case fails. Beside these cases the tests run the 59
    session scripts of the reference engine, QuickFIX, for each version; docs/results/certification.md has the figures.
    """

    body: ClassVar[str] = "certify.fix.command:fix"
    interrupted: ClassVar[str] = "cases that had not ended are not counted"

    host: Annotated[str, typer.Option(help="Somebody else's acceptor.", metavar="HOST")] = ""
    port: Annotated[int, typer.Option(help="Its port.", min=0, max=65535, metavar="PORT")] = 0
    profile: Annotated[
        str, typer.Option(help="A shipped profile, or its file.", metavar="NAME|FILE")
    ] = "generic-44"
    case: Annotated[
        str, typer.Option(help="These cases alone, with commas: S13,S30.", metavar="ID[,ID...]")
    ] = ""
    as_json: AsJson = False


@dataclass(frozen=True)
class CertifyWeek:
    """Let a desk go through a week by itself: venue, gate, desk, console and people, and faults at drawn times.

    The venue's record is then held against the journals, limits are recomputed from it, and every alert's owner is
    looked up in the day's report. Exit 1 when anything is lost, doubled, beyond a limit or nobody's.
    """

    body: ClassVar[str] = "certify.week.command:week"
    interrupted: ClassVar[str] = "the sessions that are over lie in the folder"

    seed: Seed = 1
    sessions: Annotated[int, typer.Option(help="Sessions, a day each.", min=1, max=100)] = 5
    hours: Annotated[float, typer.Option(help="Hours of a session.", min=0.1, max=24.0)] = 6.5
    speed: Annotated[
        float, typer.Option(help="Seconds of the venue in one.", min=1.0, max=1000.0)
    ] = 120.0
    round_s: Annotated[
        float, typer.Option(help="Seconds of the venue of a round.", min=60.0, max=86_400.0)
    ] = 1800.0
    fault: Annotated[
        list[str] | None,
        typer.Option(help="This fault; several (default: every one).", metavar="NAME"),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for logs, records and reports; an empty one.", metavar="DIR"),
    ] = None
    as_json: AsJson = False


@dataclass(frozen=True)
class Faults:
    """Break what can break between a desk, its gate and a venue, go on, and count what is lost, doubled or unwatched.

    Desk, gate and exchange are killed and stopped, links cut and messages garbled, disks full, journals locked.
    """

    body: ClassVar[str] = "certify.faults.command:faults"

    points: Annotated[int, typer.Option(help="Faults, one after another.", min=1, max=10_000)] = 20
    seed: Seed = 1
    as_json: AsJson = False


@dataclass(frozen=True)
class Stress:
    """Stress the gate with random actions beside an auditor that recomputes every limit; exit 1 on any breach."""

    body: ClassVar[str] = "certify.limits.command:stress"

    actions: Annotated[int, typer.Option(help="Random actions.", min=1, max=10**9, metavar="N")] = (
        1_000_000
    )
    seed: Seed = 1
    plant: Annotated[
        str, typer.Option(hidden=True, help="Give the gate one limit that is off by a step.")
    ] = ""
    as_json: AsJson = False


@dataclass(frozen=True)
class SimulateWithItch(Simulate):
    """What is asked of `tercel market simulate`, with a file of the exchange's own format of each day."""

    body: ClassVar[str] = "tercel.cli.market:simulate"

    itch: Annotated[
        Path | None,
        typer.Option(help="Folder to write each day into as an ITCH 5.0 file too.", metavar="DIR"),
    ] = None

    def write_extra_files(self, instrument: "Instrument", events: "Events") -> dict[str, Any]:
        """What else a day is written as: the files, by their key in the day's row."""
        if self.itch is None:
            return {}
        from certify.itch_write import write_day

        return {"itch": write_day(self.itch, instrument, events)}


COMMANDS: Final = [
    PluginCommands(
        "certify", (CertifyFix, CertifyWeek), "Certification: case by case, and a week unattended."
    ),
    PluginCommands("trade", (Faults,)),
    PluginCommands("limits", (Stress,)),
    PluginCommands("market", (SimulateWithItch,)),
]
