"""Learning from samples as they come: one pass at a time, without a planned end."""

from __future__ import annotations

from numpy.typing import ArrayLike

from binnet._threads import resolve_threads, running_on
from binnet._validation import check_labels, check_spins
from binnet.learning._state import TrainingState
from binnet.learning.configuration import Configuration
from binnet.networks import BinaryNetwork


class OnlineLearner:
    """A network that learns one pass over some samples at a time, at constant rates.

    Parameters
    ----------
    configuration : Configuration
        All parameters; its number of epochs is not read, and its rates stay constant.
    threads : int, optional
        Threads to run on; the result does not depend on it. Default: all cores.
    network : BinaryNetwork, optional
        Network to go on from. Default: drawn anew.

    Raises
    ------
    ValueError
        If the arithmetic of the configuration is not floating point.
    """

    def __init__(
        self,
        configuration: Configuration,
        threads: int | None = None,
        network: BinaryNetwork | None = None,
    ) -> None:
        if configuration.arithmetic.bits:
            raise ValueError(
                f"online learning is in floating point, got int{configuration.arithmetic.bits}; "
                'use the arithmetic "float"'
            )
        self._threads = threads
        self._state = TrainingState.start(configuration.replace(rate_schedule="constant"), 0, "")
        if network is not None:
            self._state.weights = network

    @property
    def network(self) -> BinaryNetwork:
        """The network as it was learned so far."""
        return self._state.network()

    def learn(self, X: ArrayLike, y: ArrayLike) -> None:
        """Learn each sample once, in a random order.

        Parameters
        ----------
        X : array_like, shape (n_samples, N_in)
            Inputs, -1 or +1.
        y : array_like of int, shape (n_samples,)
            Labels 0..C-1.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape or range.
        """
        state, threads = self._state, resolve_threads(self._threads)
        inputs = check_spins("X", X, state.configuration.network.n_inputs)
        labels = check_labels("y", y, len(inputs), state.configuration.network.n_outputs)
        state.n_samples = len(inputs)
        with running_on(threads):
            while not state.epoch_is_complete:
                state.learn(inputs, labels, state.batches_per_epoch, threads)
        state.next_epoch()
