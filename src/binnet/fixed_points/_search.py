"""Running an enumeration: which method, in which pieces, how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._progress import progress_bar
from binnet._threads import count_pieces, in_pieces, share_out
from binnet.fixed_points._conditions import FixedPointConditions, make_order

METHODS = ("auto", "gray", "bounded")

_LOW_SPINS = 8  # of a block of Gray code
_TASK_SPINS = {"gray": 16, "bounded": 20}  # spins that a task leaves free
# Neurons, and self-coupling up to which branch and bound is the faster method.
_CROSSOVER = ((20, 24, 28), (0.6, 0.82, 0.98))
# Threads join a search that has run so long, for calls of one task measure overheads, and will run
# so much longer, for otherwise it is over before they have paid.
_TRIAL_SECONDS, _SERIAL_SECONDS = 0.0005, 0.006
_TELLING_TASKS = 64  # from as many the number of fixed points can be told
_FOUND_WORDS = 2**23  # of the buffer that a call fills
_SAMPLE_SECONDS = 0.3  # of an estimate


def choose_method(n_neurons: int, strength: float) -> str:
    """Return the faster method, by the crossover measured in docs/results/fixed_points.md.

    Few branches can be cut where the self-coupling nearly decides alone.
    """
    return "bounded" if strength < np.interp(n_neurons, *_CROSSOVER) else "gray"


class Search:
    """An enumeration cut into tasks; a task is a setting of the last few spins of the order."""

    def __init__(self, conditions: FixedPointConditions, method: str, threads: int) -> None:
        from binnet_kernels.enumeration import blocks, common
        from binnet_kernels.enumeration.bounded import enumerate_bounded, make_bounds, make_tree
        from binnet_kernels.enumeration.gray import enumerate_gray

        n = len(conditions.doubt)
        order = make_order(conditions.couplings)
        rows = common.make_conditions(
            conditions.couplings, conditions.slack, conditions.doubt, order
        )
        self._n_held = max(1, n - _TASK_SPINS[method])
        self._threads = threads
        self._scratch: Any = common.make_scratch(rows, count_pieces(threads))
        # Of s and -s only the one with its last spin up is searched where both are fixed points.
        self._first_task = 2 ** (self._n_held - 1) if conditions.symmetric else 0
        self.n_tasks = 2**self._n_held - self._first_task
        self._capacity = 256
        self._buffer = np.empty(0, np.uint64)
        self._run: Callable[[Any, Any, Any, Any, int], None]
        if method == "gray":
            block = blocks.make_block(rows, min(_LOW_SPINS, n - 1))
            self._run = lambda tasks, scratch, found, counts, worker: enumerate_gray(
                rows, block, tasks, self._n_held, scratch, found, counts, worker
            )
        else:
            bounds, tree = make_bounds(rows), make_tree(rows, count_pieces(threads))
            self._run = lambda tasks, scratch, found, counts, worker: enumerate_bounded(
                rows, bounds, tasks, self._n_held, tree, scratch, found, counts, worker
            )

    def _do(self, tasks: NDArray[np.uint64], threads: int) -> NDArray[np.uint64]:
        """Return the words that the tasks find, with marks of doubt."""
        n_pieces = count_pieces(threads)
        scratch = self._scratch._make(rows[:n_pieces] for rows in self._scratch)
        parts = [np.empty(0, np.uint64)]
        while len(tasks):
            now, tasks = np.split(tasks, [max(1, _FOUND_WORDS // self._capacity)])
            n_words = len(now) * self._capacity
            if len(self._buffer) < n_words:  # kept: fresh memory costs as much as the search
                self._buffer = np.empty(n_words, np.uint64)
            found = self._buffer[:n_words].reshape(len(now), self._capacity)
            counts = np.empty(len(now), np.int64)
            work = partial(self._run, now, scratch, found, counts)
            share_out(threads, work, range(n_pieces))
            there_was_room = counts <= self._capacity
            filled = np.where(there_was_room, counts, 0)
            parts.append(found[np.arange(self._capacity) < filled[:, None]])
            if not there_was_room.all():  # these once more, with room enough
                tasks = np.concatenate([tasks, now[~there_was_room]])
                self._capacity = int(1.25 * counts.max())
        return np.concatenate(parts)

    def run(self, max_states: int, progress: bool) -> NDArray[np.uint64]:
        """Do all tasks: on one thread, until it is seen that others pay."""
        parts, n_found, threads, begun = [], 0, 1, time.perf_counter()
        with progress_bar(
            total=self.n_tasks,
            unit="task",
            disable=None if progress else True,
            delay=1.0,
            leave=False,
        ) as bar:
            for begin, done in in_pieces(self.n_tasks):
                tasks = np.arange(begin, done, dtype=np.uint64) + np.uint64(self._first_task)
                parts.append(self._do(tasks, threads))
                n_found += len(parts[-1])
                expected = n_found * self.n_tasks / done
                hopeless = done >= _TELLING_TASKS and expected > 4 * max_states
                if n_found > max_states or hopeless:
                    raise MemoryError(
                        f"more than max_states = {max_states} fixed points: about {expected:.2g} "
                        f"are expected, {8e-9 * expected:.2g} GB of memory; lower the "
                        "self-coupling or the number of neurons, or raise max_states"
                    )
                seconds = time.perf_counter() - begun
                lasts = seconds * (self.n_tasks - done) / done > _SERIAL_SECONDS
                threads = self._threads if lasts and seconds > _TRIAL_SECONDS else 1
                bar.update(done - begin)
        return np.concatenate(parts)

    def estimate_seconds(self) -> float:
        """Return how long `run` would take, from a sample of the tasks."""
        rng = np.random.default_rng(0)
        self._do(self._sample(rng, 1), self._threads)  # compiles
        n_now, seconds = self._threads, 0.0
        while seconds < _SAMPLE_SECONDS and n_now < self.n_tasks:
            n_now = min(2 * n_now, self.n_tasks)
            tasks = self._sample(rng, n_now)
            begun = time.perf_counter()
            self._do(tasks, self._threads)
            seconds = time.perf_counter() - begun  # of this call: short ones measure overheads
        return float(seconds * self.n_tasks / n_now)

    def _sample(self, rng: np.random.Generator, n: int) -> NDArray[np.uint64]:
        last = self._first_task + self.n_tasks
        return rng.integers(self._first_task, last, n, dtype=np.uint64)
