"""Who measures the cells: this process, processes of this machine (joblib), or a Dask cluster."""

from __future__ import annotations

import os
import re
import threading
import time
import traceback
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from binnet._provenance import get_version
from binnet._threads import count_cores
from binnet.sweeps._pieces import Measure, Outcome, Piece
from binnet.sweeps.grid import Cell

_CONNECT_SECONDS = 20
_TRIES = 2  # alone, of a cell whose process has died
_LOOK_SECONDS = 0.5  # between two looks of a worker whether its parent is there

_watching = False  # whether this process, a worker, does


class SweepError(RuntimeError):
    """A sweep that could not be finished; what was measured is in its journal."""


def measure_here(measure: Measure, pieces: Sequence[Piece]) -> Iterator[Outcome]:
    """Measure one piece after the other in this process."""
    for piece in pieces:
        yield from measure(piece)


def measure_locally(measure: Measure, pieces: Sequence[Piece], workers: int) -> Iterator[Outcome]:
    """Measure on `workers` processes that share the cores of this machine.

    Where one dies, those cells that may have killed it are measured alone, so that it is known
    which of them does, or that there was too little memory for many at once.
    """
    from joblib.externals.loky.process_executor import BrokenProcessPool

    left = {piece[0][0]: piece for piece in pieces}
    while left:
        begun: list[int] = []
        try:
            for outcomes in _measure_together(measure, left, begun, workers):
                del left[outcomes[0].number]
                yield from outcomes
        except BrokenProcessPool:
            for first in [first for first in begun if first in left]:
                for number, cell in left.pop(first):
                    yield _measure_alone(measure, number, cell, workers)


def _measure_together(
    measure: Measure, pieces: Mapping[int, Piece], begun: list[int], workers: int
) -> Generator[list[Outcome]]:
    """Measure pieces, each by its first cell's number; `begun` gets those that were handed out."""
    import joblib

    def hand_out() -> Iterator[Any]:
        for first, piece in list(pieces.items()):
            begun.append(first)
            yield joblib.delayed(_measure_as_worker)(os.getpid(), measure, piece)

    threads = max(1, count_cores() // workers)
    with (
        joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=threads),
        warnings.catch_warnings(),
    ):
        # joblib guesses at a leak of memory; what has happened is found out and said.
        warnings.filterwarnings("ignore", message="A worker stopped", category=UserWarning)
        yield from joblib.Parallel(return_as="generator_unordered")(hand_out())


def _measure_as_worker(parent: int, measure: Measure, piece: Piece) -> list[Outcome]:
    """Measure a piece in a process that ends when its parent has: a kill reaches one process only.

    The others would wait for work for minutes, or finish cells that nobody keeps.
    """
    global _watching
    if not _watching:
        _watching = True
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    return measure(piece)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:  # Windows never tells
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def _measure_alone(measure: Measure, number: int, cell: Cell, workers: int) -> Outcome:
    """Measure one cell while no other is, as often as it may kill its process."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    for _ in range(_TRIES):
        try:
            ((outcome,),) = _measure_together(measure, {number: [(number, cell)]}, [], workers)
            return outcome
        except BrokenProcessPool as error:
            codes = re.search(r"exit codes of the workers are \{(.*?)\}", str(error))
    how = "" if codes is None else f" ({codes[1]})"
    error_text = f"failed: a worker process died of it, {_TRIES} times also when it ran alone{how}"
    return Outcome(number, None, error_text, 0.0)


def measure_on_cluster(
    measure: Measure, pieces: Sequence[Piece], scheduler: str
) -> Iterator[Outcome]:
    """Measure on the workers of a Dask scheduler; it repeats the cells of workers that die."""
    try:
        from distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise ImportError(
            'a Dask cluster needs the package distributed: pip install "binnet[cluster]"'
        ) from None
    try:
        client = Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"there is no Dask scheduler at {scheduler} ({error}); start one with `dask scheduler` "
            "and workers with `dask worker ADDRESS`, or leave the address out"
        ) from None
    with client:
        _check_workers(client, scheduler)

        def submit(piece: Piece) -> Any:
            future = client.submit(measure, piece, pure=False)
            futures[future] = piece
            return future

        futures: dict[Any, Piece] = {}
        finished = as_completed([submit(piece) for piece in pieces], loop=client.loop)
        for future in finished:
            piece = futures.pop(future)
            try:
                yield from future.result()
            except KilledWorker as error:
                if len(piece) > 1:  # which of the cells kills is known when each is alone
                    for cell in piece:
                        finished.add(submit([cell]))
                else:
                    error_text = f"killed the workers that measured it: {error}"
                    yield Outcome(piece[0][0], None, error_text, 0.0)
            except Exception:  # the function could not even be loaded there
                error_text = f"raised:\n{traceback.format_exc()}"
                yield from (Outcome(number, None, error_text, 0.0) for number, _ in piece)
            future.release()


def _check_workers(client: Any, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except TimeoutError:
        raise ConnectionError(
            f"the Dask scheduler at {scheduler} has no workers; start one with `dask worker "
            f"{scheduler}`"
        ) from None
    for worker, version in client.run(get_version).items():
        if version != get_version():
            raise SweepError(
                f"worker {worker} has binnet {version}, this process {get_version()}; install the "
                "same version on both"
            )
