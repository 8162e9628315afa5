"""The same workloads by what a user would pick instead: NumPy, Numba, PyTorch, JAX.

A peer of a workload is a function that prepares its data, the workload's own, and returns a task
whose answer must be binnet's. There may be several ways to write it in one library: the fastest
counts, so each has a name of its own. `_PLACES` says where they are, so that they are listed
without loading a library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec

from binnet.benchmarks._workload import Task
from binnet.benchmarks.workloads import all_workloads

# By the beginning of a workload's name: the name of each peer, and the function that prepares it.
# A module's name begins with that of the library.
_PLACES: dict[str, dict[str, str]] = {
    "relax-sync": {
        "numpy": "numpy_relaxation:relax_rows",
        "numpy-columns": "numpy_relaxation:relax_columns",
        "numba": "numba_relaxation:relax_products",
        "numba-events": "numba_relaxation:relax_events",
        "torch": "torch_relaxation:relax_rows",
        "torch-columns": "torch_relaxation:relax_columns",
    },
}


def find_peers(workload_name: str) -> dict[str, Callable[[int], Task]]:
    """Return the peers of a workload whose libraries are installed.

    Parameters
    ----------
    workload_name : str
        Name of the workload.

    Returns
    -------
    dict of str to callable
        By the peer's name what prepares it: a function of the number of threads, as a workload's
        ``prepare``. It loads the library; a process runs one peer only, on one number of threads.
    """
    sizes = all_workloads()[workload_name].sizes
    return {
        name: partial(_prepare, place, sizes)
        for name, place in _places_of(workload_name).items()
        if find_spec(library_of(place))
    }


def library_of(place: str) -> str:
    """Return the library of a peer, or of the place where it is defined."""
    return place.partition("-")[0].partition("_")[0]


def _places_of(workload_name: str) -> dict[str, str]:
    fitting = [start for start in _PLACES if workload_name.startswith(start)]
    return _PLACES[max(fitting, key=len)] if fitting else {}


def _prepare(place: str, sizes: Mapping[str, int], threads: int) -> Task:
    module, _, name = place.partition(":")
    prepare: Callable[[Mapping[str, int], int], Task]
    prepare = getattr(import_module(f"{__name__}.{module}"), name)
    return prepare(sizes, threads)
