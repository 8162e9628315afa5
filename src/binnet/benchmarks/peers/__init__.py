"""The same workloads by what a user would pick instead: NumPy, Numba, PyTorch, JAX.

A peer of a workload is a function that prepares its data, the workload's own, and returns a task
whose answer must be binnet's. There may be several ways to write it in one library: the fastest
counts, so each has a name of its own. `_PLACES` says where they are, so that they are listed
without loading a library.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.workloads import all_workloads

# By the beginning of a workload's name: the name of each peer, and the function that prepares it.
# A module's name begins with that of the library, after the underscore.
_PLACES: dict[str, dict[str, str]] = {
    "relax-sync": {
        "numpy": "_numpy_relaxation:relax_rows",
        "numpy-columns": "_numpy_relaxation:relax_columns",
        "numba": "_numba_relaxation:relax_products",
        "numba-events": "_numba_relaxation:relax_events",
        "torch": "_torch_relaxation:relax_rows",
        "torch-columns": "_torch_relaxation:relax_columns",
        "jax": "_jax_relaxation:relax_whole",
        "jax-active": "_jax_relaxation:relax_active",
    },
    "relax-async": {
        "numpy": "_numpy_relaxation:relax_visits",
        "numba": "_numba_relaxation:visit_products",
        "numba-events": "_numba_relaxation:visit_events",
    },
    "sweep": {
        "numpy": "_numpy_dense:sweep_rows",
        "numpy-columns": "_numpy_dense:sweep_columns",
        "numba": "_numba_dense:sweep",
        "torch": "_torch_dense:sweep_rows",
        "torch-columns": "_torch_dense:sweep_columns",
        "jax": "_jax_dense:sweep",
    },
    "plasticity": {
        "numpy": "_numpy_dense:update_weights",
        "numba": "_numba_dense:update_weights",
        "torch": "_torch_dense:update_weights",
        "jax": "_jax_dense:update_weights",
    },
    "plasticity-rounded": {},
    "fields": {
        "numpy": "_numpy_dense:compute_fields",
        "torch": "_torch_dense:compute_fields",
        "jax": "_jax_dense:compute_fields",
    },
    "learn-float": {
        "numpy": "_numpy_learning:learn",
        "torch": "_torch_learning:learn",
        "jax": "_jax_learning:learn",
    },
    "infer": {
        "numpy": "_numpy_learning:predict",
        "torch": "_torch_learning:predict_active",
        "torch-all": "_torch_learning:predict_all",
    },
    "enumerate-gray": {
        "numpy": "_numpy_counting:find_by_products",
        "numpy-survivors": "_numpy_counting:find_by_survivors",
    },
    "census": {"numpy": "_numpy_counting:take_census"},
    "rtrl": {
        "numpy": "_numpy_rate:advance",
        "torch": "_torch_rate:advance",
        "jax": "_jax_rate:advance",
    },
    "implicit": {
        "numpy": "_numpy_dense:add_columns",
        "torch": "_torch_dense:add_columns",
        "jax": "_jax_dense:add_columns",
    },
}


_LEAST_ROWS = 16  # `torch._int_mm` takes more

# Why there is no peer, by the beginning of a workload's name.
_REASONS: dict[str, str] = {
    "learn-int8": "no peer: integer weights are rounded by binnet's own random numbers, and no "
    "library has synapses of so few bits; learning in float32 is another workload",
    "learn-third-factor": "no peer: no library has this rule, and written by us for one it would "
    "be a guess of what its users would write",
    "enumerate-bounded": "no peer: without branch and bound all 2^N configurations are visited, "
    "which takes hours",
    "plasticity-rounded": "no peer: which events rounding keeps is drawn by binnet's counters, and "
    "float32 has nothing to round",
    "implicit": "peers do another thing: they store the couplings and read them, as no library "
    "draws them",
    "relax-async": "peers are given binnet's orders, and do not draw them",
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
    return make_peers(all_workloads()[workload_name])


def make_peers(workload: Workload) -> dict[str, Callable[[int], Task]]:
    """Return the peers of a workload, which may have other sizes than the one of this name.

    Parameters
    ----------
    workload : Workload
        The workload; its name and sizes count.

    Returns
    -------
    dict of str to callable
        As of `find_peers`.
    """
    return {
        name: partial(_prepare, place, workload)
        for name, place in _places_of(workload).items()
        if find_spec(library_of(name))
    }


def library_of(peer: str) -> str:
    """Return the library of a peer: "torch" of "torch-columns".

    Parameters
    ----------
    peer : str
        Name of the peer.

    Returns
    -------
    str
        Name of the library, as it is imported.
    """
    return peer.partition("-")[0]


def list_peers() -> tuple[str, ...]:
    """Return the libraries that peers are written in, installed or not.

    Returns
    -------
    tuple of str
        Names.
    """
    return tuple(dict.fromkeys(library_of(name) for names in _PLACES.values() for name in names))


def explain_no_peers(workload_name: str) -> str:
    """Return why a workload has no peer, or what its peers leave out.

    Parameters
    ----------
    workload_name : str
        Name of the workload.

    Returns
    -------
    str
        The reason; empty where peers do the same.
    """
    fitting = [start for start in _REASONS if workload_name.startswith(start)]
    return _REASONS[max(fitting, key=len)] if fitting else ""


def describe_libraries() -> list[dict[str, Any]]:
    """Return what this process has loaded of linear algebra and threads, and the code it chose.

    Returns
    -------
    list of dict
        "name", "version", "architecture" (the CPU that a BLAS took this one for) and "threads".
    """
    from threadpoolctl import threadpool_info

    found = [
        {
            "name": pool["internal_api"],
            "version": pool.get("version"),
            "architecture": pool.get("architecture"),
            "threads": pool["num_threads"],
        }
        for pool in threadpool_info()
        if pool["user_api"] == "blas"  # those of OpenMP are torch's and Numba's, which say it below
    ]
    torch = sys.modules.get("torch")
    if torch is not None:  # its BLAS is part of it, where threadpoolctl does not find it
        found.append(
            {
                "name": "torch, with MKL" if torch.backends.mkl.is_available() else "torch",
                "version": str(torch.__version__),
                "architecture": str(torch.backends.cpu.get_cpu_capability()),
                "threads": int(torch.get_num_threads()),
            }
        )
    numba = sys.modules.get("numba")
    if numba is not None and any(name.startswith(f"{__name__}._numba_") for name in sys.modules):
        found.append(
            {"name": "numba", "version": str(numba.__version__),
             "architecture": None, "threads": int(numba.get_num_threads())}
        )  # fmt: skip
    jax = sys.modules.get("jax")
    if jax is not None:
        from binnet.benchmarks.peers._threads import count_granted

        found.append(
            {"name": "jax, on XLA", "version": str(jax.__version__), "architecture": None,
             "threads": count_granted()}
        )  # fmt: skip
    return found


def _places_of(workload: Workload) -> dict[str, str]:
    fitting = [start for start in _PLACES if workload.name.startswith(start)]
    places = dict(_PLACES[max(fitting, key=len)]) if fitting else {}
    n_states = workload.sizes.get("n_groups", 1) * workload.sizes.get("n_samples", 1)
    if workload.name.startswith(("sweep-1bit", "sweep-int8")) and n_states > _LEAST_ROWS:
        places["torch-int8"] = "_torch_dense:sweep_int8"
    return places


def _prepare(place: str, workload: Workload, threads: int) -> Task:
    module, _, name = place.partition(":")
    prepare: Callable[[Workload, int], Task]
    prepare = getattr(import_module(f"{__name__}.{module}"), name)
    return prepare(workload, threads)
