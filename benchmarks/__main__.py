"""`python -m benchmarks NAME`: a speed beside its reference."""

from tercel.cli import AsJson, command_line, report_errors, run_app

app = command_line("benchmarks", "Measure a speed against its reference, both in this process.")


@app.command("book")
def bench_book(as_json: AsJson = False) -> None:
    """Order book: messages per second against the reference book and a twin in C++."""
    _bench("book", as_json)


@app.command("market")
def bench_market(as_json: AsJson = False) -> None:
    """Market: simulated messages per second, recorded, own orders in the book; share of Santa Fe's rate."""
    _bench("market", as_json)


@app.command("env")
def bench_env(as_json: AsJson = False) -> None:
    """Environment: decisions per second, share of the book's rate, two threads against one."""
    _bench("env", as_json)


@app.command("train")
def bench_train(as_json: AsJson = False) -> None:
    """Training: native PPO's frames per second against Stable-Baselines3."""
    _bench("train", as_json)


@app.command("ray")
def bench_ray(as_json: AsJson = False) -> None:
    """Ray: PPO's frames per second by number of workers, beside one process."""
    _bench("ray", as_json)


@app.command("cheridito-weiss")
def bench_cheridito_weiss(as_json: AsJson = False) -> None:
    """Replication: seconds of the training run of Cheridito and Weiss, beside what they report."""
    _bench("cheridito_weiss", as_json)


@app.command("decide")
def bench_decide(as_json: AsJson = False) -> None:
    """Decision: market event to commands in microseconds; policy inference against torch."""
    _bench("decide", as_json)


@app.command("executor")
def bench_executor(as_json: AsJson = False) -> None:
    """Executor: a book of ten levels and its commands in microseconds."""
    _bench("executor", as_json)


@app.command("import")
def bench_import(as_json: AsJson = False) -> None:
    """Import: message rows per second to Parquet."""
    _bench("imports", as_json)


@app.command("shanghai")
def bench_shanghai(as_json: AsJson = False) -> None:
    """Shanghai: rows of orders and trades per CPU second to Parquet, beside Polars on the same files."""
    _bench("shanghai", as_json)


@app.command("vendors")
def bench_vendors(as_json: AsJson = False) -> None:
    """Vendors: Databento's levels and Tardis's updates in CSV to the lake, rows a CPU second beside Polars reading the file."""
    _bench("vendors", as_json)


@app.command("dbn")
def bench_dbn(as_json: AsJson = False) -> None:
    """DBN: order-by-order records per second to the tape, beside Databento's own reader."""
    _bench("dbn", as_json)


@app.command("itch")
def bench_itch(as_json: AsJson = False) -> None:
    """ITCH 5.0: messages per second parsed, to tapes, and into the books of all symbols."""
    _bench("itch", as_json)


@app.command("venue")
def bench_venue(as_json: AsJson = False) -> None:
    """Exchange: market-data rows, orders and parents per second, beside the batch."""
    _bench("venue", as_json)


@app.command("gate")
def bench_gate(as_json: AsJson = False) -> None:
    """Hard limits: microseconds a check at the median and the 99th percentile."""
    _bench("gate", as_json)


@app.command("wall")
def bench_wall(as_json: AsJson = False) -> None:
    """Gate: what it adds to an order's way over FIX, and how soon a kill is through."""
    _bench("wall", as_json)


@app.command("endurance")
def bench_endurance(as_json: AsJson = False) -> None:
    """Endurance: memory of a desk of twenty agents over 2,000 rounds, and the restart on its journal."""
    _bench("endurance", as_json)


@app.command("journal")
def bench_journal(as_json: AsJson = False) -> None:
    """Journal: microseconds of a durable append, beside one in memory."""
    _bench("journal", as_json)


@app.command("fix")
def bench_fix(as_json: AsJson = False) -> None:
    """FIX: order to acknowledgement over loopback, beside the exchange in process."""
    _bench("fix", as_json)


@app.command("console")
def bench_console(as_json: AsJson = False) -> None:
    """Console: from an entry of a busy journal to twenty open pages; a long journal opened."""
    _bench("console", as_json)


@app.command("desk")
def bench_desk(as_json: AsJson = False) -> None:
    """Desk: rounds per second of the packaged demo, beside its markets alone."""
    _bench("desk", as_json)


def _bench(module: str, as_json: bool) -> None:
    with report_errors(as_json):
        from benchmarks import run_bench

        run_bench(module, as_json)


if __name__ == "__main__":
    run_app(app)
