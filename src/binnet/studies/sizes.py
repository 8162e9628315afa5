"""Test accuracy against the number of hidden neurons, beside controls and other classifiers.

The network as it learns, with its hidden weights fixed, and as one feed-forward sweep; and
scikit-learn's perceptron, logistic regression and multi-layer perceptron on the same bits.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet._validation import check_choice, check_integer
from binnet.datasets import load_entangled_mnist
from binnet.learning import PRESETS, Configuration, preset
from binnet.learning.samples import TRAIN_SAMPLES_MEASURED
from binnet.studies._parts import Part, run_parts
from binnet.studies._training import N_SAMPLES, check_training, find_data, train_whole
from binnet.sweeps import Observable

if TYPE_CHECKING:
    import xarray as xr

#: H of the default study.
SIZES = (100, 200, 400, 800, 1600, 3200)
#: What is trained at each H by default: presets, and a multi-layer perceptron of H hidden units.
MODELS = ("default", "third-factor", "reservoir", "random-features", "mlp")
#: What has no hidden neurons.
LINEAR = ("perceptron", "logistic-regression")
#: The source's figure after 200 epochs (docs/results/sizes.md), by H.
SOURCE_FIGURE = {100: 0.814, 200: 0.835, 400: 0.852, 800: 0.853, 1600: 0.863, 3200: 0.876}


def train_model(model: str, n_hidden: int, epochs: int, seed: int, samples: int) -> dict[str, Any]:
    """Train one model on entangled MNIST.

    Parameters
    ----------
    model : str
        A preset, "mlp", "perceptron" or "logistic-regression".
    n_hidden : int
        H; the last two have none and do not read it.
    epochs, seed : int
        Of the training; logistic regression is trained to its optimum.
    samples : int
        Training samples; the first of 60000.

    Returns
    -------
    dict
        "accuracy" on the test set, "train_accuracy" on the first training samples (10000 at most),
        and "seconds" of training, without compilation.
    """
    if model in PRESETS:
        result = train_whole(_configure(model, n_hidden, epochs, seed), samples)
        seconds = sum(metrics.seconds for metrics in result.history)
        accuracy = result.history[-1].accuracy
        return {
            "accuracy": accuracy["test"],
            "train_accuracy": accuracy["train"],
            "seconds": seconds,
        }
    classifier = _make_classifier(model, n_hidden, epochs, seed)
    data = load_entangled_mnist()
    X, y = data.X_train[:samples], data.y_train[:samples]
    begun = time.perf_counter()
    with warnings.catch_warnings():
        # The number of epochs is given: that it ends a run is no news.
        warnings.filterwarnings("ignore", message=".*(reached|iteration)", category=UserWarning)
        classifier.fit(X, y)
    seconds = time.perf_counter() - begun
    return {
        "accuracy": float(classifier.score(data.X_test, data.y_test)),
        "train_accuracy": float(
            classifier.score(X[:TRAIN_SAMPLES_MEASURED], y[:TRAIN_SAMPLES_MEASURED])
        ),
        "seconds": seconds,
    }


def _configure(model: str, n_hidden: int, epochs: int, seed: int) -> Configuration:
    return preset(model).replace(n_hidden=n_hidden, epochs=epochs, seed=seed)


def _check(model: str, n_hidden: int, epochs: int, seed: int, samples: int) -> None:
    """Refuse a cell before any is measured."""
    check_choice("models", model, (*PRESETS, "mlp", *LINEAR))
    if model in PRESETS:
        check_training(_configure(model, n_hidden, epochs, seed), samples)
        return
    _require_scikit_learn()
    find_data()
    check_integer("samples", samples, 1, N_SAMPLES)
    check_integer("epochs", epochs, 1)
    check_integer("seed", seed, 0, 2**32 - 1)  # of scikit-learn's generators


def _make_classifier(model: str, n_hidden: int, epochs: int, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression, Perceptron
    from sklearn.neural_network import MLPClassifier

    if model == "mlp":
        return MLPClassifier((n_hidden,), max_iter=epochs, random_state=seed)
    if model == "perceptron":
        return Perceptron(max_iter=epochs, tol=None, random_state=seed)
    return LogisticRegression(max_iter=1000)


def _require_scikit_learn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "the classifiers to compare with need scikit-learn; install it with "
            'pip install "binnet[sklearn]", or train presets only: without "mlp", and with '
            "linear=False (--no-linear)"
        ) from error


def run_sizes(
    output: Path,
    *,
    sizes: Sequence[int] = SIZES,
    models: Sequence[str] = MODELS,
    linear: bool = True,
    epochs: int = 20,
    seeds: int = 3,
    samples: int = 60000,
    workers: int = 1,
    progress: bool = True,
) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Train each model at each size; a stopped study goes on.

    Parameters
    ----------
    output : path
        Results go beside it: its name with .sizes.nc and .linear.nc.
    sizes : sequence of int
        Hidden neurons H.
    models : sequence of str
        Presets, and "mlp".
    linear : bool, default True
        Whether to train perceptron and logistic regression, too.
    epochs, seeds, samples : int
        Of the trainings. Default: 20, 3 and all.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    models : xarray.Dataset
        What `train_model` measured, over seed, model and n_hidden.
    linear : xarray.Dataset or None
        The same over seed and model.

    Raises
    ------
    ImportError
        If scikit-learn is needed and not installed.
    TypeError, ValueError
        If a model is unknown, or a size is not at least 1.
    """
    for model in models:
        check_choice("models", model, (*PRESETS, "mlp"))
    for size in sizes:
        check_integer("sizes", size, 1)
    every = range(check_integer("seeds", seeds, 1))
    fixed = {"epochs": epochs, "samples": samples}
    settings = {model: preset(model).to_dict() for model in models if model in PRESETS}
    parts = [
        Part(
            output.with_suffix(".sizes.nc"),
            {"seed": every, "model": models, "n_hidden": sizes},
            Observable(train_model, cost=_cost, check=_check, settings=settings),
            fixed,
        )
    ]
    if linear:
        parts.append(
            Part(
                output.with_suffix(".linear.nc"),
                {"seed": every, "model": LINEAR},
                Observable(train_model, cost=_cost, check=_check),
                {**fixed, "n_hidden": 0},
            )
        )
    result, *peers = run_parts(parts, workers=workers, progress=progress)
    return result, peers[0] if peers else None


def _cost(n_hidden: int, epochs: int, samples: int, **_: Any) -> float:
    """Return the relative work: drives by the input and events go as H, products as H^2."""
    return float(epochs * samples * (n_hidden + 100) * (n_hidden + 1000))


def summarise_sizes(result: xr.Dataset, peers: xr.Dataset | None) -> list[dict[str, Any]]:
    """Return accuracies and times as plain values.

    Parameters
    ----------
    result, peers : xarray.Dataset
        From `run_sizes`.

    Returns
    -------
    list of dict
        One record for each model and size: "model", "n_hidden" (0 without), and "accuracy",
        "train_accuracy" and "seconds", lists over seeds.
    """

    def measured(part: xr.Dataset) -> dict[str, list[float]]:
        return {
            name: [float(value) for value in np.atleast_1d(part[name].values)]
            for name in ("accuracy", "train_accuracy", "seconds")
        }

    records = [
        {"model": str(model), "n_hidden": int(n), **measured(result.sel(model=model, n_hidden=n))}
        for model in result["model"].values
        for n in result["n_hidden"].values
    ]
    for model in [] if peers is None else peers["model"].values:
        assert peers is not None
        records.append({"model": str(model), "n_hidden": 0, **measured(peers.sel(model=model))})
    return records
