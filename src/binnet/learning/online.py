"""Learning from samples as they come: one pass at a time, without a planned end."""

from __future__ import annotations

import copy
from dataclasses import replace

from numpy.typing import ArrayLike

from binnet._threads import ThreadChoice
from binnet.learning.configuration import Configuration
from binnet.learning.run import Run
from binnet.learning.samples import check_samples
from binnet.networks import BinaryNetwork


class OnlineLearner:
    """A network that learns one pass over some samples at a time, at constant rates.

    Parameters
    ----------
    configuration : Configuration
        All parameters; its number of epochs is not read, its rates stay constant, and it has no
        curriculum.
    threads : int, optional
        Threads to run on at most; the result does not depend on it. Default: all cores.
    run : Run, optional
        Run whose synapses to go on from, which stay as they are. Default: drawn anew.
    """

    def __init__(
        self,
        configuration: Configuration,
        threads: int | None = None,
        run: Run | None = None,
    ) -> None:
        self._threads = ThreadChoice(threads)
        constant = configuration.replace(rate_schedule="constant", curriculum_start=1.0, patience=0)
        if run is None:
            self._run = Run.start(constant, 0)
        else:
            self._run = Run(constant, 0, "", copy.deepcopy(run.synapses))
            self._run.mean = replace(run.mean, exponent=constant.plasticity.averaging)

    @property
    def network(self) -> BinaryNetwork:
        """The network as it was learned so far."""
        return self._run.network()

    @property
    def run(self) -> Run:
        """The run that learns: its synapses are those learned so far."""
        return self._run

    def learn(self, X: ArrayLike, y: ArrayLike) -> None:
        """Learn each sample once, in a random order; if it fails or is stopped, nothing is learned.

        Parameters
        ----------
        X : array_like, shape (n_samples, N_in)
            Inputs, as `binnet.train` takes them.
        y : array_like of int, shape (n_samples,)
            Labels 0..C-1.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape or range.
        """
        run = self._run
        inputs, labels = check_samples("", X, y, run.configuration)
        before, run.n_samples = copy.deepcopy(run.synapses), len(inputs)
        mean = replace(run.mean)
        try:
            while not run.epoch_is_complete:
                run.learn_by_clock(inputs, labels, self._threads)
        except BaseException:
            run.synapses, run.mean = before, mean
            run.begin_epoch()
            raise
        run.next_epoch()
