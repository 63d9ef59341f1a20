"""What `tercel certify fix` does."""

from typing import Any

from certify.commands import CertifyFix
from certify.fix.suite import at, certify
from tercel.cli import hand_over, print_table, progress, result_console
from tercel.core import listed

_TEXTS = ("role", "result", "what")


def fix(request: CertifyFix) -> int:
    """Run the cases; 1 when one fails."""
    with progress(counted=True, transient=True) as bar:
        task = bar.add_task("cases", total=None)
        found = certify(
            request.profile,
            at(request.host, request.port),
            listed(request.case) if request.case else (),
            lambda _: bar.update(task, advance=1),
        )
    hand_over(found, request.as_json, lambda: _show(request, found))
    return 1 if found["failed"] else 0


def _show(request: CertifyFix, found: dict[str, Any]) -> None:
    whose = f"the acceptor at {request.host}:{request.port}" if request.host else "Tercel"
    rows = [(one["id"], one["role"], _ended(one), one["title"]) for one in found["cases"]]
    print_table(
        f"{whose}, profile {request.profile}",
        ("case", "role", "result", "what"),
        rows,
        left=_TEXTS,
        wraps=("what",),
    )
    console = result_console()
    console.print(f"{found['passed']} cases passed and {found['failed']} failed.")
    for one in [one for one in found["cases"] if not one["passed"]]:
        console.print(f"  {one['id']} as {one['role']}: {one['detail']}", markup=False)
    if found["exempt"]:
        console.print(
            f"Exempt are {', '.join(one['id'] for one in found['exempt'])}; --json says why."
        )


def _ended(one: dict[str, Any]) -> str:
    return "passed" if one["passed"] else "FAILED"
