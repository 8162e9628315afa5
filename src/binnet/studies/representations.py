"""Representations: how alike the states of samples of one class and of two are, in each module.

The overlap of two states is q = s^a . s^b / H. Overlaps within and between classes, sweep after
sweep, say where and when a network gathers a class in one place (docs/model/network.md, section
10.2).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._deprecation import renamed_parameter
from binnet._memory import check_memory
from binnet._validation import Inputs, check_inputs, check_integer, check_labels, to_reals
from binnet.dynamics import INFERENCE_SWEEPS, relax_driven
from binnet.networks import AnyNetwork, BinaryNetwork

if TYPE_CHECKING:
    import xarray as xr

    from binnet.learning import Configuration

_MOST_SWEEPS = 10000  # every one of them begins with the first


@renamed_parameter("dynamics", "update_order")
def measure_representations(
    network: AnyNetwork,
    X: ArrayLike,
    y: ArrayLike,
    *,
    sizes: tuple[int, ...] | None = None,
    max_sweeps: int = INFERENCE_SWEEPS,
    update_order: str = "sync",
    update_probability: float = 0.5,
    seed: int = 0,
    threads: int | None = None,
) -> xr.Dataset:
    """Measure the overlaps of states within and between classes, per module and per sweep.

    Samples relax from silence without feedback, once for each number of sweeps: each draws
    the same random numbers again, so that the states are those of one relaxation.

    Parameters
    ----------
    network : BinaryNetwork or QuantizedNetwork
        The network.
    X : array_like, shape (B, N_in)
        Inputs, as `binnet.relax` takes them.
    y : array_like of int, shape (B,)
        Classes; two at least, and two samples of one at least.
    sizes : tuple of int, optional
        Neurons of each module. Default: those of the network, which has one if it does not say.
    max_sweeps : int, default 10
        T.
    update_order, update_probability, seed, threads : optional
        As for `binnet.dynamics.relax_driven`.

    Returns
    -------
    xarray.Dataset
        "within", "between", "within_std" and "between_std" (module, sweep), mean and spread of the
        overlaps of two samples of one class and of two classes; "clustering", within - between;
        "input_clustering", the same of the inputs, of graded ones by cosines; "similarity" (module,
        sample, other), overlaps after the last sweep of samples sorted by class; and "label"
        (sample).

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.

    Examples
    --------
    >>> network = BinaryNetwork.random(NetworkParameters(n_hidden=64, n_inputs=20, n_outputs=2))
    >>> X = np.where(np.random.default_rng(0).random((6, 20)) < 0.5, -1, 1)
    >>> measure_representations(network, X, [0, 1, 0, 1, 0, 1]).within.shape
    (1, 10)
    """
    import xarray as xr

    inputs = check_inputs("X", X, network.n_inputs)
    labels = check_labels("y", y, len(inputs), network.n_outputs)
    check_integer("max_sweeps", max_sweeps, 1, _MOST_SWEEPS)
    order = np.argsort(labels, kind="stable")
    inputs, labels = inputs[order], labels[order]
    n = len(inputs)
    check_memory(f"{n} samples: the overlaps of all pairs", 16.0 * n * n, "take fewer")
    within, between = _pairs(labels)
    layout = sizes or (
        network.sizes if isinstance(network, BinaryNetwork) else (network.n_neurons,)
    )
    modules = [slice(a, b) for a, b in pairwise(np.cumsum([0, *layout]))]
    table = np.empty((4, len(modules), max_sweeps))
    for sweep in range(max_sweeps):
        states = relax_driven(
            network,
            inputs,
            max_sweeps=sweep + 1,
            update_order=update_order,
            update_probability=update_probability,
            seed=seed,
            threads=threads,
            stop_at_cycle=False,
        ).states
        similarity = np.stack([overlap_matrix(states[:, module]) for module in modules])
        for k, pairs in enumerate((within, between)):
            chosen = similarity[:, pairs]
            table[k, :, sweep], table[2 + k, :, sweep] = chosen.mean(axis=1), chosen.std(axis=1)
    of_inputs = _compare_inputs(inputs)
    axes = ("module", "sweep")
    return xr.Dataset(
        {
            **{
                name: (axes, values)
                for name, values in zip(
                    ("within", "between", "within_std", "between_std"), table, strict=True
                )
            },
            "clustering": (axes, table[0] - table[1]),
            "input_clustering": ((), of_inputs[within].mean() - of_inputs[between].mean()),
            "similarity": (("module", "sample", "other"), similarity),
            "label": (("sample",), labels),
        },
        {"module": 1 + np.arange(len(modules)), "sweep": 1 + np.arange(max_sweeps)},
    )


def overlap_matrix(states: NDArray[Any]) -> NDArray[np.float32]:
    """Return the overlaps q_ab = s^a . s^b / H of all pairs of states.

    Parameters
    ----------
    states : ndarray, shape (B, H)
        Spins.

    Returns
    -------
    ndarray of float32, shape (B, B)
        Overlaps, -1 to 1.
    """
    spins = states.astype(np.float32)  # sums of up to 2**24 spins are exact
    return (spins @ spins.T) / np.float32(states.shape[1])


def _compare_inputs(inputs: Inputs) -> NDArray[np.float32]:
    """Return overlaps of inputs; of graded ones cosines, which between spins are the same."""
    if inputs.dtype == np.int8:
        return overlap_matrix(inputs)
    reals = to_reals(inputs).astype(np.float32)
    norms = np.linalg.norm(reals, axis=1, keepdims=True)
    unit = reals / np.where(norms > 0.0, norms, np.float32(1.0))
    return np.asarray(unit @ unit.T, np.float32)


def compare_with_start(
    network: AnyNetwork, configuration: Configuration, X: ArrayLike, y: ArrayLike, **options: Any
) -> xr.Dataset:
    """Measure a run's network, and the one that its seed draws, with which it began.

    Parameters
    ----------
    network : BinaryNetwork or QuantizedNetwork
        The network of the run, as it is to be relaxed.
    configuration : Configuration
        Of the run. One that learned in integers is compared with the draw in floating point.
    X, y : array_like
        Samples, as for `measure_representations`.
    **options
        max_sweeps and threads of `measure_representations`. Default: the sweeps of the run's
        inference; its update order is used in any case.

    Returns
    -------
    xarray.Dataset
        What `measure_representations` returns, with an axis "network", "initial" and "trained".
    """
    import xarray as xr

    training = configuration.training
    options = {
        **training.inference_options(),
        "sizes": configuration.network.sizes,
        **options,
    }
    start = BinaryNetwork.random(configuration.network, training.seed, training.dtype)
    parts = [measure_representations(one, X, y, **options) for one in (start, network)]
    constant = ["label", "input_clustering"]
    axis = xr.Variable("network", ["initial", "trained"])
    joined: xr.Dataset = xr.concat([part.drop_vars(constant) for part in parts], axis)
    return joined.merge(parts[0][constant])


def choose_samples(
    X: NDArray[Any], y: NDArray[np.int64], per_class: int
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the first samples of each class, sorted by class.

    Parameters
    ----------
    X : ndarray, shape (B, N_in)
        Samples.
    y : ndarray of int, shape (B,)
        Their classes.
    per_class : int
        How many of each class, at least 2; fewer where there are fewer.

    Returns
    -------
    tuple of ndarray
        Samples and classes.
    """
    check_integer("per_class", per_class, 2)
    chosen = np.concatenate([np.flatnonzero(y == label)[:per_class] for label in np.unique(y)])
    return X[chosen], y[chosen]


def summarise_representations(result: xr.Dataset) -> list[dict[str, Any]]:
    """Return overlaps after the last sweep as plain values.

    Parameters
    ----------
    result : xarray.Dataset
        From `compare_with_start`.

    Returns
    -------
    list of dict
        One record for each network and module: overlaps within and between classes with their
        spread, and the clustering, their difference.
    """
    last = result.isel(sweep=-1)
    names = ("within", "within_std", "between", "between_std", "clustering")
    return [
        {"network": str(network), "module": int(module)}
        | {name: float(last[name].sel(network=network, module=module)) for name in names}
        for network in result["network"].values
        for module in result["module"].values
    ]


def _pairs(labels: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which pairs a < b of samples are of one class, and which of two, each (B, B)."""
    same = labels[:, None] == labels
    upper = np.triu(np.ones_like(same), 1)
    within, between = same & upper, ~same & upper
    if not within.any() or not between.any():
        raise ValueError(
            "y must hold at least two classes, and two samples of one of them, got "
            f"{len(labels)} samples of {len(np.unique(labels))} classes; pass more samples"
        )
    return within, between
