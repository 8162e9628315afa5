"""`binnet train`: learn a data set, and leave a folder that says everything about the run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click

from binnet._run_data import read_source, write_encoder
from binnet._threads import resolve_threads
from binnet._validation import check_labels
from binnet.cli import _runs
from binnet.cli._common import (
    clear_errors,
    refuse_changes,
    tell_how_to_resume,
)
from binnet.cli._data import data_options, fit_sizes, load_learned, take_source
from binnet.cli._folders import describe_files
from binnet.cli._options import OPTION_NAMES, SCHEDULE, parameter_options
from binnet.learning import (
    PRESETS,
    Configuration,
    EpochMetrics,
    TrainingResult,
    load_checkpoint,
    preset,
)
from binnet.learning import resume as resume_run
from binnet.learning import train as start_run
from binnet.learning.early_stopping import check_validation
from binnet.learning.memory import check_size
from binnet.learning.samples import check_samples, check_sets


@click.command()
@click.option(
    "--preset",
    "preset_name",
    type=click.Choice(PRESETS),
    help="all parameters at once: ours, the source's, or those of other architectures and controls "
    "with ours  [default: default]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file of parameters, in the form of a run's config.toml; options go before it, it "
    "goes before the preset",
)
@data_options
@parameter_options
@click.option(
    "--validation",
    type=click.IntRange(0),
    help="hold out this many of the last training samples, and measure on them and not on the test "
    "set  [default: 0]",
)
@click.option(
    "--keep-every",
    type=click.IntRange(0),
    help="also keep the checkpoint of each so many epochs, checkpoint-epoch-0005.safetensors, and "
    "that of epoch 0, the network as drawn; 0: none  [default: 0]",
)
@click.option(
    "--threads",
    type=int,
    help="threads of the kernels at most: it takes fewer where these are faster; the result does "
    "not depend on it  [up to cores; default: all]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="new folder for the run  [default: runs/TIME-H...-seed...]",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="go on with a stopped run, to exactly the end of an unstopped one; with no other option "
    "but --threads, --epochs or a longer --patience to go on beyond the end, and --data where the "
    "data are now",
)
def train(resume: Path | None, threads: int | None, **options: Any) -> None:
    """Train the binary recurrent network on entangled MNIST or your own data, by local plasticity.

    Symbols are those of the equations in the documentation of binnet.BinaryNetwork and
    binnet.PerceptronPlasticity. Ctrl-C writes a checkpoint and says how to go on.
    """
    with clear_errors():
        if resume is not None:
            refuse_changes(options, "--epochs", "--patience", "--data")
            if options["data"] is not None:
                _runs.move_data(resume, options["data"])
            folder, result = _resume(resume, threads, options["epochs"], options["patience"])
        else:
            folder, result = _start(threads, **options)
        _runs.write_metrics(folder, result)  # again: a crash may have come before the last epoch's
        _runs.draw_pictures(folder, result)
    _report(folder, result)


def _start(
    threads: int | None,
    out: Path | None,
    preset_name: str | None,
    config: Path | None,
    schedule: tuple[int, int, int] | None,
    validation: int | None,
    keep_every: int | None,
    **parameters: Any,
) -> tuple[Path, TrainingResult]:
    n_threads = resolve_threads(threads)
    configuration = preset(preset_name or "default", parameters["n_modules"])
    source, held_out = None, 0
    if config is not None:
        configuration, source, held_out = _runs.read_parameters(config, configuration)
        keep_every = _runs.read_keep_every(config) if keep_every is None else keep_every
    source = take_source(parameters, source)
    changes = {name: value for name, value in parameters.items() if value is not None}
    if schedule is not None:
        changes |= dict(zip(SCHEDULE, schedule, strict=True))
    with clear_errors(OPTION_NAMES):
        configuration = configuration.replace(**changes)
    validation = validation if validation is not None else held_out
    _check_patience(configuration, validation)
    encoder = None
    if source is None:
        (X, y), sets = _runs.load_samples(configuration.network.n_inputs, validation)
    else:
        learned = load_learned(source, validation, parameters["n_inputs"])
        (X, y), sets = learned.samples, dict([learned.measured])
        source, encoder = learned.source, learned.encoder
        configuration = fit_sizes(configuration, learned)
    check_labels("the labels", y, len(y), configuration.network.n_outputs)
    with clear_errors(OPTION_NAMES):
        check_size(configuration, len(y))
        with warnings.catch_warnings(action="ignore"):  # the run itself has its say
            (X, y), sets = check_samples("", X, y, configuration), check_sets(sets, configuration)
    folder = _runs.make_folder(out, configuration)
    _runs.write_configuration(folder, configuration, validation, keep_every or 0, source)
    if encoder is not None:
        write_encoder(folder, encoder)
    _runs.add_provenance(folder, configuration, n_threads)
    result = start_run(
        X,
        y,
        configuration,
        evaluate_on=sets,
        threads=threads,
        checkpoint=folder / _runs.CHECKPOINT,
        keep_every=keep_every or 0,
        on_epoch=lambda result: _runs.end_epoch(folder, result),
        progress=True,
    )
    return folder, result


def _check_patience(configuration: Configuration, validation: int) -> None:
    """Refuse early stopping that has nothing to go by; say what it means for rates that fall."""
    patience, epochs = configuration.training.patience, configuration.training.epochs
    if patience and not validation:
        raise ValueError(
            f"--patience {patience} needs validation samples, as the test set may not say when to "
            "stop; hold some out, as --validation 10000, or leave it out"
        )
    if patience and configuration.plasticity.rate_schedule != "constant":
        click.echo(
            f"the rates fall over all {epochs} epochs, also where the run ends early: most is "
            "gained where they are small, so stop early at --rate-schedule constant, or be patient",
            err=True,
        )


def _resume(
    folder: Path, threads: int | None, epochs: int | None, patience: int | None
) -> tuple[Path, TrainingResult]:
    checkpoint = _runs.find_checkpoint(folder)
    run = load_checkpoint(checkpoint)
    before, n_threads = run.configuration, resolve_threads(threads)
    (X, y), sets = _runs.load_samples_of(folder, run)
    with clear_errors({"epochs": "--epochs", "patience": "--patience"}):
        run.set_epochs(epochs, patience)
        check_validation(sets, run.configuration.training.patience)
    keep_every = _runs.read_keep_every(folder / _runs.CONFIGURATION)
    if run.configuration != before:
        source, validation = read_source(folder)
        _runs.write_configuration(folder, run.configuration, validation, keep_every, source)
        _tell_of_length(before, run.configuration)
    _runs.add_provenance(folder, run.configuration, n_threads)
    result = resume_run(
        checkpoint,
        X,
        y,
        epochs=epochs,
        patience=patience,
        keep_every=keep_every,
        evaluate_on=sets,
        threads=threads,
        on_epoch=lambda result: _runs.end_epoch(folder, result),
        progress=True,
    )
    return folder, result


def _tell_of_length(before: Configuration, after: Configuration) -> None:
    """Say that more epochs are not those of a run that had them from the start, if so."""
    old, new = before.training.epochs, after.training.epochs
    parts = {
        "the rates fall": after.plasticity.rate_schedule != "constant",
        "the curriculum goes": 0.0 < after.training.curriculum_start < 1.0,
    }
    if old != new and any(parts.values()):
        named = " and ".join(part for part, there in parts.items() if there)
        click.echo(
            f"{named} by the length of the run: from here on as in a run of {new} epochs, before "
            f"as in one of {old}; the end is not that of {new} epochs from the start",
            err=True,
        )


def _report(folder: Path, result: TrainingResult) -> None:
    epochs, patience = result.configuration.training.epochs, result.configuration.training.patience
    if result.history:
        metrics = result.history[-1]
        accuracies = _list_accuracies(metrics)
        click.echo(f"accuracy after epoch {metrics.epoch} of {epochs}: {accuracies}")
    if result.history and patience:
        best = result.best.history[-1]
        ended = metrics.epoch - best.epoch >= patience
        click.echo(
            f"{'stopped early; ' if ended else ''}best network, which is kept: epoch {best.epoch}, "
            f"{_list_accuracies(best)}"
        )
    click.echo(describe_files(folder))
    if not result.completed:
        tell_how_to_resume(folder, _runs.COMMAND)


def _list_accuracies(metrics: EpochMetrics) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.accuracy.items())
