"""What the commands that run a study share: their options, how they run, and what they leave."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING, Any

import click

from binnet.cli._common import ADOPT_HELP, clear_errors
from binnet.cli._figures import check_output, force_option, save_pictures
from binnet.cli._numbers import Numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def output_option(default: str, data: str = ".nc and .json") -> Decorator:
    """Return the options for the figure, beside which the data go, and for what it may replace."""
    option = click.option(
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        default=default,
        show_default=True,
        callback=lambda ctx, param, value: check_output(value, (".png",), (".json",)),
        help=f"figure (.png); data of the same name, {data}, go beside it",
    )
    return lambda command: option(force_option(command))


def numbers_option(
    name: str, destination: str, default: Sequence[float], meaning: str, valid: str
) -> Decorator:
    """Return an option that takes one number or several; their kind is that of the default."""
    kind = int if all(isinstance(value, int) for value in default) else float
    return click.option(
        name,
        destination,
        type=Numbers(kind),
        default=",".join(f"{value:g}" for value in default),
        show_default=True,
        help=f"{meaning}  [{valid}]",
    )


def whole_option(
    name: str, default: int, meaning: str | None = None, low: int = 1, high: int | None = None
) -> Decorator:
    """Return an option that takes a whole number."""
    return click.option(
        name, type=click.IntRange(low, high), default=default, show_default=True, help=meaning
    )


MOST_WORKERS, MOST_SEEDS = 1024, 10000
seeds_option = whole_option("--seeds", 3, "repetitions, from seed 0 on", high=MOST_SEEDS)


def _let_adopt(context: click.Context, parameter: click.Parameter, adopt: bool) -> None:
    if adopt:
        from binnet import sweeps

        context.with_resource(sweeps.adopting())


_workers_option = whole_option("--workers", 1, "processes", high=MOST_WORKERS)
_adopt_option = click.option(
    "--adopt", is_flag=True, expose_value=False, callback=_let_adopt, help=ADOPT_HELP
)


def workers_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all studies share: on how many processes they run, and what they may keep."""
    return _workers_option(_adopt_option(command))


def training_options(*, epochs: int, hidden: int | None = None) -> Decorator:
    """Return the options for how networks are trained on entangled MNIST.

    Without `hidden`, the command has its own option for the number of neurons.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        options: list[Decorator] = [
            click.option(
                "--samples",
                type=click.IntRange(1, 60000),
                default=60000,
                show_default=True,
                help="training samples",
            ),
            seeds_option,
            whole_option("--epochs", epochs),
        ]
        if hidden is not None:
            options.append(
                click.option(
                    "--hidden",
                    "n_hidden",
                    type=click.IntRange(1),
                    default=hidden,
                    show_default=True,
                    help="H, neurons of each module",
                )
            )
        for option in options:
            command = option(command)
        return command

    return add


def describe_training(n_hidden: str | int | None = None, **training: Any) -> str:
    """Return the title of a figure: how networks were trained."""
    size = "" if n_hidden is None else f", H = {n_hidden}"
    return (
        f"entangled MNIST{size}, {training['epochs']} epochs of {training['samples']} samples, "
        f"seeds: {training['seeds']}"
    )


def describe_seeds(values: Sequence[float]) -> str:
    """Return mean and standard deviation over seeds as text."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:.4f}"
    return f"{mean:.4f} ± {stdev(values):.4f}"


@dataclass(frozen=True)
class Findings:
    """What a study has found."""

    results: Mapping[str, Any]  # for JSON
    figures: Mapping[Path, Callable[[], Figure]]
    table: Sequence[str]  # lines


def run_study(
    data: Path,
    parameters: Mapping[str, Any],
    work: Callable[[], Findings],
    options: Mapping[str, str] | None = None,
    *,
    beside: str = " and .nc beside it",
) -> None:
    """Do the work of a study; write its figures and its record, `data`; print its table.

    `options` says which option stands for a parameter of the library that an error may name,
    `beside` what the study itself has written.
    """
    with clear_errors(options), _stopping_is_safe():
        from binnet.studies import record_study

        with record_study(data, parameters) as results:
            found = work()
            results.update(found.results)
    figures = save_pictures(found.figures)
    for line in found.table:
        click.echo(line)
    tell_files(figures, data, beside)


def tell_files(figures: Sequence[Path], data: Path, beside: str = " and .nc beside it") -> None:
    """Say where the figures and the data are."""
    for path in figures:
        click.echo(f"figure: {path}")
    click.echo(f"data:   {data}{beside}")


@contextmanager
def _stopping_is_safe() -> Iterator[None]:
    """Say how a sweep goes on when Ctrl-C stops it, and show in one line why one failed."""
    from binnet.sweeps import SweepError

    try:
        yield
    except SweepError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("\nstopped; what is finished is kept, the same command goes on from there")
        sys.exit(130)
