"""The network that a training run begins with, and the task that it learns."""

from __future__ import annotations

from binnet.rate.configuration import CUSTOM, RateConfiguration
from binnet.rate.flossing import floss
from binnet.rate.model import RateRNN
from binnet.rate.tasks import Task, get

# Independent random streams of a seed.
WEIGHTS, TRIALS, FEEDBACK, FLOSSING, NOISE = range(5)


def start_network(
    configuration: RateConfiguration, task: Task | None = None, *, flossed: bool = True
) -> RateRNN:
    """Return the network that a run begins with.

    Parameters
    ----------
    configuration : RateConfiguration
        Parameters of the run.
    task : callable, optional
        For a custom task, ``task(batch_size, seed) -> Trials``.
    flossed : bool, default True
        Whether after gradient flossing, where the configuration asks for it, or before.

    Returns
    -------
    RateRNN
        The network before its first update.
    """
    c = configuration
    draw = find_task(c, task)
    trials = draw(1, (c.seed, TRIALS, 0)).masked(c.loss_mask)  # or says that it cannot be
    network = RateRNN.initialise(
        trials.n_inputs,
        trials.n_outputs,
        c.n_hidden,
        gain=c.gain,
        structure=c.structure,
        leak=c.leak,
        activation=c.activation,
        dtype=c.dtype,
        seed=(c.seed, WEIGHTS),
    )
    if not flossed or c.floss_exponents == 0:
        return network
    return floss(
        network,
        lambda batch_size, seed: draw(batch_size, (c.seed, FLOSSING, seed[1])),
        c.floss_exponents,
        version=c.floss_version,
        iterations=c.floss_iterations,
        batch_size=c.floss_batch_size,
        seed=c.seed,
    ).network


def find_task(configuration: RateConfiguration, task: Task | None) -> Task:
    """Return the function that draws the trials of a run."""
    if (task is not None) != (configuration.task == CUSTOM):
        raise ValueError(
            f"pass a function as task with, and only with, the configuration's task {CUSTOM!r}; "
            f"it is {configuration.task!r}"
        )
    return task if task is not None else get(configuration.task)
