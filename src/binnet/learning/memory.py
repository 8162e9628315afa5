"""Whether a run fits into memory, before it begins."""

from __future__ import annotations

from binnet._memory import check_memory
from binnet.learning.configuration import Configuration


def check_size(configuration: Configuration, n_samples: int) -> None:
    """Refuse a run that takes more memory than there is.

    Parameters
    ----------
    configuration : Configuration
        All parameters.
    n_samples : int
        Training samples.

    Raises
    ------
    MemoryError
        If it does.
    """
    p, training = configuration.network, configuration.training
    p.check_memory(training.dtype)
    numbers = 4 * p.n_neurons + p.n_inputs + 2 * p.n_outputs + 2 * configuration.schedule.n_sweeps
    check_memory(
        f"batch_size = {training.batch_size}: the states and fields of a batch",
        4.0 * training.batch_size * numbers,
        f"take fewer; there are {n_samples} samples" if n_samples else "take fewer",
    )
