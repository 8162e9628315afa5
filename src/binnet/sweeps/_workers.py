"""Who measures the cells: this process, processes of this machine (joblib), or a Dask cluster."""

from __future__ import annotations

import copy
import os
import re
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from binnet._provenance import get_version
from binnet._threads import count_cores, watch_threads
from binnet.sweeps._journal import Measurement
from binnet.sweeps._sessions import Surroundings, describe_surroundings
from binnet.sweeps.grid import Cell

Function = Callable[..., Mapping[str, Any]]
_CONNECT_SECONDS = 20
_TRIES = 2  # alone, of a cell whose process has died
_LOOK_SECONDS = 0.5  # between two looks of a worker whether its parent is there

_watching = False  # whether this process, a worker, does


class SweepError(RuntimeError):
    """A sweep that could not be finished; what was measured is in its journal."""


class Outcome(NamedTuple):
    """What became of a cell."""

    number: int  # of the cell
    measurement: Measurement | None  # None where the function raised
    error: str  # what became of it, then
    seconds: float
    surroundings: Surroundings | None = None  # None where the function raised


def measure_cell(function: Function, number: int, parameters: Cell) -> Outcome:
    """Call the function; what it raises is part of the outcome."""
    begun = time.perf_counter()
    try:
        with watch_threads() as threads:
            # Its own copy: what the function does to its parameters must not reach the next cell.
            measurement = _to_measurement(function(**copy.deepcopy(parameters)))
    except Exception:
        error = f"raised:\n{traceback.format_exc()}"
        return Outcome(number, None, error, time.perf_counter() - begun)
    seconds = time.perf_counter() - begun
    return Outcome(number, measurement, "", seconds, describe_surroundings(threads))


def _to_measurement(result: Any) -> Measurement:
    if not isinstance(result, Mapping) or not result:
        raise TypeError(
            "an observable must return a mapping from names to numbers or (dims, array), got "
            f"{result!r}"
        )
    measurement = {}
    for name, value in result.items():
        if not isinstance(name, str):
            raise TypeError(f"names of variables must be strings, got {name!r}")
        dims, values = value if isinstance(value, tuple) else ((), value)
        dims = (dims,) if isinstance(dims, str) else tuple(dims)
        array = np.array(values)  # a copy: the function may fill the same array in the next cell
        if array.dtype.kind not in "biuf" or not all(isinstance(dim, str) for dim in dims):
            raise TypeError(f"{name} must be numbers, with names of dimensions, got {value!r}")
        if array.ndim != len(dims):
            raise ValueError(
                f"{name} has {array.ndim} axes but the dimensions {dims}, for the shape "
                f"{array.shape}; return (dims, array)"
            )
        measurement[name] = (dims, array.astype(array.dtype.newbyteorder("="), copy=False))
    return measurement


def measure_here(function: Function, cells: Sequence[tuple[int, Cell]]) -> Iterator[Outcome]:
    """Measure one cell after the other in this process."""
    for number, cell in cells:
        yield measure_cell(function, number, cell)


def measure_locally(
    function: Function, cells: Sequence[tuple[int, Cell]], workers: int
) -> Iterator[Outcome]:
    """Measure on `workers` processes that share the cores of this machine.

    Where one dies, those cells that may have killed it are measured alone, so that it is known
    which of them does, or that there was too little memory for many at once.
    """
    from joblib.externals.loky.process_executor import BrokenProcessPool

    left = dict(cells)
    while left:
        begun: list[int] = []
        try:
            for outcome in _measure_together(function, left, begun, workers):
                del left[outcome.number]
                yield outcome
        except BrokenProcessPool:
            for number in [number for number in begun if number in left]:
                yield _measure_alone(function, number, left.pop(number), workers)


def _measure_together(
    function: Function, cells: Mapping[int, Cell], begun: list[int], workers: int
) -> Generator[Outcome]:
    """Measure the cells; `begun` gets the numbers of those that were handed out."""
    import joblib

    def hand_out() -> Iterator[Any]:
        for number, cell in list(cells.items()):
            begun.append(number)
            yield joblib.delayed(_measure_as_worker)(os.getpid(), function, number, cell)

    threads = max(1, count_cores() // workers)
    with (
        joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=threads),
        warnings.catch_warnings(),
    ):
        # joblib guesses at a leak of memory; what has happened is found out and said.
        warnings.filterwarnings("ignore", message="A worker stopped", category=UserWarning)
        yield from joblib.Parallel(return_as="generator_unordered")(hand_out())


def _measure_as_worker(parent: int, *arguments: Any) -> Outcome:
    """Measure a cell in a process that ends when its parent has: a kill reaches one process only.

    The others would wait for work for minutes, or finish cells that nobody keeps.
    """
    global _watching
    if not _watching:
        _watching = True
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    return measure_cell(*arguments)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:  # Windows never tells
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def _measure_alone(function: Function, number: int, cell: Cell, workers: int) -> Outcome:
    """Measure one cell while no other is, as often as it may kill its process."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    for _ in range(_TRIES):
        try:
            (outcome,) = _measure_together(function, {number: cell}, [], workers)
            return outcome
        except BrokenProcessPool as error:
            codes = re.search(r"exit codes of the workers are \{(.*?)\}", str(error))
    how = "" if codes is None else f" ({codes[1]})"
    error_text = f"failed: a worker process died of it, {_TRIES} times also when it ran alone{how}"
    return Outcome(number, None, error_text, 0.0)


def measure_on_cluster(
    function: Function, cells: Sequence[tuple[int, Cell]], scheduler: str
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
        futures = {
            client.submit(measure_cell, function, number, cell, pure=False): number
            for number, cell in cells
        }
        for future in as_completed(list(futures), loop=client.loop):
            number = futures.pop(future)
            try:
                yield future.result()
            except KilledWorker as error:
                yield Outcome(number, None, f"killed the workers that measured it: {error}", 0.0)
            except Exception:  # the function could not even be loaded there
                yield Outcome(number, None, f"raised:\n{traceback.format_exc()}", 0.0)
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
