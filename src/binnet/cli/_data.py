"""The options of `binnet train` that say what is learned: the user's own data and their encoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from binnet._run_data import (
    NO_ENCODER,
    DataSource,
    Samples,
    count_training,
    divide,
    fit_encoder,
    locate,
)
from binnet.cli._common import clear_errors
from binnet.cli._numbers import ParamType
from binnet.learning import Configuration

ENCODERS = (NO_ENCODER, "threshold", "thermometer", "entangled", "standardise")
PROJECTION = "entangled"
_LARGE = 5.0  # standard deviations beyond are hardly meant as those of inputs, 1 of spins


class Encoder(ParamType):
    """NAME, or NAME:PARAMETER=VALUE,..."""

    name = "encoder"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, dict[str, Any]]:
        """Return the name and the parameters."""
        if isinstance(value, tuple):
            return value
        name, _, rest = str(value).partition(":")
        if name not in ENCODERS:
            self.fail(f"{name!r} is not one of {', '.join(ENCODERS)}", param, ctx)
        parameters = {}
        for part in filter(None, rest.split(",")):
            key, equals, text = part.partition("=")
            if not equals:
                self.fail(f"{part!r} is not PARAMETER=VALUE", param, ctx)
            parameters[key] = _parse(text)
        if name == NO_ENCODER and parameters:
            self.fail(f"{name} has no parameters, got {rest!r}; leave it out", param, ctx)
        return name, parameters


def _parse(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


_OPTIONS = (
    click.option(
        "--data",
        metavar="PATH",
        help="what to learn in place of the embedded data: a folder of IDX files (MNIST, "
        "Fashion-MNIST, KMNIST, EMNIST), an .npz file (X, y, or X_train, y_train, X_test, y_test), "
        "X.npy with y.npy beside it, .csv, .tsv or .parquet",
    ),
    click.option(
        "--data-name", metavar="NAME", help="which of several sets in a folder, such as letters"
    ),
    click.option(
        "--target",
        metavar="COLUMN",
        help="labels of a table: name or number of a column, from 0, or from the end, -1  "
        "[default: the last; y of an .npz file]",
    ),
    click.option(
        "--test-data", metavar="PATH", help="test samples: a file of the same form as --data"
    ),
    click.option(
        "--test-fraction",
        type=float,
        help="part of the samples that is held out for the test where none are given, the same of "
        "each class  [0 to 1; default 0.2]",
    ),
    click.option(
        "--split-seed",
        type=click.IntRange(0, 2**32 - 1),
        help="of that draw, of the order of a table's samples and of the random projection  "
        "[default: 0]",
    ),
    click.option(
        "--encoder",
        type=Encoder(),
        metavar="NAME[:PARAMETER=VALUE,...]",
        help=f"how features become inputs: {', '.join(ENCODERS)} (a random sign projection to "
        "--inputs spins), such as thermometer:n_levels=4; none: as they are, pixels (uint8) as "
        "x/255  [default: none; others need scikit-learn]",
    ),
    click.option(
        "--inputs",
        "n_inputs",
        type=click.IntRange(1),
        help="N_in, number of inputs  [default: that of the data; 100 random projections]",
    ),
)
# How the library's errors call what are options here.
_IN_ERRORS = {
    "by name": "by --data-name",
    "out name": "out --data-name",
    "out target": "out --target",
    "as the target": "as the --target",
    "test_data": "--test-data",
    "test_fraction": "--test-fraction",
    "split_seed": "--split-seed",
    "validation must": "--validation must",
}
_NAMES = ("data", "data_name", "target", "test_data", "test_fraction", "split_seed", "encoder")


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what is learned."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class Learned(NamedTuple):
    """Data to learn: the samples, the set to measure on, and what the run folder says of them."""

    samples: Samples
    measured: tuple[str, Samples]
    source: DataSource
    encoder: Any


def take_source(options: dict[str, Any], found: DataSource | None) -> DataSource | None:
    """Take the options of the data out of all; `found` is what a configuration file names."""
    given = {name: options.pop(name) for name in _NAMES}
    given = {name: value for name, value in given.items() if value is not None}
    data = given.pop("data", None)
    if data is None and found is None:
        if given:
            option = "--" + next(iter(given)).replace("_", "-")
            raise ValueError(f"{option} is of the user's own data; name them with --data")
        return None
    if "test_fraction" in given and ("test_data" in given or (data and Path(data).is_dir())):
        raise ValueError("--test-fraction is of data without a test part; leave it out")
    if "test_data" in given:
        given["test_data"] = locate(given["test_data"])
    if "encoder" in given:
        given["encoder"], given["encoder_parameters"] = given["encoder"]
    if "data_name" in given:
        given["name"] = given.pop("data_name")
    if data is not None:
        return DataSource(locate(data), **given)
    assert found is not None
    # With the fingerprint they are the same samples or none, unless their choice is another.
    if given.keys() - {"encoder", "encoder_parameters"}:
        given["fingerprint"] = ""
    return dataclasses.replace(found, **given)


def load_learned(source: DataSource, validation: int, n_inputs: int | None) -> Learned:
    """Load and encode the data; `n_inputs` is what the user asked for."""
    parameters = dict(source.encoder_parameters)
    if source.encoder == PROJECTION:
        if n_inputs is not None:
            parameters["n_components"] = n_inputs
        parameters.setdefault("random_state", source.split_seed)
    source = dataclasses.replace(source, encoder_parameters=parameters)
    with clear_errors(_IN_ERRORS):
        dataset = source.load()
        encoder = fit_encoder(source, dataset, count_training(dataset, validation))
        samples, measured = divide(dataset, validation, encoder)
    found = samples[0].shape[1]
    if n_inputs not in (None, found):
        raise ValueError(
            f"--inputs {n_inputs} is not the number of inputs that the data give with the encoder "
            f"{source.encoder}, {found}; leave it out"
        )
    _tell(source, dataset.name, samples, measured, len(dataset.classes))
    return Learned(samples, measured, source.of(dataset), encoder)


def fit_sizes(configuration: Configuration, learned: Learned) -> Configuration:
    """Return the configuration with the sizes of the data."""
    return configuration.replace(
        n_inputs=learned.samples[0].shape[1], n_outputs=len(learned.source.classes)
    )


def _tell(
    source: DataSource, name: str, samples: Samples, measured: tuple[str, Samples], n_classes: int
) -> None:
    X = samples[0]
    click.echo(
        f"{name}: {len(X)} samples to learn, {len(measured[1][1])} for {measured[0]}, "
        f"{X.shape[1]} inputs, {n_classes} classes"
    )
    if source.encoder == NO_ENCODER and X.dtype != np.uint8 and np.abs(X).max() > 1.0:
        mean, spread = X.mean(dtype=np.float64), X.std(dtype=np.float64)
        if spread > _LARGE or abs(mean) > spread / 2:
            click.echo(
                f"features of mean {mean:.3g} and standard deviation {spread:.3g} are taken as "
                "they are; networks learn from inputs of size 1 around 0: see --encoder "
                "standardise, or save pixels 0..255 as uint8",
                err=True,
            )
