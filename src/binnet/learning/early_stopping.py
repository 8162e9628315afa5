"""Early stopping: when a run ends before its last epoch, and which of its epochs is the best.

Both follow from the accuracies that the run has measured on its validation set, and from nothing
else: a run that was stopped and resumed ends where an unstopped one does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from binnet._validation import check_integer

if TYPE_CHECKING:
    from binnet.learning.metrics import EpochMetrics
    from binnet.learning.parameters import TrainingParameters

#: The measured set that early stopping looks at; it looks at no other.
VALIDATION = "validation"


def check_validation(sets: Collection[str], patience: int) -> None:
    """Refuse early stopping without a set to judge by.

    Parameters
    ----------
    sets : collection of str
        Names of the sets that are measured.
    patience : int
        Epochs without a rise after which the run ends; 0: it does not.

    Raises
    ------
    ValueError
        If there is no such set.
    """
    if patience and VALIDATION not in sets:
        named = ", ".join(map(repr, sets)) or "none"
        raise ValueError(
            f"patience = {patience} needs a validation set, got {named}; hold out samples that are "
            'not learned, and pass them as evaluate_on={"validation": (X, y)}'
        )


def find_best_epoch(history: Sequence[EpochMetrics]) -> int:
    """Return the first epoch with the highest accuracy on the validation set.

    Parameters
    ----------
    history : sequence of EpochMetrics
        One entry for each whole epoch.

    Returns
    -------
    int
        1 for the first; 0 where there is none yet.
    """
    accuracies = [metrics.accuracy[VALIDATION] for metrics in history]
    return 1 + accuracies.index(max(accuracies)) if accuracies else 0


def has_stopped_early(history: Sequence[EpochMetrics], patience: int) -> bool:
    """Return whether the accuracy on the validation set has not risen for `patience` epochs.

    Parameters
    ----------
    history : sequence of EpochMetrics
        One entry for each whole epoch.
    patience : int
        Epochs; 0: it does not matter.

    Returns
    -------
    bool
        Whether the run is at its end.
    """
    return patience > 0 and len(history) - find_best_epoch(history) >= patience


def check_longer(
    before: TrainingParameters, after: TrainingParameters, history: Sequence[EpochMetrics]
) -> None:
    """Refuse a change of a run's length that it cannot go on with.

    Parameters
    ----------
    before, after : TrainingParameters
        As the run has them, and as it is to have them.
    history : sequence of EpochMetrics
        One entry for each epoch that it has finished.

    Raises
    ------
    TypeError, ValueError
        If the epochs are not more than it has finished, the patience is not larger than before, or
        the run would have stopped early all the same.
    """
    if after.epochs != before.epochs:
        remedy = f"the run has finished {len(history)}"
        check_integer("epochs", after.epochs, len(history) + 1, remedy=remedy)
    if after.patience != before.patience:
        check_integer("patience", after.patience, before.patience + 1, remedy="the run had less")
        if not before.patience and history:
            raise ValueError(
                f"patience = {after.patience} comes too late: the run began without and has kept "
                "no best network; begin a new one with it"
            )
    if has_stopped_early(history, after.patience):
        raise ValueError(
            f"the run has stopped early, as its accuracy on the validation set has not risen since "
            f"epoch {find_best_epoch(history)} of {len(history)}; to go on, give it a patience "
            f"above {max(after.patience, len(history) - find_best_epoch(history))}"
        )
