"""The landscape of a run: of its checkpoints, of some samples; a resumable sweep."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet import sweeps
from binnet._run_data import CONFIGURATION, divide, read_encoder, read_source
from binnet._validation import check_integer, check_labels
from binnet.datasets import load_entangled_mnist
from binnet.landscape.measurement import STATES, LandscapePlan, describe, measure_state
from binnet.landscape.networks import check_size, drive
from binnet.landscape.states import Dynamics
from binnet.learning import Run, find_kept, load_checkpoint
from binnet.networks import BinaryNetwork
from binnet.sweeps import Observable

if TYPE_CHECKING:
    import xarray as xr


def choose_samples(labels: ArrayLike, n: int) -> list[int]:
    """Return the numbers of the first samples of a set, equally many of each class.

    Parameters
    ----------
    labels : array_like of int, shape (B,)
        Classes of the set.
    n : int
        How many, at most B; where it is no multiple of the number of classes, the first classes
        give one more, and where a class has too few, the first others in the set fill up.

    Returns
    -------
    list of int
        Numbers of samples in ascending order.

    Raises
    ------
    TypeError, ValueError
        If there are not so many samples.

    Examples
    --------
    >>> choose_samples([0, 0, 0, 1, 1, 2], 4)
    [0, 1, 3, 5]
    """
    y = np.asarray(labels)
    check_integer("samples", n, 1, len(y), remedy=f"the set has {len(y)}")
    # The k-th of its class comes before all that are the (k + 1)-th of theirs.
    rank = np.zeros(len(y), np.int64)
    for label in np.unique(y):
        rank[y == label] = np.arange(np.count_nonzero(y == label))
    order = np.lexsort((np.arange(len(y)), y, rank))
    return sorted(int(k) for k in order[:n])


def measure_checkpoint(
    epoch: int,
    sample: int,
    state: str,
    checkpoint: str,
    held_out: int = 0,
    **plan: Any,
) -> Mapping[str, Any]:
    """Measure one state of one sample in a run after some epochs; an observable.

    Parameters
    ----------
    epoch : int
        Finished epochs; 0 is the network as drawn.
    sample : int
        Number of the sample in the test set of entangled MNIST, or in the set that was held out.
    state : {"inference", "random", "shuffled"}
        Which state.
    checkpoint : str
        File of the run, beside which those of earlier epochs are.
    held_out : int, default 0
        Training samples that were held out, the last; 0: the test set.
    **plan : Any
        Parameters of `LandscapePlan`.

    Returns
    -------
    mapping
        What `measure_state` returns.
    """
    path = find_checkpoints(checkpoint).get(epoch)
    network, run = _read_network(checkpoint if path is None else str(path), epoch)
    configuration = run.configuration
    X, y = _load_set(Path(checkpoint).parent, configuration.network.n_inputs, held_out)
    return measure_state(
        network,
        X[sample],
        state,
        label=int(y[sample]),
        dynamics=Dynamics.of(configuration),
        plan=LandscapePlan(**plan),
        draw=sample,
    )


def find_checkpoints(checkpoint: str | Path) -> dict[int, Path]:
    """Return the checkpoints of a run at whole epochs, kept ones and the last.

    Parameters
    ----------
    checkpoint : path-like
        File of the run.

    Returns
    -------
    dict of int to Path
        For each epoch its file, in the order of the epochs.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it is damaged.
    """
    last = _read(str(checkpoint))
    found = find_kept(checkpoint)
    if last.batch == 0:
        found[last.epoch] = Path(checkpoint)
    return dict(sorted(found.items()))


@lru_cache(maxsize=1)
def _load_set(folder: Path, n_inputs: int, held_out: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    source = read_source(folder)[0] if (folder / CONFIGURATION).is_file() else None
    if source is not None:
        _, (_, measured) = divide(source.load(), held_out, read_encoder(folder, source))
        return measured
    data = load_entangled_mnist(n_inputs)
    if held_out:
        return data.X_train[-held_out:], data.y_train[-held_out:]
    return data.X_test, data.y_test


def _read(path: str) -> Run:
    stat = Path(path).stat() if Path(path).exists() else None  # of a missing one, the error says so
    return _read_version(path, stat and (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=8)
def _read_version(path: str, version: object) -> Run:
    return load_checkpoint(path)


def _read_network(path: str, epoch: int) -> tuple[BinaryNetwork, Run]:
    run = _read(path)
    if run.epoch != epoch:  # only of epoch 0 there need not be a file
        run = Run.start(run.configuration, run.n_samples)
    network = run.relaxable()
    if not isinstance(network, BinaryNetwork):
        raise ValueError(
            f"the run of {path} learned in integers; a landscape is measured of networks in "
            "floating point: train one with --arithmetic float"
        )
    return network, run


MEASURED_CHECKPOINT = Observable(measure_checkpoint)


def run_landscape(
    checkpoint: str | Path,
    output: str | Path | None = None,
    *,
    samples: int | Sequence[int] = 10,
    last: bool = False,
    held_out: int = 0,
    plan: LandscapePlan | None = None,
    workers: int = 1,
    progress: bool = True,
) -> xr.Dataset:
    """Measure the landscape of a run on entangled MNIST along its training.

    A stopped measurement goes on where it was.

    Parameters
    ----------
    checkpoint : path-like
        File of the run. All checkpoints that it kept (`binnet.train`, `keep_every`) are measured,
        and the network as drawn, epoch 0, with which all is to be compared.
    output : path-like, optional
        Result, .nc.
    samples : int or sequence of int, default 10
        How many samples of the test set, see `choose_samples`, or which.
    last : bool, default False
        Whether to leave out the epochs between the first and the last.
    held_out : int, default 0
        Take samples of the last so many training samples, which the run did not learn, and not of
        the test set.
    plan : LandscapePlan, optional
        What is measured of each.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    xarray.Dataset
        What `measure_landscape` returns for each epoch, over epoch, sample and state.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no checkpoint, none of a whole epoch, it learned in integers, modules differ in
        J_D, or there are not so many samples.
    MemoryError
        If the network is too large.
    """
    plan = plan or LandscapePlan()
    found = find_checkpoints(checkpoint)
    epochs = sorted({0, *([max(found)] if last else found)}) if found else []
    if not epochs or epochs == [0]:
        raise ValueError(
            f"{checkpoint} has not finished an epoch; go on with the run, and measure it then"
        )
    network, run = _read_network(str(checkpoint), _read(str(checkpoint)).epoch)
    X, y = _load_set(Path(checkpoint).parent, run.configuration.network.n_inputs, held_out)
    check_labels("the labels", y, len(y), network.n_outputs)
    chosen = choose_samples(y, samples) if isinstance(samples, int) else list(samples)
    for sample in chosen:
        check_integer("samples", sample, 0, len(y) - 1)
    check_size(network.n_neurons, len(plan.flipped) * plan.trials, plan.max_sweeps, workers)
    drive(network, X[chosen[0]])  # refuses modules of several J_D before there is work
    digests = {str(k): _digest(path) for k, path in found.items() if k in epochs}
    measured = sweeps.run(
        {"epoch": epochs, "sample": chosen, "state": STATES},
        dataclasses.replace(MEASURED_CHECKPOINT, settings={"checkpoints": digests}),
        fixed={
            "checkpoint": str(checkpoint), "held_out": held_out, **dataclasses.asdict(plan)
        },
        path=output,
        workers=workers,
        progress=progress,
    )  # fmt: skip
    result = describe(measured, plan)
    result.attrs["configuration"] = json.dumps(run.configuration.to_dict())
    return result


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def summarise_landscape(result: xr.Dataset) -> list[dict[str, Any]]:
    """Return means over samples as plain values.

    Parameters
    ----------
    result : xarray.Dataset
        From `run_landscape`.

    Returns
    -------
    list of dict
        One record for each epoch and state. Of each variable it holds the mean over the samples
        that have a value, "NAME_error", its standard error (None for less than two), and
        "NAME_samples", how many have one: numbers, or lists along the variable's own axis.
    """
    mean, n = result.mean("sample"), result.notnull().sum("sample")
    error = result.std("sample", ddof=1) / np.sqrt(n)
    records = []
    for epoch in result["epoch"].values:
        for state in result["state"].values:
            record: dict[str, Any] = {"epoch": int(epoch), "state": str(state)}
            for name in map(str, result.data_vars):
                for suffix, values in (("", mean), ("_error", error), ("_samples", n)):
                    array = values[name].sel(epoch=epoch, state=state).values
                    record[name + suffix] = _to_plain(array)
            records.append(record)
    return records


def _to_plain(values: NDArray[Any]) -> Any:
    """Return an array as lists, NaN as None, which JSON has."""
    plain = np.asarray(values, object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()
