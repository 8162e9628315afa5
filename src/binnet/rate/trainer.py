"""Training of rate networks: fresh trials at every update, stopped and taken up bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from binnet._files import check_file, overwriting
from binnet._interrupts import DeferredInterrupt
from binnet._progress import progress_bar
from binnet._provenance import describe_run
from binnet._threads import resolve_threads
from binnet.rate._state import State
from binnet.rate._trajectories import Workspace
from binnet.rate.configuration import RateConfiguration
from binnet.rate.divergence import DivergenceError
from binnet.rate.model import RateRNN
from binnet.rate.results import WINDOW, RateTrainingResult
from binnet.rate.starting import check_network, find_task, start_network
from binnet.rate.tasks import Task

# Updates between two checkpoints: a second or less of work.
_ITERATIONS_PER_CHECKPOINT = 250


def train(
    configuration: RateConfiguration | None = None,
    *,
    task: Task | None = None,
    network: RateRNN | None = None,
    threads: int | None = 1,
    checkpoint: str | Path | None = None,
    overwrite: bool = False,
    on_checkpoint: Callable[[RateTrainingResult], None] | None = None,
    on_update: Callable[[int, RateRNN], None] | None = None,
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
        Threads of rtrl, snap, uoro and kf-rtrl; the others run on one. None: all cores.
    checkpoint : path-like, optional
        File (.safetensors) to write every 250 updates and when stopped.
    overwrite : bool, default False
        Whether `checkpoint` may replace a file that binnet did not write.
    on_checkpoint : callable, optional
        Called with the result so far whenever a checkpoint is due.
    on_update : callable, optional
        Called as ``on_update(n, network)`` before the first update, with n = 0, and after each,
        with how many have been done: the network at work, to be read and not to be kept.
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
        If activity, gradient, loss or weights are no longer finite; the last good checkpoint
        stays.

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
    check_network(network, configuration)
    state = State(configuration, network.copy(), np.empty(0))
    with overwriting(overwrite):
        return _run(state, task, n_threads, checkpoint, on_checkpoint, progress, on_update)


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
    state = State.load(checkpoint)
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
    state = State.load(checkpoint)
    return state.result(describe_run(state.configuration.seed, 1))


def _run(
    state: State,
    task: Task | None,
    threads: int,
    checkpoint: str | Path | None,
    on_checkpoint: Callable[[RateTrainingResult], None] | None,
    progress: bool,
    on_update: Callable[[int, RateRNN], None] | None = None,
) -> RateTrainingResult:
    c = state.configuration
    draw, work = find_task(c, task), Workspace()
    provenance = describe_run(c.seed, threads)
    saved = state.iteration

    def save() -> None:
        nonlocal saved
        state.check()
        if checkpoint is not None:
            state.save(checkpoint)
            saved = state.iteration
        if on_checkpoint is not None:
            on_checkpoint(state.result(provenance))

    with ExitStack() as stack:
        interrupt = stack.enter_context(DeferredInterrupt())
        # Products of small matrices, between compiled code: threads of BLAS would only wait.
        stack.enter_context(threadpool_limits(1, "blas"))
        # Divergence is told in one clear sentence.
        stack.enter_context(np.errstate(over="ignore", invalid="ignore"))
        bar = stack.enter_context(
            progress_bar(
                total=c.iterations, initial=state.iteration, unit="it", disable=not progress,
                desc=f"{c.task}, {c.rule}, gain {c.gain:g}",
            )
        )  # fmt: skip
        if state.iteration == 0:
            save()
            if on_update is not None:
                on_update(0, state.network)
        try:
            while not state.finished and not interrupt.requested:
                state.learn(draw, threads, work)
                if on_update is not None:
                    on_update(state.iteration, state.network)
                bar.update()
                if state.iteration % _ITERATIONS_PER_CHECKPOINT == 0 and not state.finished:
                    bar.set_postfix(loss=f"{state.losses[: state.iteration][-WINDOW:].mean():.5f}")
                    save()
            save()
        except DivergenceError as error:  # nothing was saved: the state is of no use
            kept = f"the checkpoint of iteration {saved} is kept" if checkpoint else ""
            raise DivergenceError.at(
                state.iteration, error.cause, kept, gain=c.gain, learning_rate=c.learning_rate
            ) from error
    return state.result(provenance)
