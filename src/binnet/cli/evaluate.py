"""`binnet evaluate`: a run's accuracy again, by classes, and beside that of other readouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from binnet._files import check_file, write_json
from binnet._provenance import describe_run
from binnet._threads import resolve_threads
from binnet.cli import _runs
from binnet.cli._common import clear_errors
from binnet.cli._figures import force_option, save_pictures
from binnet.cli.studies._shared import tell_files
from binnet.dynamics import predict
from binnet.learning import READOUTS, ClassReport, Run, fit_readouts, load_best, report_classes

REPORT = "class_report.json"
CONFUSION = "confusion_matrix.png"
OTHER_READOUTS = "readouts.json"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data", metavar="PATH", help="where the run's own data are now; it is noted in the run folder"
)
@click.option(
    "--test",
    is_flag=True,
    help="measure on the test set, also where the run held out a validation set: when all choices "
    "are made",
)
@click.option(
    "--report",
    is_flag=True,
    help=f"also precision, recall, F1 and the confusion matrix of the classes: a table, and in RUN "
    f"{REPORT} and {CONFUSION}",
)
@click.option(
    "--readout",
    "readouts",
    type=click.Choice(READOUTS),
    multiple=True,
    help="also train another readout on the final states of the training samples, and compare: "
    "local, by the run's own rule, or logistic, scikit-learn's logistic regression; may be given "
    f"twice; results go to {OTHER_READOUTS} in RUN",
)
@click.option("--threads", type=int, help="threads of the kernels  [up to cores; default: all]")
@force_option
def evaluate(
    run: Path,
    data: str | None,
    test: bool,
    report: bool,
    readouts: tuple[str, ...],
    threads: int | None,
) -> None:
    """Measure the accuracy of the network that `binnet train` has learned in the folder RUN.

    The set is the run's own: test, or validation where one was held out. The network is the last
    one, or that of the best epoch where the run stops early (--patience).
    """
    with clear_errors():
        state = load_best(_runs.find_checkpoint(run))
        if data is not None:
            _runs.move_data(run, data)
        files = [REPORT, CONFUSION] * report + [OTHER_READOUTS] * bool(readouts)
        for name in files:
            check_file(run / name)
        training = state.configuration.training
        samples, sets = _runs.load_samples_of(run, state)
        if test:
            sets |= _runs.load_test_set_of(run, state)
        name, (X, y) = list(sets.items())[-1]
        predictions = predict(state.relaxable(), X, **training.inference_options(), threads=threads)
        right = int((predictions == y).sum())
        epochs = f"{state.epoch} of {training.epochs} epochs"
        click.echo(f"{name} accuracy {right / len(y):.4f} ({right} of {len(y)}) after {epochs}")
        if report:
            found = report_classes(y, predictions, _runs.read_classes(run, state))
            _write_report(run, state, name, found, resolve_threads(threads))
        if readouts:
            others = fit_readouts(
                state,
                *samples,
                readouts=readouts,
                evaluate_on=sets,
                threads=threads,
                progress=True,
            )
            write_json(run / OTHER_READOUTS, others.to_dict())
            _tabulate(others.accuracy)
            tell_files([], run / OTHER_READOUTS, "")


def _write_report(run: Path, state: Run, name: str, report: ClassReport, threads: int) -> None:
    """Print precision, recall and F1 of each class, and write them with the confusion matrix."""
    from binnet.plotting.classes import draw_confusion

    record: dict[str, Any] = report.to_dict()
    width = max(5, *(len(str(label)) for label in report.classes))
    click.echo(f"{'class':<{width}}  precision  recall  F1      samples")
    for row in record["classes"]:
        click.echo(
            f"{row['class']:<{width}}  {row['precision']:<9.4f}  {row['recall']:.4f}  "
            f"{row['f1']:.4f}  {row['support']:>7}"
        )
    training = state.configuration.training
    who = {"set": name, "epoch": state.epoch, "run": describe_run(training.seed, threads)}
    write_json(run / REPORT, who | record)
    title = f"{name} accuracy {report.accuracy:.4f}, epoch {state.epoch}, seed {training.seed}"
    pictures = save_pictures({run / CONFUSION: lambda: draw_confusion(report, title)})
    tell_files(pictures, run / REPORT, "")


def _tabulate(accuracy: dict[str, dict[str, float]]) -> None:
    """Print the accuracy of each readout on each set."""
    sets = list(accuracy["own"])
    click.echo(f"{'readout':<8}" + "".join(f"  {name:<10}" for name in sets))
    for readout, values in accuracy.items():
        click.echo(f"{readout:<8}" + "".join(f"  {values[name]:<10.4f}" for name in sets))
