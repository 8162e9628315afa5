"""Who measures the cells: this process, processes of this machine (joblib), or a Dask cluster."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from binnet._provenance import get_version
from binnet._threads import count_cores, watch_threads
from binnet.sweeps._journal import Measurement
from binnet.sweeps._sessions import Surroundings, describe_surroundings
from binnet.sweeps.grid import Cell

_CONNECT_SECONDS = 20


class Outcome(NamedTuple):
    """What became of a cell."""

    number: int  # of the cell
    measurement: Measurement | None  # None where the function raised
    error: str  # the traceback, then
    seconds: float
    surroundings: Surroundings | None = None  # None where the function raised


def measure_cell(
    function: Callable[..., Mapping[str, Any]], number: int, parameters: Cell
) -> Outcome:
    """Call the function; what it raises is part of the outcome."""
    begun = time.perf_counter()
    try:
        with watch_threads() as threads:
            measurement = _to_measurement(function(**parameters))
    except Exception:
        return Outcome(number, None, traceback.format_exc(), time.perf_counter() - begun)
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
        dims, values = value if isinstance(value, tuple) else ((), value)
        dims = (dims,) if isinstance(dims, str) else tuple(dims)
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{name} must be numbers, got {value!r}")
        if array.ndim != len(dims):
            raise ValueError(
                f"{name} has {array.ndim} axes but the dimensions {dims}; return (dims, array)"
            )
        measurement[str(name)] = (dims, array)
    return measurement


def measure_here(
    function: Callable[..., Mapping[str, Any]], cells: Sequence[tuple[int, Cell]]
) -> Iterator[Outcome]:
    """Measure one cell after the other in this process."""
    for number, cell in cells:
        yield measure_cell(function, number, cell)


def measure_locally(
    function: Callable[..., Mapping[str, Any]], cells: Sequence[tuple[int, Cell]], workers: int
) -> Iterator[Outcome]:
    """Measure on `workers` processes that share the cores of this machine."""
    import joblib

    threads = max(1, count_cores() // workers)
    with joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=threads):
        yield from joblib.Parallel(return_as="generator_unordered")(
            joblib.delayed(measure_cell)(function, number, cell) for number, cell in cells
        )


def measure_on_cluster(
    function: Callable[..., Mapping[str, Any]], cells: Sequence[tuple[int, Cell]], scheduler: str
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
                yield Outcome(number, None, f"the workers that measured it died: {error}", 0.0)
            except Exception:  # the function could not even be loaded there
                yield Outcome(number, None, traceback.format_exc(), 0.0)
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
            raise RuntimeError(
                f"worker {worker} has binnet {version}, this process {get_version()}; install the "
                "same version on both"
            )
