"""Accuracy against the number of hidden neurons: full models, controls, and scikit-learn's peers.

All learn the same bits of entangled MNIST. A model of ours is a line of `MODELS`, a peer a line of
`PEERS`; peers with hidden neurons are measured at every size, the linear ones once.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet import sweeps
from binnet._validation import check_choice, check_integer
from binnet.datasets import load_entangled_mnist
from binnet.learning import Configuration, preset, train

if TYPE_CHECKING:
    import xarray as xr

SIZES = (100, 200, 400, 800, 1600, 3200)

#: Models of ours by name: a function of H that returns the configuration.
MODELS: dict[str, Callable[[int], Configuration]] = {
    "full": lambda n_hidden: preset("default"),
    "full, preset wide": lambda n_hidden: preset("wide"),
    "reservoir": lambda n_hidden: preset("reservoir"),
    "random features": lambda n_hidden: preset("random-features"),
}

#: The source's figure (learning.md, section 5; 200 epochs): test accuracy by H.
SOURCE: dict[str, dict[int, float]] = {
    "full": {100: 0.814, 200: 0.835, 400: 0.852, 800: 0.853, 1600: 0.863, 3200: 0.876, 6400: 0.895},
    "reservoir": {
        100: 0.65, 200: 0.73, 400: 0.78, 800: 0.805, 1600: 0.833, 3200: 0.847, 6400: 0.842,
    },
    "random features": {
        100: 0.65, 200: 0.73, 400: 0.78, 800: 0.805, 1600: 0.826, 3200: 0.847, 6400: 0.854,
    },
    "MLP": {200: 0.875, 400: 0.885, 1600: 0.913, 3200: 0.917, 6400: 0.91},
}  # fmt: skip


def _mlp(n_hidden: int, epochs: int, seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((n_hidden,), max_iter=epochs, random_state=seed)


def _perceptron(n_hidden: int, epochs: int, seed: int) -> Any:
    from sklearn.linear_model import Perceptron

    return Perceptron(max_iter=epochs, tol=None, random_state=seed)


def _logistic_regression(n_hidden: int, epochs: int, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000, random_state=seed)


#: Peers by name: a function of H, epochs and seed that returns scikit-learn's estimator.
PEERS: dict[str, Callable[[int, int, int], Any]] = {
    "MLP": _mlp,
    "perceptron": _perceptron,
    "logistic regression": _logistic_regression,
}
LINEAR = ("perceptron", "logistic regression")


def measure_model(
    model: str, n_hidden: int, seed: int, epochs: int, samples: int
) -> Mapping[str, float]:
    """Train one model on entangled MNIST.

    Parameters
    ----------
    model : str
        A name of `MODELS` or of `PEERS`.
    n_hidden : int
        H; the linear peers have no use for it.
    seed, epochs : int
        Of the training. Logistic regression is solved to the end instead.
    samples : int
        Training samples; the first of 60000.

    Returns
    -------
    mapping
        "accuracy" on the test set, "train_accuracy" on the first 10000 of the training samples,
        and "seconds" spent learning.
    """
    check_choice("model", model, (*MODELS, *PEERS))
    if model in MODELS:
        return _train_ours(MODELS[model](n_hidden), n_hidden, seed, epochs, samples)
    return _fit_peer(PEERS[model](n_hidden, epochs, seed), samples)


def _train_ours(
    configuration: Configuration, n_hidden: int, seed: int, epochs: int, samples: int
) -> Mapping[str, float]:
    data = load_entangled_mnist()
    result = train(
        data.X_train[:samples],
        data.y_train[:samples],
        configuration.replace(n_hidden=n_hidden, epochs=epochs, seed=seed),
        evaluate_on={"test": (data.X_test, data.y_test)},
    )
    if not result.completed:
        raise KeyboardInterrupt  # no half-trained network among the results
    last = result.history[-1]
    return {
        "accuracy": last.accuracy["test"],
        "train_accuracy": last.accuracy["train"],
        "seconds": sum(metrics.seconds for metrics in result.history),
    }


def _fit_peer(estimator: Any, samples: int) -> Mapping[str, float]:
    from sklearn.exceptions import ConvergenceWarning

    data = load_entangled_mnist()
    X, y = data.X_train[:samples].astype(np.float32), data.y_train[:samples]
    started = time.perf_counter()
    with warnings.catch_warnings():  # the epochs are what they are asked to be
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X, y)
    seconds = time.perf_counter() - started
    return {
        "accuracy": float(estimator.score(data.X_test.astype(np.float32), data.y_test)),
        "train_accuracy": float(estimator.score(X[:10000], y[:10000])),
        "seconds": seconds,
    }


def run_sizes(
    output: str | Path | None = None,
    *,
    models: Sequence[str] = (*MODELS, *PEERS),
    sizes: Sequence[int] = SIZES,
    epochs: int = 20,
    samples: int = 60000,
    seeds: int = 3,
    workers: int = 1,
    progress: bool = True,
) -> tuple[xr.Dataset | None, xr.Dataset | None]:
    """Train every model at every size; a stopped study goes on.

    Parameters
    ----------
    output : path, optional
        Results go beside it: its name with .MODEL.nc for each model with hidden neurons, so that
        a model can be added to a finished study, and .linear.nc. Default: nothing is written.
    models : sequence of str, optional
        Names of `MODELS` and `PEERS`. Default: all.
    sizes : sequence of int, optional
        Hidden neurons H. Default: 100 to 3200.
    epochs, samples : int
        Of each training. Default: 20 epochs of 60000 samples.
    seeds : int, default 3
        Trainings of each kind.
    workers : int, default 1
        Processes.
    progress : bool, default True
        Whether to show progress.

    Returns
    -------
    hidden, linear : xarray.Dataset or None
        What `measure_model` measured of models with (model, seed, n_hidden) and without
        (model, seed) hidden neurons; None without such models.

    Raises
    ------
    ImportError
        If a peer is asked for and scikit-learn is not installed.
    """
    import xarray as xr

    for name in models:
        check_choice("models", name, (*MODELS, *PEERS))
    for n_hidden in sizes:
        check_integer("n_hidden", n_hidden, 1)
    if set(models) & set(PEERS):
        _require_sklearn()
    fixed = {"epochs": epochs, "samples": samples}
    every = range(check_integer("seeds", seeds, 1))

    def run(name: str, axes: dict[str, Any], more: dict[str, Any]) -> xr.Dataset:
        return sweeps.run(
            axes,
            sweeps.Observable(measure_model, cost=_cost),
            fixed=fixed | more,
            path=None if output is None else Path(output).with_suffix(f".{name}.nc"),
            workers=workers,
            progress=progress,
        )

    linear = [name for name in models if name in LINEAR]
    hidden = [
        run(_file_name(name), {"model": [name], "seed": every, "n_hidden": sizes}, {})
        for name in models
        if name not in LINEAR
    ]
    return (
        xr.concat(hidden, "model", combine_attrs="drop_conflicts") if hidden else None,
        run("linear", {"model": linear, "seed": every}, {"n_hidden": 1}) if linear else None,
    )


def _require_sklearn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise ImportError(
            f"{', '.join(PEERS)} are scikit-learn's: pip install 'binnet[sklearn]', or leave them "
            f"out of models; ours are {', '.join(MODELS)}"
        ) from None


def _file_name(model: str) -> str:
    return model.lower().replace(",", "").replace(" ", "-")


def _cost(n_hidden: int, **_: Any) -> float:
    return n_hidden * (n_hidden + 300.0)  # couplings, and what every neuron costs besides


def summarise_sizes(hidden: xr.Dataset | None, linear: xr.Dataset | None) -> list[dict[str, Any]]:
    """Return the table of the study, one record for each model and size.

    Parameters
    ----------
    hidden, linear : xarray.Dataset or None
        From `run_sizes`.

    Returns
    -------
    list of dict
        "model", "n_hidden" (None of linear models), "accuracy" and "train_accuracy" over seeds,
        "seconds", their mean, and "source", the accuracy of the source's figure or None.
    """
    records: list[dict[str, Any]] = []
    for result in (hidden, linear):
        if result is None:
            continue
        sizes = result["n_hidden"].values if "n_hidden" in result.dims else [None]
        for model in result["model"].values:
            for n in sizes:
                part = result.sel(model=model) if n is None else result.sel(model=model, n_hidden=n)
                records.append(
                    {
                        "model": str(model),
                        "n_hidden": None if n is None else int(n),
                        "accuracy": [round(float(a), 4) for a in part["accuracy"]],
                        "train_accuracy": [round(float(a), 4) for a in part["train_accuracy"]],
                        "seconds": round(float(part["seconds"].mean()), 2),
                        "source": None if n is None else SOURCE.get(str(model), {}).get(int(n)),
                    }
                )
    return records
