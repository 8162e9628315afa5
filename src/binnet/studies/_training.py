"""What the studies of learning share: one whole training on entangled MNIST."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from binnet._validation import check_integer
from binnet.datasets import load_entangled_mnist
from binnet.learning import Configuration, TrainingResult, preset, train
from binnet.learning.run import check_size
from binnet.sweeps import Observable

N_SAMPLES = 60000  # for training


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

    settings = {name: preset(name).to_dict() for name in names}
    return Observable(function, settings=settings, check=check, **options)


def check_training(configuration: Configuration, samples: int) -> None:
    """Refuse, before any cell is measured, what `train_whole` would refuse in each."""
    check_integer("samples", samples, 1, N_SAMPLES)
    configuration.rule.synapses(configuration)
    check_size(configuration, samples)
    find_data()


@cache
def find_data() -> None:
    """Refuse to begin without the data set, or with a damaged one."""
    load_entangled_mnist()


def train_whole(
    configuration: Configuration,
    samples: int,
    on_epoch: Callable[[TrainingResult], None] | None = None,
    validation: int = 0,
) -> TrainingResult:
    """Train on the first samples and measure on the test set; Ctrl-C leaves no result.

    With `validation`, the last so many of these samples are held out, and measured on in place of
    the test set. A study keeps what a cell returns: half-trained networks must not be among it.
    """
    data = load_entangled_mnist()
    X, y, n = data.X_train[:samples], data.y_train[:samples], samples - validation
    held_out = {"test": (data.X_test, data.y_test)}
    if validation:
        held_out = {"validation": (X[n:], y[n:])}
    result = train(X[:n], y[:n], configuration, evaluate_on=held_out, on_epoch=on_epoch)
    if not result.completed:
        raise KeyboardInterrupt
    return result
