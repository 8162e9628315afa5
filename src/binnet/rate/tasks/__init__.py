"""Tasks: one call draws a batch of aligned trials; the same seed draws the same batch."""

from __future__ import annotations

from collections.abc import Callable

from binnet._validation import check_choice
from binnet.rate.tasks._delayed_match import delayed_match
from binnet.rate.tasks._neurogym import from_neurogym
from binnet.rate.tasks._romo import romo
from binnet.rate.tasks._trials import LOSS_MASKS, Trials
from binnet.rate.tasks._two_alternative import two_alternative

__all__ = [
    "LOSS_MASKS",
    "TASKS",
    "Task",
    "Trials",
    "delayed_match",
    "from_neurogym",
    "get",
    "romo",
    "two_alternative",
]

#: Draws a batch: ``task(batch_size, seed) -> Trials``.
Task = Callable[..., Trials]

_TASKS: dict[str, Task] = {
    "romo": romo,
    "two-alternative": two_alternative,
    "delayed-match": delayed_match,
}
#: Names of the tasks, as `binnet.rate.train` and the command line take them.
TASKS = tuple(_TASKS)


def get(name: str) -> Task:
    """Return a task by name.

    Parameters
    ----------
    name : {"romo", "two-alternative", "delayed-match"}
        Which task.

    Returns
    -------
    callable
        ``task(batch_size, seed) -> Trials``.

    Raises
    ------
    ValueError
        If there is no such task.
    """
    return _TASKS[check_choice("task", name, TASKS)]
