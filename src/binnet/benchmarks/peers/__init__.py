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
# A module's name begins with that of the library.
_PLACES: dict[str, dict[str, str]] = {
    "relax-sync": {
        "numpy": "numpy_relaxation:relax_rows",
        "numpy-columns": "numpy_relaxation:relax_columns",
        "numba": "numba_relaxation:relax_products",
        "numba-events": "numba_relaxation:relax_events",
        "torch": "torch_relaxation:relax_rows",
        "torch-columns": "torch_relaxation:relax_columns",
        "jax": "jax_relaxation:relax_whole",
        "jax-active": "jax_relaxation:relax_active",
    },
    "relax-async": {
        "numpy": "numpy_relaxation:relax_visits",
        "numba": "numba_relaxation:visit_products",
        "numba-events": "numba_relaxation:visit_events",
    },
    "sweep": {
        "numpy": "numpy_dense:sweep_rows",
        "numpy-columns": "numpy_dense:sweep_columns",
        "numba": "numba_dense:sweep",
        "torch": "torch_dense:sweep_rows",
        "torch-columns": "torch_dense:sweep_columns",
        "jax": "jax_dense:sweep",
    },
    "plasticity": {
        "numpy": "numpy_dense:update_weights",
        "numba": "numba_dense:update_weights",
        "torch": "torch_dense:update_weights",
        "jax": "jax_dense:update_weights",
    },
    "plasticity-rounded": {},
    "fields": {
        "numpy": "numpy_dense:compute_fields",
        "torch": "torch_dense:compute_fields",
        "jax": "jax_dense:compute_fields",
    },
    "learn-float": {
        "numpy": "numpy_learning:learn",
        "torch": "torch_learning:learn",
        "jax": "jax_learning:learn",
    },
    "infer": {
        "numpy": "numpy_learning:predict",
        "torch": "torch_learning:predict_active",
        "torch-all": "torch_learning:predict_all",
    },
    "enumerate-gray": {
        "numpy": "numpy_counting:find_by_products",
        "numpy-survivors": "numpy_counting:find_by_survivors",
    },
    "census": {"numpy": "numpy_counting:take_census"},
    "rtrl": {
        "numpy": "numpy_rate:advance",
        "torch": "torch_rate:advance",
        "jax": "jax_rate:advance",
    },
    "implicit": {
        "numpy": "numpy_dense:add_columns",
        "torch": "torch_dense:add_columns",
        "jax": "jax_dense:add_columns",
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
    """Return the peers of a workload, which may have other sizes than the one of this name."""
    return {
        name: partial(_prepare, place, workload)
        for name, place in _places_of(workload).items()
        if find_spec(library_of(name))
    }


def library_of(peer: str) -> str:
    """Return the library of a peer: "torch" of "torch-columns"."""
    return peer.partition("-")[0]


def list_peers() -> tuple[str, ...]:
    """Return the libraries that peers are written in, installed or not."""
    return tuple(dict.fromkeys(library_of(name) for names in _PLACES.values() for name in names))


def explain_no_peers(workload_name: str) -> str:
    """Return why a workload has no peer, or none of some library; empty where it has all."""
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
    if numba is not None and any(name.startswith(f"{__name__}.numba_") for name in sys.modules):
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
        places["torch-int8"] = "torch_dense:sweep_int8"
    return places


def _prepare(place: str, workload: Workload, threads: int) -> Task:
    module, _, name = place.partition(":")
    prepare: Callable[[Workload, int], Task]
    prepare = getattr(import_module(f"{__name__}.{module}"), name)
    return prepare(workload, threads)
