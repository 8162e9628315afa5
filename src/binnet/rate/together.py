"""Training of many networks in one process: each ends as it would alone, bit by bit."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from binnet._interrupts import DeferredInterrupt
from binnet._progress import progress_bar
from binnet._provenance import describe_run
from binnet._threads import resolve_threads, share_out
from binnet.rate._state import State
from binnet.rate._trajectories import Floats, Workspace
from binnet.rate.configuration import RateConfiguration
from binnet.rate.divergence import DivergenceError
from binnet.rate.model import RateRNN
from binnet.rate.results import RateTrainingResult
from binnet.rate.starting import check_network, find_task, start_network

_TURN_SECONDS = 0.1  # that a thread stays with a network: all of them end at about the same time


def train_together(
    configurations: Iterable[RateConfiguration],
    *,
    networks: Sequence[RateRNN] | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> list[RateTrainingResult]:
    """Train many networks at once, such as the seeds, gains and learning rates of a study.

    The networks may differ in anything. Threads take turns with them: an update is small, so a
    thread for each of some networks pays, where threads for one network would wait for each other.
    Each result is that of `binnet.rate.train` alone with the same configuration, bit by bit,
    whatever the others and the threads.

    Parameters
    ----------
    configurations : iterable of RateConfiguration
        One for each network; of named tasks, not of "custom" ones.
    networks : sequence of RateRNN, optional
        What each begins with; they are not changed. Default: what `start_network` returns.
    threads : int, optional
        Networks that are trained at the same time. None: as many as there are cores.
    progress : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    list of RateTrainingResult
        In the order of the configurations. A network that diverges does not stop the others: its
        result is `diverged`, with its losses up to there and the network before the update that
        failed. Ctrl-C stops all after the updates at work; what is neither `completed` nor
        `diverged` was stopped.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or range, or there are not as many networks as
        configurations.
    MemoryError
        If the networks take more memory than there is.

    Examples
    --------
    >>> from binnet.rate import RateConfiguration, train_together
    >>> runs = [RateConfiguration(rule="eprop", iterations=5, seed=seed) for seed in range(3)]
    >>> [len(result.losses) for result in train_together(runs)]
    [5, 5, 5]
    """
    chosen = list(configurations)
    if networks is not None and len(networks) != len(chosen):
        raise ValueError(
            f"networks must be one for each of the {len(chosen)} configurations, got "
            f"{len(networks)}; pass none to draw them"
        )
    for k, c in enumerate(chosen):
        c.check_memory()
        find_task(c, None)
        if networks is not None:
            check_network(networks[k], c)
    n_threads = resolve_threads(threads)
    with ExitStack() as stack:
        interrupt = stack.enter_context(DeferredInterrupt())
        # Products of small matrices, between compiled code: threads of BLAS would only wait.
        stack.enter_context(threadpool_limits(1, "blas"))
        bar = stack.enter_context(
            progress_bar(
                total=sum(c.iterations for c in chosen), unit="it", disable=not progress,
                desc=f"{len(chosen)} networks",
            )
        )  # fmt: skip

        def begin(k: int) -> tuple[State, bool]:
            return _begin(chosen[k], None if networks is None else networks[k])

        begun = share_out(n_threads, begin, range(len(chosen)))
        states = [state for state, _ in begun]
        turns = _Turns(states, n_threads, interrupt, bar)
        turns.leave_out(k for k, (_, diverged) in enumerate(begun) if diverged)
        share_out(n_threads, turns.work, range(n_threads))
    return [
        replace(
            state.result(describe_run(state.configuration.seed, n_threads)),
            completed=state.finished and k not in turns.diverged,
            diverged=k in turns.diverged,
        )
        for k, state in enumerate(states)
    ]


def _begin(c: RateConfiguration, network: RateRNN | None) -> tuple[State, bool]:
    """Return a run before its first update, and whether flossing has diverged."""
    diverged = False
    if network is None:
        try:
            network = start_network(c)
        except DivergenceError:
            network, diverged = start_network(c, flossed=False), True
    else:
        network = network.copy()
    return State(c, network, np.empty(0)), diverged


class _Turns:
    """Networks that wait for a thread; each is worked on for a while, then waits again."""

    def __init__(
        self, states: list[State], n_threads: int, interrupt: DeferredInterrupt, bar: Any
    ) -> None:
        self._states, self._interrupt, self._bar = states, interrupt, bar
        # Where there are fewer networks than threads, a rule that takes several gets what is left.
        self._threads_of_each = max(1, n_threads // max(1, len(states)))
        self._waiting = deque(range(len(states)))
        self.diverged: set[int] = set()
        self._lock, self._failed = threading.Lock(), False

    def leave_out(self, diverged: Iterable[int]) -> None:
        """Note networks that have diverged before their first update."""
        self.diverged.update(diverged)
        self._waiting = deque(k for k in self._waiting if k not in self.diverged)

    @property
    def _ended(self) -> bool:
        return self._interrupt.requested or self._failed

    def work(self, _rank: int) -> None:
        """Take one network after the other, until none waits: each thread leaves with its last."""
        try:
            work = Workspace()
            while not self._ended:
                try:
                    k = self._waiting.popleft()
                except IndexError:
                    return
                if self._take_turn(k, work):
                    self._waiting.append(k)
        except BaseException:
            self._failed = True  # the others end after their update
            raise

    def _take_turn(self, k: int, work: Workspace) -> bool:
        """Train a network for a while, and return whether it is to go on."""
        state = self._states[k]
        draw = find_task(state.configuration, None)
        begun, first = time.perf_counter(), state.iteration
        before: dict[str, Floats] = {}
        try:
            # Divergence is told by an error. Each thread has settings of its own for this.
            with np.errstate(over="ignore", invalid="ignore"):
                while not (state.finished or self._ended):
                    before = {name: weights.copy() for name, weights in state.learned.items()}
                    state.learn(draw, self._threads_of_each, work)
                    if time.perf_counter() - begun > _TURN_SECONDS:
                        break
                if state.finished:
                    state.check()
        except DivergenceError:
            self.diverged.add(k)
            for name, weights in state.learned.items():
                weights[...] = before[name]
        with self._lock:
            self._bar.update(state.iteration - first)
        return not state.finished and k not in self.diverged
