"""What `tercel certify fix` does."""

from typing import Any

from certify.commands import CertifyFix
from certify.fix.suite import acceptor_address, certify
from tercel.cli import hand_over, print_table, progress, result_console
from tercel.core import split_commas

_TEXTS = ("role", "result", "what")


def fix(request: CertifyFix) -> int:
    """Run the cases; 1 when one fails."""
    with progress(counted=True, transient=True) as bar:
        task = bar.add_task("cases", total=None)
        result = certify(
            request.profile,
            acceptor_address(request.host, request.port),
            split_commas(request.case) if request.case else (),
            lambda _: bar.update(task, advance=1),
        )
    hand_over(result, request.as_json, lambda: _show(request, result))
    return 1 if result["failed"] else 0


def _show(request: CertifyFix, result: dict[str, Any]) -> None:
    acceptor_name = f"the acceptor at {request.host}:{request.port}" if request.host else "Tercel"
    rows = [
        (case_row["id"], case_row["role"], _result_text(case_row), case_row["title"])
        for case_row in result["cases"]
    ]
    print_table(
        f"{acceptor_name}, profile {request.profile}",
        ("case", "role", "result", "what"),
        rows,
        left_aligned=_TEXTS,
        wraps=("what",),
    )
    console = result_console()
    console.print(f"{result['passed']} cases passed and {result['failed']} failed.")
    for case_row in [case_row for case_row in result["cases"] if not case_row["passed"]]:
        console.print(
            f"  {case_row['id']} as {case_row['role']}: {case_row['detail']}", markup=False
        )
    if result["exempt"]:
        console.print(
            f"Exempt are {', '.join(case_row['id'] for case_row in result['exempt'])}; --json says why."
        )


def _result_text(case_row: dict[str, Any]) -> str:
    return "passed" if case_row["passed"] else "FAILED"
