"""What the conformance kit of venues said of each that is held against it through a gate: with `-v`, at the end."""

import pytest

CERTIFIED = {
    "TestBinanceBehindAGate": "binance",
    "TestCcxtBehindAGate": "ccxt:binance",
    "TestAGateIsAVenue": "fix, the simulated exchange served",
    "TestAGateToTheSimulatedExchange": "the simulated exchange",
}
"""Class of tests -> venue, as the table of docs/howto/crypto.md has it."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the rows of the table."""
    if not terminalreporter.config.getoption("verbose") > 0:
        return
    for name, venue in CERTIFIED.items():
        told = {
            outcome: {
                one.nodeid
                for one in terminalreporter.stats.get(outcome, ())
                if f"::{name}::" in one.nodeid
            }
            for outcome in ("passed", "failed", "error")
        }
        bad = told["failed"] | told["error"]
        if held := told["passed"] | bad:
            terminalreporter.write_line(
                f"{venue}, through a gate: {len(held - bad)} of {len(held)} cases passed"
            )
