"""`tercel trade verify`: read a journal's whole chain, from its first entry."""

from tercel.cli.desks import find_desk
from tercel.cli.trade import VerifyJournal
from tercel.report.terminal import print_json, result_console
from tercel.trading.journal.store import verify as verify_chain


def verify(request: VerifyJournal) -> None:
    """Every entry against its hash; ends with 1 when one is not what was written."""
    import typer

    found = verify_chain(find_desk(request.desk))
    if request.as_json:
        print_json(found._asdict())
    else:
        key = "with a key" if found.keyed else "without a key: who can write it can write its past anew"
        console = result_console()
        console.print(f"{found.sound:,} entries are sound, hashes {key}", markup=False)
        console.print(f"the last one's hash is {found.head}", markup=False)
        if found.fault:
            console.print(f"then {found.fault}", markup=False)
    if found.fault:
        raise typer.Exit(1)
