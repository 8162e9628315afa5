"""The network that a training run begins with, and the task that it learns."""

from __future__ import annotations

import math

import numpy as np

from binnet.rate._trajectories import Floats
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
    if flossed and c.floss_exponents:
        _floss(network, c, draw, 0)
    return network


def check_network(network: RateRNN, configuration: RateConfiguration) -> None:
    """Refuse a network to begin with that a checkpoint, read by the configuration, would change.

    Parameters
    ----------
    network : RateRNN
        The network.
    configuration : RateConfiguration
        Parameters of the run.

    Raises
    ------
    ValueError
        If the two do not agree.
    """
    for name, value in (
        ("n_hidden", network.n_neurons),
        ("leak", network.leak),
        ("activation", network.activation),
        ("dtype", network.dtype.name),
    ):
        if value != getattr(configuration, name):
            raise ValueError(
                f"network has {name} {value!r}, and the configuration "
                f"{getattr(configuration, name)!r}: give both the same, as a checkpoint is read by "
                "its configuration"
            )


def floss_between(network: RateRNN, c: RateConfiguration, draw: Task, iteration: int) -> None:
    """Floss the network, in place, if a round is due between two updates of its training.

    A round comes before update k (counted from 0) where k is `floss_every`, twice that and so on,
    so that it follows on every `floss_every` updates and no run ends with one. Its trials are drawn
    with seeds of their own, and it keeps nothing: a run that is taken up again goes the same way.

    Parameters
    ----------
    network : RateRNN
        Its recurrent weights change.
    c : RateConfiguration
        Parameters of the run.
    draw : callable
        Draws the trials.
    iteration : int
        Updates that were done.

    Raises
    ------
    DivergenceError
        If flossing drives the network out of bounds.
    """
    if c.floss_every and iteration and iteration % c.floss_every == 0:
        _floss(network, c, draw, iteration // c.floss_every)


def _floss(network: RateRNN, c: RateConfiguration, draw: Task, n_rounds: int) -> None:
    """Do a round of flossing, in place; `n_rounds` of them were before it."""
    first = n_rounds * c.floss_iterations
    flossed = floss(
        network,
        lambda batch_size, seed: draw(batch_size, (c.seed, FLOSSING, first + seed[1])),
        c.floss_exponents,
        version=c.floss_version,
        iterations=c.floss_iterations,
        learning_rate=c.floss_learning_rate,
        batch_size=c.floss_batch_size,
        seed=c.seed,
    ).network
    network.recurrent[...] = flossed.recurrent


def draw_feedback(seed: int, network: RateRNN) -> Floats:
    """Return the random matrix that a run of the seed has in place of the readout.

    Parameters
    ----------
    seed : int
        Of the run.
    network : RateRNN
        Its network.

    Returns
    -------
    ndarray, shape (N_out, N)
        The matrix, drawn as the readout is.
    """
    rng = np.random.default_rng((seed, FEEDBACK))
    bound = 1 / math.sqrt(network.n_neurons)
    return rng.uniform(-bound, bound, network.readout.shape).astype(network.dtype)


def find_task(configuration: RateConfiguration, task: Task | None) -> Task:
    """Return the function that draws the trials of a run.

    Parameters
    ----------
    configuration : RateConfiguration
        Parameters of the run.
    task : callable, optional
        For a custom task, and for no other, ``task(batch_size, seed) -> Trials``.

    Returns
    -------
    callable
        ``task(batch_size, seed) -> Trials``.

    Raises
    ------
    ValueError
        If a function is missing, or there is one too many.
    """
    if (task is not None) != (configuration.task == CUSTOM):
        raise ValueError(
            f"pass a function as task with, and only with, the configuration's task {CUSTOM!r}; "
            f"it is {configuration.task!r}"
        )
    return task if task is not None else get(configuration.task)
