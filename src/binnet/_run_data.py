"""The user's own data in a run: where they are, how they are encoded, and that they are the same.

A run folder says it in the table [data] of its config.toml; the fitted encoder, if there is one,
lies beside it. Without a source in that table the data are entangled MNIST, embedded in binnet.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._records import read_toml, reading
from binnet._tensors import read_tensors, write_tensors
from binnet._validation import check_integer
from binnet.datasets import Dataset, load_dataset, load_idx_dataset
from binnet.datasets.dataset import match_type, number_labels
from binnet.datasets.tables import read_samples, split_pair

CONFIGURATION = "config.toml"
ENCODER = "encoder.safetensors"
DATA = "data"  # the table
NO_ENCODER = "none"
_FORM = "binnet-encoder"
_KINDS: Mapping[str, Any] = {
    "test_fraction": (int, float), "split_seed": int, "encoder_parameters": dict, "classes": list,
    "columns": list,
}  # fmt: skip

Samples = tuple[NDArray[Any], NDArray[np.int64]]


@dataclass(frozen=True)
class DataSource:
    """What `load_dataset` is asked for, and what came of it; empty is what was not asked."""

    source: str
    name: str = ""
    target: str = ""
    test_data: str = ""
    test_fraction: float = 0.2
    split_seed: int = 0
    encoder: str = NO_ENCODER
    encoder_parameters: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[Any, ...] = ()
    columns: tuple[str, ...] = ()
    dtype: str = ""
    fingerprint: str = ""

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> DataSource | None:
        """Return what a table [data] says, without its number of validation samples."""
        values: dict[str, Any] = {k: value for k, value in table.items() if k != "validation"}
        known = [each.name for each in dataclasses.fields(cls)]
        unknown = sorted(values.keys() - set(known))
        if unknown:
            raise ValueError(
                f"unknown parameter {unknown[0]!r} in [{DATA}]; known are validation, "
                + ", ".join(known)
            )
        if not values:
            return None
        for name, value in values.items():
            if not isinstance(value, _KINDS.get(name, str)) or isinstance(value, bool):
                raise TypeError(f"{name} in [{DATA}] has the wrong type: {value!r}")
        if not values.get("source"):
            raise ValueError(f"[{DATA}] must name a source, where it says more than validation")
        values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**values)

    def to_table(self) -> dict[str, Any]:
        """Return what `from_table` takes; nothing of what is empty."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}
        return {name: value for name, value in values.items() if value not in ("", [], {})}

    def at(self, place: str | Path) -> DataSource:
        """Return the same data in another place, with the test data if these are beside it."""
        source, test = locate(place), self.test_data
        beside = Path(source).parent / Path(test).name
        return dataclasses.replace(
            self, source=source, test_data=str(beside) if test and beside.exists() else test
        )

    def load(self) -> Dataset:
        """Load the data; refuse others than those that were there before."""
        dataset = load_dataset(
            self.source,
            self.target or None,
            self.name or None,
            test_data=self.test_data or None,
            test_fraction=self.test_fraction,
            split_seed=self.split_seed,
        )
        if self.fingerprint and dataset.fingerprint != self.fingerprint:
            raise ValueError(
                f"{self.source} does not hold the samples that the run began with: they have "
                f"the SHA-256 {dataset.fingerprint[:16]}..., not {self.fingerprint[:16]}...; use "
                "those, or begin a new run with --data"
            )
        return dataset

    def of(self, dataset: Dataset) -> DataSource:
        """Return this source with what identifies the data that it gave."""
        classes = tuple(dataset.classes.tolist())
        return dataclasses.replace(
            self,
            classes=classes,
            columns=dataset.columns,
            dtype=str(dataset.X_train.dtype),
            fingerprint=dataset.fingerprint,
        )


def locate(path: str | Path) -> str:
    """Return a path that holds in every working folder; "X.npy,y.npy" are two."""
    return ",".join(str(Path(part).expanduser().absolute()) for part in split_pair(str(path)))


def read_source(folder: Path) -> tuple[DataSource | None, int]:
    """Return the data of a run folder, None for the embedded ones, and how many were held out."""
    path = folder / CONFIGURATION
    tables = read_toml(path, "configuration file", "the config.toml of a run shows the form")
    return parse_table(path, tables.get(DATA, {}))


def parse_table(path: Path, table: Any) -> tuple[DataSource | None, int]:
    """Return the data that a table [data] names, and the number of samples held out."""
    with reading(path):
        if not isinstance(table, dict):
            raise TypeError(f"[{DATA}] must be a table of parameters, got {table!r}")
        # Whoever knows how many samples there are checks how many may be held out.
        return DataSource.from_table(table), table.get("validation", 0)


def fit_encoder(source: DataSource, dataset: Dataset, n_train: int) -> Any:
    """Return the encoder, fitted to the first training samples; None for features as they are."""
    if source.encoder == NO_ENCODER:
        return None
    from binnet.encoders import make_encoder  # needs scikit-learn

    encoder = make_encoder(source.encoder, **source.encoder_parameters)
    return encoder.fit(dataset.X_train[:n_train])


def write_encoder(folder: Path, encoder: Any) -> None:
    """Write a fitted encoder into a run folder."""
    from binnet.encoders import describe_encoder

    values, arrays = describe_encoder(encoder)
    write_tensors(folder / ENCODER, _FORM, arrays, {"encoder": values})


def read_encoder(folder: Path, source: DataSource) -> Any:
    """Return the fitted encoder of a run folder; None for features as they are."""
    if source.encoder == NO_ENCODER:
        return None
    from binnet.encoders import restore_encoder

    path = folder / ENCODER
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}, the encoder of the run; copy it there again")
    arrays, record = read_tensors(path, _FORM, "encoder")
    with reading(path, "encoder"):
        encoder = restore_encoder(record.take("encoder", dict, "a table"), arrays)
    return encoder


def encode(encoder: Any, X: NDArray[Any]) -> NDArray[Any]:
    """Return features as inputs of a network."""
    return X if encoder is None else np.asarray(encoder.transform(X))


def read_new(
    path: str | Path, source: DataSource | None, encoder: Any, n_classes: int
) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Return inputs of other samples than the run's, and labels where there are some.

    They are in a file, or the test samples of a folder of IDX files.
    """
    if source is None:
        source = DataSource("", classes=tuple(range(n_classes)))
    labels: NDArray[Any] | None
    if Path(path).expanduser().is_dir():
        dataset = load_idx_dataset(path, source.name or None)
        X, labels = dataset.X_test, dataset.classes[dataset.y_test]
    else:
        X, labels = read_samples(path, source.columns, source.target or None)
    y = None if labels is None else number_labels(str(path), labels, np.array(source.classes))
    if encoder is None and source.dtype:  # older versions did not note it
        X = match_type(str(path), X, np.dtype(source.dtype))
    return encode(encoder, X), y


def divide(dataset: Dataset, validation: int, encoder: Any) -> tuple[Samples, tuple[str, Samples]]:
    """Return the samples to learn, and those to measure on with their name: test, or validation."""
    n_train = count_training(dataset, validation)
    samples = encode(encoder, dataset.X_train[:n_train]), dataset.y_train[:n_train]
    if validation:
        X, y = dataset.X_train[n_train:], dataset.y_train[n_train:]
        return samples, ("validation", (encode(encoder, X), y))
    return samples, ("test", (encode(encoder, dataset.X_test), dataset.y_test))


def count_training(dataset: Dataset, validation: int) -> int:
    """Return the number of samples that are learned."""
    n = len(dataset.y_train)
    return n - check_integer("validation", validation, 0, n - 1)
