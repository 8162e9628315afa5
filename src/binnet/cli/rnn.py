"""`binnet rnn`: train rate networks and measure their Lyapunov exponents; the study of gains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from binnet._files import write_json
from binnet._records import reading
from binnet._threads import resolve_threads
from binnet.cli import _folders
from binnet.cli._common import clear_errors, refuse_changes, tell_how_to_resume
from binnet.cli._figures import save_pictures
from binnet.cli._lazy import LazyGroup
from binnet.cli._options import Parameter, add_options
from binnet.rate import (
    ACTIVATIONS,
    FLOSSINGS,
    OPTIMISERS,
    RULES,
    DivergenceError,
    RateConfiguration,
    RateTrainingResult,
    load_result,
    lyapunov_spectrum,
    start_network,
    tasks,
)
from binnet.rate import resume as resume_run
from binnet.rate import train as start_run
from binnet.rate.configuration import FEEDBACKS
from binnet.rate.lyapunov import WARMUP
from binnet.rate.model import DTYPES
from binnet.rate.results import WINDOW
from binnet.rate.structures import STRUCTURES

if TYPE_CHECKING:
    from binnet.rate import LyapunovSpectrum

COMMAND = "binnet rnn train"
CURVE = "learning_curve.png"
_TRIALS, _TRIALS_SEED = 32, 2**31  # for exponents; no training draws this batch

# Names are checked by the library, which says what there is.
PARAMETERS = (
    Parameter("--task", "task", str, f"what is learned: {', '.join(tasks.TASKS)}", ""),
    Parameter(
        "--loss-mask",
        "loss_mask",
        click.Choice(tasks.LOSS_MASKS),
        "steps that count: the task's, or those of the response alone",
        "",
    ),
    Parameter(
        "--rule",
        "rule",
        str,
        f"learning rule, any number >= 1 at the end of its name: {', '.join(RULES)}",
        "",
    ),
    Parameter("--gain", "gain", float, "initial gain: W_h is drawn from N(0, gain²/N)", ">= 0"),
    Parameter("--structure", "structure", str, f"how W_h is drawn: {', '.join(STRUCTURES)}", ""),
    Parameter("--learning-rate", "learning_rate", float, "step size", "> 0"),
    Parameter("--iterations", "iterations", int, "updates, each on fresh trials", ">= 1"),
    Parameter("--batch-size", "batch_size", int, "trials per update", ">= 1"),
    Parameter("--hidden", "n_hidden", int, "N, number of hidden neurons", ">= 1"),
    Parameter("--leak", "leak", float, "a = 1 - dt/tau", "0 to below 1"),
    Parameter("--activation", "activation", click.Choice(ACTIVATIONS), "f", ""),
    Parameter("--optimiser", "optimiser", click.Choice(OPTIMISERS), "follows the gradient", ""),
    Parameter(
        "--feedback",
        "feedback",
        click.Choice(FEEDBACKS),
        "what carries the error back, but in bptt, tbptt and rtrl; random: RFLO in e-prop; "
        "learned: as the readout learns",
        "",
    ),
    Parameter(
        "--feedback-decay",
        "feedback_decay",
        float,
        "decay of learned feedback and readout, in units of the learning rate",
        ">= 0",
    ),
    Parameter(
        "--floss",
        "floss_exponents",
        int,
        "Lyapunov exponents pushed towards 0 before training; 0: none",
        "0 to N",
    ),
    Parameter(
        "--floss-version",
        "floss_version",
        click.Choice(FLOSSINGS),
        "gradient of the exponents: of each step alone, or through time",
        "",
    ),
    Parameter("--floss-iterations", "floss_iterations", int, "steps of that", ">= 0"),
    Parameter("--floss-batch-size", "floss_batch_size", int, "trials in each of them", ">= 1"),
    Parameter("--floss-learning-rate", "floss_learning_rate", float, "step size of that", "> 0"),
    Parameter(
        "--floss-every",
        "floss_every",
        int,
        "updates between two rounds of flossing during training; 0: only before it",
        ">= 0",
    ),
    Parameter("--dtype", "dtype", click.Choice(DTYPES), "precision", ""),
    Parameter("--seed", "seed", int, "of weights and trials; repeats a run bit by bit", ">= 0"),
)


def _describe(parameter: Parameter) -> str:
    default = f"default {getattr(RateConfiguration(), parameter.name)}"
    return f"{parameter.valid}; {default}" if parameter.valid else default


@contextmanager
def _clear_errors() -> Iterator[None]:
    """As for all commands, and divergence is no crash either."""
    with clear_errors():
        try:
            yield
        except DivergenceError as error:
            raise click.ClickException(str(error)) from error


# `study` by the name that it had before there was `binnet study`.
@click.group(cls=LazyGroup, where=lambda: {"study": "binnet.cli.studies.rate:rate"})
def rnn() -> None:
    """Rate networks: exact and biologically plausible learning, and the role of initial weights."""


@rnn.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file of parameters, in the form of a run's config.toml; options go before it",
)
@lambda command: add_options(command, PARAMETERS, _describe)
@click.option(
    "--threads", type=int, help="threads of rtrl, snap, uoro and kf-rtrl  [up to cores; default 1]"
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="new folder for the run  [default: runs/TIME-TASK-RULE-gain...-seed...]",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="go on with a stopped run, to exactly the end of an unstopped one; with no other option "
    "but --threads, and --iterations to go on beyond the end",
)
def train(resume: Path | None, threads: int | None, **options: Any) -> None:
    """Train a rate network on a task by a learning rule.

    Equations are in the documentation of binnet.rate.RateRNN and binnet.rate.gradient. Ctrl-C
    writes a checkpoint and says how to go on.
    """
    with _clear_errors():
        n_threads = resolve_threads(1 if threads is None else threads)
        if resume is not None:
            refuse_changes(options, "--iterations")
            checkpoint = _folders.find_checkpoint(resume, COMMAND)
            folder, configuration = resume, load_result(checkpoint).configuration
            longer = options["iterations"]
            arguments: dict[str, Any] = {"checkpoint": checkpoint, "iterations": longer}
            run: Any = resume_run
        else:
            configuration, folder = _start(**options)
            arguments = {"configuration": configuration, "checkpoint": folder / _folders.CHECKPOINT}
            run = start_run
        _folders.add_provenance(folder, configuration.seed, n_threads)
        result = run(
            **arguments,
            threads=n_threads,
            on_checkpoint=lambda result: _write_metrics(folder, result),
            progress=True,
        )
        _write_configuration(folder, result.configuration)  # which may have more iterations now
        exponents = _measure_exponents(result)
        _write_metrics(folder, result, exponents)
        _draw(folder, result)
    _report(folder, result, exponents)


def _start(
    out: Path | None, config: Path | None, **parameters: Any
) -> tuple[RateConfiguration, Path]:
    configuration = RateConfiguration()
    if config is not None:
        table = _folders.read_tables(config).get("rnn")
        if not isinstance(table, dict):
            raise ValueError(
                f"{config} has no table [rnn]; the config.toml of a run shows the form"
            )
        with reading(config):
            configuration = RateConfiguration.from_dict(table, configuration)
    changes = {name: value for name, value in parameters.items() if value is not None}
    with clear_errors({p.name: p.option for p in PARAMETERS}):
        configuration = RateConfiguration.from_dict(changes, configuration)
        tasks.get(configuration.task)  # a custom task is a function, for binnet.rate.train
        configuration.check_memory()
    name = f"{configuration.task}-{configuration.rule}-gain{configuration.gain:g}"
    folder = _folders.make_folder(out, f"{name}-seed{configuration.seed}", COMMAND)
    _write_configuration(folder, configuration)
    return configuration, folder


def _write_configuration(folder: Path, configuration: RateConfiguration) -> None:
    _folders.write_tables(folder, {"rnn": configuration.to_dict()})


def _measure_exponents(result: RateTrainingResult) -> dict[str, LyapunovSpectrum | None]:
    """Return the largest exponent of the network as drawn and learned; None where it overflows."""
    inputs = tasks.get(result.configuration.task)(_TRIALS, _TRIALS_SEED).inputs
    networks = {
        "drawn": start_network(result.configuration, flossed=False),
        "learned": result.network,
    }
    exponents: dict[str, LyapunovSpectrum | None] = {}
    for name, network in networks.items():
        try:
            exponents[name] = lyapunov_spectrum(network, inputs)
        except DivergenceError:  # a last update far too large: the run has ended all the same
            exponents[name] = None
    return exponents


def _write_metrics(
    folder: Path,
    result: RateTrainingResult,
    exponents: dict[str, LyapunovSpectrum | None] | None = None,
) -> None:
    metrics: dict[str, Any] = {"iterations": len(result.losses), "completed": result.completed}
    if len(result.losses):
        metrics |= {"final_loss": result.final_loss, "lowest_loss": result.lowest_loss}
    if exponents is not None:
        metrics["max_lyapunov_exponent"] = {
            name: s and {"mean": float(s.exponents[0]), "standard_error": float(s.errors[0])}
            for name, s in exponents.items()
        }
    write_json(
        folder / _folders.METRICS, metrics | {"losses": result.losses.tolist()}, overwrite=True
    )


def _draw(folder: Path, result: RateTrainingResult) -> None:
    from binnet.plotting.rate import draw_losses

    if len(result.losses):
        c = result.configuration
        title = f"{c.task}, {c.rule}, gain {c.gain:g}, N = {c.n_hidden}, seed {c.seed}"
        levels_of = c.task if c.loss_mask == "task" else ""  # they are known for that mask alone
        draw = partial(draw_losses, result.losses, levels_of, title)
        save_pictures({folder / CURVE: draw}, overwrite=True)


def _report(
    folder: Path, result: RateTrainingResult, exponents: dict[str, LyapunovSpectrum | None]
) -> None:
    n, total = len(result.losses), result.configuration.iterations
    if n:
        click.echo(
            f"loss after iteration {n} of {total}: {result.final_loss:.5f} "
            f"(lowest mean of {WINDOW}: {result.lowest_loss:.5f})"
        )
    values = ", ".join(
        f"{k} {s.exponents[0]:.3f} ± {s.errors[0]:.3f}" if s else f"{k} none, as activity overflows"
        for k, s in exponents.items()
    )
    click.echo(f"max Lyapunov exponent per step: {values}")
    click.echo(_folders.describe_files(folder))
    if not result.completed:
        tell_how_to_resume(folder, COMMAND)


@rnn.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--exponents", type=int, default=1, show_default=True, help="k, 1 to N")
@click.option("--trials", type=int, default=_TRIALS, show_default=True, help="driven trials")
@click.option(
    "--warmup", type=int, default=WARMUP, show_default=True, help="first steps that do not count"
)
def lyapunov(run: Path, exponents: int, trials: int, warmup: int) -> None:
    """Measure the leading Lyapunov exponents of the network that `binnet rnn train` left in RUN."""
    with _clear_errors():
        result = load_result(_folders.find_checkpoint(run, COMMAND))
        inputs = tasks.get(result.configuration.task)(trials, _TRIALS_SEED).inputs
        spectrum = lyapunov_spectrum(result.network, inputs, exponents, warmup=warmup)
    dt = 1 - result.configuration.leak
    click.echo("   i   per step   std. error   per tau")
    rows = zip(spectrum.exponents, spectrum.errors, spectrum.per_unit_time(dt), strict=True)
    for i, (exponent, error, per_tau) in enumerate(rows, 1):
        click.echo(f"{i:4d} {exponent:10.4f} {error:12.4f} {per_tau:9.4f}")
