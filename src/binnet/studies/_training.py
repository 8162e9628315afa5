"""What the studies of learning share: one whole training on entangled MNIST."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from binnet.datasets import load_entangled_mnist
from binnet.learning import Configuration, TrainingResult, preset, train
from binnet.sweeps import Observable


def observe(function: Callable[..., Mapping[str, Any]], *names: str, **options: Any) -> Observable:
    """Return the observable of a study whose results depend on these presets."""
    settings = {name: preset(name).to_dict() for name in names}
    return Observable(function, settings=settings, **options)


def train_whole(
    configuration: Configuration,
    samples: int,
    on_epoch: Callable[[TrainingResult], None] | None = None,
) -> TrainingResult:
    """Train on the first samples and measure on the test set; Ctrl-C leaves no result.

    A study keeps what a cell returns: half-trained networks must not be among it.
    """
    data = load_entangled_mnist()
    result = train(
        data.X_train[:samples],
        data.y_train[:samples],
        configuration,
        evaluate_on={"test": (data.X_test, data.y_test)},
        on_epoch=on_epoch,
    )
    if not result.completed:
        raise KeyboardInterrupt
    return result
