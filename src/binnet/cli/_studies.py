"""What the commands that run a study share: lists of numbers, where results go, how they stop."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import stdev
from typing import Any

import click

from binnet.cli._figures import check_output

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def output_option(default: str, data: str = ".nc and .json") -> Decorator:
    """Return the option for the figure, beside which the data go."""
    return click.option(
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        default=default,
        show_default=True,
        callback=lambda ctx, param, value: check_output(value, (".png",)),
        help=f"figure (.png); data of the same name, {data}, go beside it",
    )


workers_option = click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="processes"
)


def training_options(*, epochs: int, hidden: int | None = None) -> Decorator:
    """Return the options for how networks are trained on entangled MNIST.

    Without `hidden`, the command has its own option for the number of neurons.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        options = [
            click.option(
                "--samples",
                type=click.IntRange(1, 60000),
                default=60000,
                show_default=True,
                help="training samples",
            ),
            click.option("--seeds", type=click.IntRange(1), default=3, show_default=True),
            click.option("--epochs", type=click.IntRange(1), default=epochs, show_default=True),
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


def describe_seeds(values: Sequence[float]) -> str:
    """Return mean and standard deviation over seeds as text."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:.4f}"
    return f"{mean:.4f} ± {stdev(values):.4f}"


@contextmanager
def stopping_is_safe() -> Iterator[None]:
    """Say how a sweep goes on when Ctrl-C stops it, and show in one line why one failed."""
    from binnet.sweeps import SweepError

    try:
        yield
    except SweepError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("\nstopped; what is finished is kept, the same command goes on from there")
        sys.exit(130)
