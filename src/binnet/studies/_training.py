"""What the studies of learning share: one whole training on entangled MNIST."""

from __future__ import annotations

from collections.abc import Callable

from binnet.datasets import load_entangled_mnist
from binnet.learning import Configuration, TrainingResult, train


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
