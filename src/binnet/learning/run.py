"""A run of learning: where it stands, what it has counted, the synapses that its rule changes."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._threads import ThreadChoice, run_in_step
from binnet._validation import Inputs
from binnet.dynamics import make_update, predict, stream_key
from binnet.learning.configuration import Configuration
from binnet.learning.early_stopping import check_longer, has_stopped_early
from binnet.learning.means import RunningMean
from binnet.learning.memory import check_size
from binnet.learning.metrics import EpochMetrics
from binnet.learning.rules import Synapses
from binnet.learning.rules._protocol import Job, LaidOutRule
from binnet.learning.samples import draw_order
from binnet.networks import BinaryNetwork, QuantizedNetwork, dequantize
from binnet.update_orders import check_probability, find_order

# 1 is that of the order of samples, 3 and 4 those of synapses in integers.
_DYNAMICS_STREAM, _NOISE_STREAM, _CURRICULUM_STREAM = 2, 5, 6
# Of a compiled call, B H (H + 1000): short enough (a fraction of a second) for progress and Ctrl-C.
_WORK_PER_CALL = 2e10
_TRIALS_PER_CALL = 4  # of another number of threads, which can be slower


@dataclass(eq=False)
class Run:
    """A run that can be stopped between any two calls of `learn`, whatever its rule and arithmetic.

    Parameters
    ----------
    configuration : Configuration
        All parameters.
    n_samples : int
        Training samples, the same in every epoch.
    fingerprint : str
        Of the samples, by which `resume` knows them again.
    synapses : Synapses
        The weights that the rule changes; `start` draws them.

    Attributes
    ----------
    epoch, batch : int
        The next batch is number `batch` of epoch `epoch`, both from 0.
    changes : ndarray of int64, shape (T,)
        Neurons that changed in each sweep, summed over the samples of the epoch so far.
    totals : ndarray of int64, shape (4,)
        Sweeps, fixed points, (sample, neuron) pairs that learned and unstable readouts, summed
        over the samples of the epoch so far.
    seconds : float
        Time spent learning in the epoch so far.
    history : list of EpochMetrics
        One entry for each whole epoch.
    mean : RunningMean
        Of the weights, where the synapses keep one.
    kept : ndarray of bool, shape (n_samples,), optional
        Which samples the epoch presents, from its first batch on; None: all.
    """

    configuration: Configuration
    n_samples: int
    fingerprint: str
    synapses: Synapses
    changes: NDArray[np.int64] = field(init=False)
    totals: NDArray[np.int64] = field(init=False)
    epoch: int = field(default=0, init=False)
    batch: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)
    history: list[EpochMetrics] = field(default_factory=list, init=False)
    mean: RunningMean = field(init=False)
    kept: NDArray[np.bool_] | None = field(default=None, init=False)
    _steps: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)  # by X's type
    _taken: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.changes = np.zeros(self.configuration.schedule.n_sweeps, np.int64)
        self.totals = np.zeros(4, np.int64)
        self.mean = RunningMean(self.configuration.plasticity.averaging)

    def __getstate__(self) -> dict[str, Any]:
        # Addresses of compiled code mean nothing in the process that a copy goes to.
        return self.__dict__ | {"_steps": {}, "_taken": None}

    @classmethod
    def start(cls, configuration: Configuration, n_samples: int, fingerprint: str = "") -> Run:
        """Return a run before its first batch.

        Parameters
        ----------
        configuration : Configuration
            All parameters.
        n_samples : int
            Training samples.
        fingerprint : str, default ""
            Of the samples.

        Returns
        -------
        Run
            The run.
        """
        check_size(configuration, n_samples)
        kind = configuration.rule.synapses(configuration)
        return cls(configuration, n_samples, fingerprint, kind.start(configuration))

    @property
    def samples_per_epoch(self) -> int:
        """Number of samples that this epoch presents."""
        return self.n_samples if self.kept is None else int(self.kept.sum())

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches of this epoch; the last one may be short."""
        return math.ceil(self.samples_per_epoch / self.configuration.training.batch_size)

    @property
    def _first_batch(self) -> int:
        """The number of this epoch's first batch, were all epochs whole: rates go by it."""
        return self.epoch * math.ceil(self.n_samples / self.configuration.training.batch_size)

    @property
    def samples_seen(self) -> int:
        """Samples presented since the start; of a whole epoch those that it left out, too."""
        size = self.configuration.training.batch_size
        in_epoch = self.n_samples if self.epoch_is_complete else self.batch * size
        return self.epoch * self.n_samples + in_epoch

    @property
    def epoch_is_complete(self) -> bool:
        """Whether all batches of the epoch are learned, but it is not ended yet."""
        return self.batch == self.batches_per_epoch

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the run has stopped early."""
        training = self.configuration.training
        return self.epoch >= training.epochs or has_stopped_early(self.history, training.patience)

    @property
    def rate_factor(self) -> float:
        """What multiplied the learning rates in the last batch."""
        return float(self._rate_factors(self.batch - 1, 1)[0])

    def set_epochs(self, epochs: int | None = None, patience: int | None = None) -> None:
        """Let the run end after another number of epochs, more than it has finished.

        With constant rates it then ends like a run of so many epochs, bit by bit. Rates that fall
        linearly go on as in such a run, but those of the epochs before were of the shorter one; so
        does a curriculum, whose start is a fraction of the epochs.

        Parameters
        ----------
        epochs : int, optional
            The new number. Default: as before.
        patience : int, optional
            That of early stopping, longer than before. Default: as before.

        Raises
        ------
        TypeError, ValueError
            If the epochs are others than before, and not more than the finished ones; if the
            patience is a shorter one, or the run has stopped early and would again.
        """
        given = {"epochs": epochs, "patience": patience}
        changes = {name: value for name, value in given.items() if value is not None}
        changed = self.configuration.replace(**changes)
        if changed == self.configuration:
            return  # the command that let it go on, once more: the run has perhaps ended since
        check_longer(self.configuration.training, changed.training, self.history)
        self.configuration = self.synapses.settings = changed

    def network(self) -> BinaryNetwork:
        """Return the network in floating point: of the synapses' means, where they keep any."""
        network = self.relaxable()
        return dequantize(network) if isinstance(network, QuantizedNetwork) else network

    def relaxable(self) -> BinaryNetwork | QuantizedNetwork:
        """Return the network as it is to be relaxed: of the means, where there are any."""
        means = self.mean.network
        return self.synapses.relaxable() if means is None else self.synapses.round_off(means)

    def learn(self, X: Inputs, y: NDArray[np.int64], n_batches: int, threads: int) -> float:
        """Learn up to `n_batches` batches, within the epoch, in one compiled call.

        Parameters
        ----------
        X : ndarray of int8, uint8 or float32, shape (n_samples, N_in)
            All training inputs, from `check_samples`.
        y : ndarray of int64, shape (n_samples,)
            Their labels.
        n_batches : int
            Batches at most; fewer where the epoch ends or the rule puts its weights in order.
        threads : int
            Threads to run on, or one where these wait too long for each other; the result does not
            depend on it.

        Returns
        -------
        float
            Seconds in the kernels.
        """
        from binnet_kernels.lowlevel.team import join
        from binnet_kernels.training.batches import train_batches

        if self.batch == 0:
            self._choose_samples(X, y, threads)
        pause = self.synapses.batches_before_pause(self.batch)
        before_mean = self.mean.batches_before(self.batch)
        n_batches = min(n_batches, self.batches_per_epoch - self.batch)
        n_batches = min(n_batches, pause or n_batches, before_mean or n_batches)
        laid_out, arguments = self._lay_out(X, y, n_batches, threads)
        begun = 0.0

        def work(rank: int) -> None:
            nonlocal begun
            join(arguments[-1], rank)
            if rank == 0:  # the others' threads have started
                begun = time.perf_counter()
            train_batches(*arguments, rank)  # type: ignore[call-arg]

        run_in_step(threads, work)
        seconds = time.perf_counter() - begun
        self.synapses.take_back(laid_out)
        self.batch += n_batches
        if n_batches == pause:
            self.synapses.pause()
        if before_mean and (n_batches == before_mean or self.epoch_is_complete):
            self.mean.take_in(self.synapses.network())
        return seconds

    def learn_by_clock(self, X: Inputs, y: NDArray[np.int64], choice: ThreadChoice) -> None:
        """Learn the next batches, in one call, on as many threads as have been the fastest.

        Parameters
        ----------
        X : ndarray of int8, uint8 or float32, shape (n_samples, N_in)
            All training inputs, from `check_samples`.
        y : ndarray of int64, shape (n_samples,)
            Their labels.
        choice : ThreadChoice
            Knows which number that is.
        """
        p = self.configuration.network
        work = self.configuration.training.batch_size * (p.n_couplings + 1000 * p.n_neurons)
        threads, before = choice.next(), self.batch
        per_call = _WORK_PER_CALL / (_TRIALS_PER_CALL if choice.is_trial else 1)
        # Laying out the weights takes as long for a trial: it does not depend on the threads.
        in_kernels = self.learn(X, y, max(1, int(per_call / work)), threads)
        choice.record(threads, (self.batch - before) / in_kernels)

    def compile(self, X: Inputs, y: NDArray[np.int64]) -> None:
        """Compile what `learn` runs, where it is not in the cache; nothing is learned.

        Parameters
        ----------
        X : ndarray of int8, uint8 or float32, shape (n_samples, N_in)
            All training inputs, from `check_samples`.
        y : ndarray of int64, shape (n_samples,)
            Their labels.
        """
        self._lay_out(X, y, 0, 1)

    def _lay_out(
        self, X: Inputs, y: NDArray[np.int64], n_batches: int, threads: int
    ) -> tuple[LaidOutRule, tuple[Any, ...]]:
        """Return the synapses and all else that the kernel takes but the rank of the thread."""
        from binnet_kernels.lowlevel.calls import find_address
        from binnet_kernels.lowlevel.rng import derive_key
        from binnet_kernels.lowlevel.team import make_team
        from binnet_kernels.training.batches import find_steps, train_batches
        from binnet_kernels.training.records import Batches, Counts, make_workspace

        training, p = self.configuration.training, self.configuration.network
        size, n_hidden, first = training.batch_size, p.n_neurons, self.batch * training.batch_size
        factors = self._rate_factors(self.batch, n_batches)
        # More modules than threads: each piece then holds few neighbours' couplings.
        n_banks = max(threads, p.n_modules)
        laid_out = self.synapses.lay_out(Job(n_banks, factors, self._first_batch + self.batch))
        kernels, model, rule, memory = laid_out
        dtype = model.feedback.dtype
        amplitudes = self.configuration.schedule.amplitudes.astype(dtype)
        work = make_workspace(
            size, n_hidden, p.n_inputs + p.has_biases, p.n_outputs, len(amplitudes), n_banks, dtype
        )
        order = find_order(training.update_order, "driven")
        probability = check_probability(order, training.update_probability)
        update = make_update(
            order, probability, n_hidden, work.keys, couplings=model.couplings, stop_at_cycle=False
        )
        key = derive_key(stream_key(training.seed, _DYNAMICS_STREAM), self.epoch)
        noise_key = derive_key(stream_key(training.seed, _NOISE_STREAM), self.epoch)
        presented = self._order()[first : first + n_batches * size]
        inputs = self._take_inputs(X)
        batches = Batches(
            inputs,
            y,
            presented,
            size,
            factors,
            np.uint64(key),
            first,
            training.input_noise,
            np.uint64(noise_key),
        )
        is_first = inputs.dtype not in self._steps  # looking them up takes milliseconds
        if is_first:
            self._steps[inputs.dtype] = find_steps(
                kernels, model, rule, memory, amplitudes, update, work, batches
            )
        arguments = (
            self._steps[inputs.dtype],
            model,
            rule,
            memory,
            batches,
            amplitudes,
            update,
            work,
            Counts(self.changes, self.totals),
            make_team(threads),
        )
        if is_first:  # compiled before threads begin that wait for each other
            find_address(train_batches, *arguments, 0)
        return laid_out, arguments

    def _take_inputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return inputs as the kernels take them, turned once in an epoch."""
        if self._taken is None or self._taken[0] is not X:
            self._taken = X, self.synapses.take_inputs(X)
        return np.asarray(self._taken[1])

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """Note the measurements of the epoch and turn to the next one.

        Parameters
        ----------
        metrics : EpochMetrics
            The measurements.
        """
        self.history.append(metrics)
        self.next_epoch()

    def next_epoch(self) -> None:
        """Turn to the next epoch."""
        self.epoch += 1
        self.begin_epoch()
        self.synapses.pause()

    def begin_epoch(self) -> None:
        """Turn to the first batch of the epoch, and forget what was counted in it."""
        self.batch = 0
        self.kept = None
        self._taken = None  # the next epoch of an online learner may have others in the same array
        self.seconds = 0.0
        self.changes[:] = 0
        self.totals[:] = 0

    def _order(self) -> NDArray[np.int64]:
        order = draw_order(self.configuration.training.seed, self.epoch, self.n_samples)
        return order if self.kept is None else order[self.kept[order]]

    def _choose_samples(self, X: Inputs, y: NDArray[np.int64], threads: int) -> None:
        """Choose the samples of the epoch by what the network, as it is now, predicts of them."""
        training = self.configuration.training
        start = training.curriculum_start
        # An online learner goes beyond its epochs. The quotient rounds as 0.7 does: 0.7 * 10 > 7.
        if start == 1.0 or self.epoch / training.epochs < start:
            return
        options = training.inference_options() | {"threads": threads}
        is_wrong = predict(self.relaxable(), X, **options) != y
        sequence = np.random.SeedSequence(training.seed, spawn_key=(_CURRICULUM_STREAM, self.epoch))
        drawn = np.random.default_rng(sequence).random(self.n_samples)
        p = training.curriculum_wrong
        kept = drawn < np.where(is_wrong, p, 1.0 - p)
        self.kept = kept if kept.any() else None

    def _rate_factors(self, first: int, n: int) -> NDArray[np.float64]:
        training = self.configuration.training
        total = training.epochs * math.ceil(self.n_samples / training.batch_size)
        return self.configuration.plasticity.rate_factors(self._first_batch + first, n, total)
