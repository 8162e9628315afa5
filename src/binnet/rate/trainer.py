"""Training of rate networks: fresh trials at every update, stopped and taken up bit by bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from binnet._files import check_file, overwriting
from binnet._interrupts import DeferredInterrupt
from binnet._progress import progress_bar
from binnet._provenance import describe_run
from binnet._records import Record, reading
from binnet._tensors import read_tensors, write_tensors
from binnet._threads import resolve_threads
from binnet._validation import check_integer
from binnet.rate._gradients import compute_gradient
from binnet.rate._losses import make_goal
from binnet.rate._trajectories import Floats, Workspace
from binnet.rate.configuration import CUSTOM, RateConfiguration
from binnet.rate.divergence import DivergenceError
from binnet.rate.flossing import floss
from binnet.rate.model import WEIGHTS, RateRNN, check_inputs
from binnet.rate.optimisers import make_optimiser
from binnet.rate.results import WINDOW, RateTrainingResult
from binnet.rate.tasks import Task, get

_FORMAT, _KIND = "binnet-rate", "checkpoint of a rate network"
# Updates between two checkpoints: a second or less of work.
_ITERATIONS_PER_CHECKPOINT = 250
# Independent random streams of a seed.
_WEIGHTS, _TRIALS, _FEEDBACK, _FLOSSING = range(4)


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
    draw = _find_task(c, task)
    trials = draw(1, (c.seed, _TRIALS, 0))
    network = RateRNN.initialise(
        trials.n_inputs,
        trials.n_outputs,
        c.n_hidden,
        gain=c.gain,
        leak=c.leak,
        activation=c.activation,
        dtype=c.dtype,
        seed=(c.seed, _WEIGHTS),
    )
    if not flossed or c.floss_exponents == 0:
        return network
    return floss(
        network,
        lambda batch_size, seed: draw(batch_size, (c.seed, _FLOSSING, seed[1])),
        c.floss_exponents,
        version=c.floss_version,
        iterations=c.floss_iterations,
        batch_size=c.floss_batch_size,
        seed=c.seed,
    ).network


def train(
    configuration: RateConfiguration | None = None,
    *,
    task: Task | None = None,
    network: RateRNN | None = None,
    threads: int | None = 1,
    checkpoint: str | Path | None = None,
    overwrite: bool = False,
    on_checkpoint: Callable[[RateTrainingResult], None] | None = None,
    progress: bool = False,
) -> RateTrainingResult:
    """Train a rate network on a task by the rule of the configuration.

    Each update draws a fresh batch of trials. Ctrl-C stops after the update at work and returns
    what has been learned; with `checkpoint` the run can be taken up again by `resume`.

    Parameters
    ----------
    configuration : RateConfiguration, optional
        All parameters. Default: ``RateConfiguration()``.
    task : callable, optional
        For the task "custom": ``task(batch_size, seed) -> Trials``, such as
        `binnet.rate.tasks.from_neurogym` returns.
    network : RateRNN, optional
        What to begin with; it is not changed. Default: what `start_network` returns.
    threads : int, optional
        Threads of rtrl; the other rules run on one. None: all cores.
    checkpoint : path-like, optional
        File (.safetensors) to write every 250 updates and when stopped.
    overwrite : bool, default False
        Whether `checkpoint` may replace a file that binnet did not write.
    on_checkpoint : callable, optional
        Called with the result so far whenever a checkpoint is due.
    progress : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    RateTrainingResult
        The network, its losses, configuration and provenance.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or range.
    FileNotFoundError, PermissionError
        If the folder of `checkpoint` does not exist or cannot be written.
    FileExistsError, IsADirectoryError
        If `checkpoint` is a folder or a file that binnet did not write.
    DivergenceError
        If the loss is no longer finite; the last good checkpoint stays.

    Examples
    --------
    >>> from binnet.rate import RateConfiguration, train
    >>> result = train(RateConfiguration(rule="eprop", gain=1.0, iterations=10))
    >>> len(result.losses)
    10
    """
    configuration = configuration or RateConfiguration()
    configuration.check_memory()
    if checkpoint is not None:
        check_file(checkpoint, overwrite=overwrite)
    n_threads = resolve_threads(threads)
    if network is None:
        network = start_network(configuration, task)
    state = _State(configuration, network.copy(), np.empty(0))
    with overwriting(overwrite):
        return _run(state, task, n_threads, checkpoint, on_checkpoint, progress)


def resume(
    checkpoint: str | Path,
    *,
    iterations: int | None = None,
    task: Task | None = None,
    threads: int | None = 1,
    on_checkpoint: Callable[[RateTrainingResult], None] | None = None,
    progress: bool = False,
) -> RateTrainingResult:
    """Take up a stopped run: the end is that of a run that was never stopped, bit by bit.

    Parameters
    ----------
    checkpoint : path-like
        What `train` wrote; it is written on.
    iterations : int, optional
        After how many updates in all the run is to end, more than it has done: so a finished run
        goes on, to exactly the end of a run of so many. Default: as before.
    task, threads, on_checkpoint, progress : optional
        As for `train`.

    Returns
    -------
    RateTrainingResult
        As of an unstopped run.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no checkpoint, it is damaged, or `iterations` is another number than before and
        not more than it has done.
    """
    state = _State.load(checkpoint)
    if iterations is not None:
        state.set_iterations(iterations)
    check_file(checkpoint)
    return _run(state, task, resolve_threads(threads), checkpoint, on_checkpoint, progress)


def load_result(checkpoint: str | Path) -> RateTrainingResult:
    """Read what a run has learned so far.

    Parameters
    ----------
    checkpoint : path-like
        What `train` wrote.

    Returns
    -------
    RateTrainingResult
        The network, its losses and configuration; the provenance is that of this process.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no checkpoint, or it is damaged.
    """
    state = _State.load(checkpoint)
    return state.result(describe_run(state.configuration.seed, 1))


class _State:
    """What a run needs to go on."""

    def __init__(
        self, configuration: RateConfiguration, network: RateRNN, losses: NDArray[np.float64]
    ) -> None:
        self.configuration, self.network = configuration, network
        self.optimiser = make_optimiser(configuration.optimiser, configuration.learning_rate)
        self.iteration = len(losses)
        self.losses = _lengthen(losses, configuration.iterations)
        self.feedback = None
        if configuration.feedback == "random":
            rng = np.random.default_rng((configuration.seed, _FEEDBACK))
            bound = 1 / math.sqrt(network.n_neurons)  # as the readout is drawn
            drawn = rng.uniform(-bound, bound, network.readout.shape)
            self.feedback = drawn.astype(network.dtype)

    @property
    def finished(self) -> bool:
        return self.iteration == self.configuration.iterations

    def set_iterations(self, iterations: int) -> None:
        """Let the run end after another number of updates, more than it has done."""
        if iterations == self.configuration.iterations:
            return  # the command that let it go on, once more: the run has perhaps ended since
        remedy = f"the run has done {self.iteration}"
        check_integer("iterations", iterations, self.iteration + 1, remedy=remedy)
        self.configuration = replace(self.configuration, iterations=iterations)
        self.losses = _lengthen(self.losses[: self.iteration], iterations)

    def result(self, provenance: dict[str, Any]) -> RateTrainingResult:
        return RateTrainingResult(
            self.network.copy(),
            self.losses[: self.iteration].copy(),
            self.configuration,
            provenance,
            self.finished,
        )

    def learn(self, draw: Task, threads: int, work: Workspace) -> float:
        """Do one update and return the loss before it."""
        c, network = self.configuration, self.network
        trials = draw(c.batch_size, (c.seed, _TRIALS, self.iteration))
        inputs = check_inputs(network, trials.inputs)
        shape = (*inputs.shape[:2], network.n_outputs)
        goal = make_goal(trials.loss, trials.targets, trials.mask, shape, network.dtype)
        step = compute_gradient(network, inputs, goal, c.rule, self.feedback, threads, work)
        if math.isfinite(step.loss):
            self.optimiser.step(network.weights(), step.grads)
            self.losses[self.iteration] = step.loss
            self.iteration += 1
        return step.loss

    def save(self, path: str | Path) -> None:
        tensors: dict[str, Floats] = self.network.weights()
        tensors |= {f"optimiser.{key}": value for key, value in self.optimiser.state().items()}
        tensors["losses"] = self.losses[: self.iteration].copy()
        write_tensors(path, _FORMAT, tensors, {"configuration": self.configuration.to_dict()})

    @classmethod
    def load(cls, path: str | Path) -> _State:
        path = Path(path)
        tensors, info = read_tensors(path, _FORMAT, _KIND)
        with reading(path, _KIND):
            return cls._restore(path, tensors, info)

    @classmethod
    def _restore(cls, path: Path, tensors: dict[str, Any], info: Record) -> _State:
        configuration = RateConfiguration.from_dict(info.table("configuration").values)
        if not {*WEIGHTS, "losses"} <= tensors.keys():
            raise ValueError(f"{path} lacks weights or losses; use an undamaged checkpoint")
        recurrent, input_weights, readout = (tensors[name].copy() for name in WEIGHTS)
        network = RateRNN(
            recurrent, input_weights, readout, configuration.leak, configuration.activation
        )
        losses = tensors["losses"]
        if (
            network.n_neurons != configuration.n_hidden
            or network.dtype.name != configuration.dtype
            or losses.ndim != 1
            or losses.dtype != np.float64
            or len(losses) > configuration.iterations
        ):
            raise ValueError(
                f"{path} does not fit its configuration: {network.n_neurons} neurons in "
                f"{network.dtype}, {losses.dtype} losses of shape {losses.shape}; use an undamaged "
                "checkpoint"
            )
        state = cls(configuration, network, losses)
        prefix = "optimiser."
        state.optimiser.restore(
            {key[len(prefix) :]: v for key, v in tensors.items() if key.startswith(prefix)},
            network.weights(),
        )
        return state


def _run(
    state: _State,
    task: Task | None,
    threads: int,
    checkpoint: str | Path | None,
    on_checkpoint: Callable[[RateTrainingResult], None] | None,
    progress: bool,
) -> RateTrainingResult:
    c = state.configuration
    draw, work = _find_task(c, task), Workspace()
    provenance = describe_run(c.seed, threads)
    saved = state.iteration

    def save() -> None:
        nonlocal saved
        if checkpoint is not None:
            state.save(checkpoint)
            saved = state.iteration
        if on_checkpoint is not None:
            on_checkpoint(state.result(provenance))

    with ExitStack() as stack:
        interrupt = stack.enter_context(DeferredInterrupt())
        # Products of small matrices, between compiled code: threads of BLAS would only wait.
        stack.enter_context(threadpool_limits(1, "blas"))
        # Divergence is told by the loss, in one clear sentence.
        stack.enter_context(np.errstate(over="ignore", invalid="ignore"))
        bar = stack.enter_context(
            progress_bar(
                total=c.iterations, initial=state.iteration, unit="it", disable=not progress,
                desc=f"{c.task}, {c.rule}, gain {c.gain:g}",
            )
        )  # fmt: skip
        if state.iteration == 0:
            save()
        while not state.finished and not interrupt.requested:
            loss = state.learn(draw, threads, work)
            if not math.isfinite(loss):
                kept = f"the checkpoint of iteration {saved} is kept" if checkpoint else ""
                raise DivergenceError.at(state.iteration, loss, c, kept)
            bar.update()
            if state.iteration % _ITERATIONS_PER_CHECKPOINT == 0 and not state.finished:
                bar.set_postfix(loss=f"{state.losses[: state.iteration][-WINDOW:].mean():.5f}")
                # After the loss of iteration k was finite, its update may not have been.
                if all(np.isfinite(w).all() for w in state.network.weights().values()):
                    save()
        save()
    return state.result(provenance)


def _lengthen(losses: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    return np.concatenate([losses, np.zeros(n - len(losses))])


def _find_task(configuration: RateConfiguration, task: Task | None) -> Task:
    if (task is not None) != (configuration.task == CUSTOM):
        raise ValueError(
            f"pass a function as task with, and only with, the configuration's task {CUSTOM!r}; "
            f"it is {configuration.task!r}"
        )
    return task if task is not None else get(configuration.task)
