"""Learning curves of a training in TensorBoard; as CSV they are ``metrics.csv`` and ``validation.csv`` of its run folder."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tercel.core.errors import refuse_if
from tercel.core.extras import import_optional
from tercel.lab.evaluation.training_files import METRICS_FILE, VALIDATION_FILE, read_partial_metrics


def curve_writer(run: Path, folder: Path) -> Callable[..., None]:
    """Function that writes the rows which a run folder has got since its last call into a new event file of TensorBoard.

    What earlier event files in `folder` have no longer counts: a training that resumes drops rows after its checkpoint.

    Raises
    ------
    ConfigError
        TensorBoard is not installed (the extra ``tensorboard``).
    """
    writer = import_optional("tensorboard.summary.writer.event_file_writer", "tensorboard")
    protocol = import_optional("tensorboard.compat.proto.event_pb2", "tensorboard")
    event_file = writer.EventFileWriter(str(folder))
    event_file.add_event(
        protocol.Event(wall_time=time.time(), session_log={"status": protocol.SessionLog.START})
    )
    written = Counter[str]()

    def write_new(*_: object) -> None:
        """Write the numbers of each new row under ``training/`` or ``validation/``, by its frames."""
        for group, name in (("training", METRICS_FILE), ("validation", VALIDATION_FILE)):
            rows = read_partial_metrics(run / name)[written[group] :]
            written[group] += len(rows)
            for row in rows:
                values = [{"tag": f"{group}/{key}", "simple_value": row[key]} for key in row]
                event = {"step": int(row.get("frames", 0)), "summary": {"value": values}}
                event_file.add_event(protocol.Event(wall_time=time.time(), **event))
        event_file.flush()

    return write_new


def write_tensorboard(run: str | Path, folder: str | Path) -> None:
    """Write the learning curves of a run folder, finished or not, into an event file of TensorBoard.

    Parameters
    ----------
    run : str or Path
        Run folder of :func:`tercel.train` (`out`) or ``tercel agent train``; it has the curves as CSV.
    folder : str or Path
        Made if need be; the `logdir` of TensorBoard.

    Raises
    ------
    ConfigError
        TensorBoard is not installed (the extra ``tensorboard``), or `run` has no metrics.

    >>> write_tensorboard("nowhere", "curves")
    Traceback (most recent call last):
    ...
    tercel.core.errors.ConfigError: expected a run folder with metrics.csv; received nowhere. To go on: ...
    """
    refuse_if(
        not (Path(run) / METRICS_FILE).is_file(),
        f"a run folder with {METRICS_FILE}",
        str(run),
        "name one of tercel.train(..., out=...) or tercel agent train",
    )
    curve_writer(Path(run), Path(folder))()
