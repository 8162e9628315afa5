"""What the studies of learning share: one whole training on entangled MNIST."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._validation import check_integer
from binnet.datasets import load_entangled_mnist
from binnet.learning import Configuration, TrainingResult, preset, train
from binnet.learning.memory import check_size
from binnet.sweeps import Observable

N_SAMPLES = 60000  # for training
N_VALIDATION = 10000  # of them, the last: what is chosen is chosen on these

Samples = tuple[NDArray[np.int8], NDArray[np.int64]]


def observe(
    function: Callable[..., Mapping[str, Any]],
    *names: str,
    configure: Callable[..., Configuration],
    **options: Any,
) -> Observable:
    """Return the observable of a study whose results depend on these presets.

    `configure` returns what a cell trains, of its parameters but `samples`.
    """

    def check(samples: int, **parameters: Any) -> None:
        check_training(configure(**parameters), samples)

    return Observable(function, settings=describe_presets(*names), check=check, **options)


def describe_presets(*names: str) -> dict[str, Any]:
    """Return what presets set, for `Observable`: all that differs from the defaults.

    A new parameter, whose default leaves everything as it was, makes no other sweep.
    """
    defaults = Configuration().to_dict()
    return {
        name: {
            table: {key: v for key, v in values.items() if defaults[table].get(key) != v}
            for table, values in preset(name).to_dict().items()
        }
        for name in names
    }


def check_training(configuration: Configuration, samples: int, *, validation: bool = False) -> None:
    """Refuse, before any cell is measured, what `train_whole` would refuse in each."""
    remedy = f"the last {N_VALIDATION} are for validation" if validation else ""
    check_integer("samples", samples, 1, count_samples(validation), remedy=remedy)
    configuration.rule.synapses(configuration)
    check_size(configuration, samples)
    find_data()


@cache
def find_data() -> None:
    """Refuse to begin without the data set, or with a damaged one."""
    load_entangled_mnist()


def count_samples(validation: bool) -> int:
    """Return the number of training samples, without those for validation where there are any."""
    return N_SAMPLES - N_VALIDATION if validation else N_SAMPLES


def load_measured(validation: bool) -> Samples:
    """Return the samples that are measured: the test set, or those for validation."""
    data = load_entangled_mnist()
    if validation:
        return data.X_train[-N_VALIDATION:], data.y_train[-N_VALIDATION:]
    return data.X_test, data.y_test


def train_whole(
    configuration: Configuration,
    samples: int,
    on_epoch: Callable[[TrainingResult], None] | None = None,
    *,
    validation: int = 0,
    evaluate: bool = True,
) -> TrainingResult:
    """Train on the first samples and measure on the test set; Ctrl-C leaves no result.

    With `validation`, the last so many of these samples are held out, and measured on in place of
    the test set. A study keeps what a cell returns: half-trained networks must not be among it. One
    that measures by itself, in `on_epoch`, says ``evaluate=False``.
    """
    data = load_entangled_mnist()
    X, y, n = data.X_train[:samples], data.y_train[:samples], samples - validation
    held_out = {"test": (data.X_test, data.y_test)}
    if validation:
        held_out = {"validation": (X[n:], y[n:])}
    result = train(
        X[:n],
        y[:n],
        configuration,
        evaluate_on=held_out if evaluate else None,
        on_epoch=on_epoch,
    )
    if not result.completed:
        raise KeyboardInterrupt
    return result
