"""How many threads a peer's library may use: set once, in a process of the peer's own."""

from __future__ import annotations

import os
import sys

from threadpoolctl import threadpool_limits


def limit_blas(threads: int) -> None:
    """Let NumPy's matrix products use that many threads."""
    import numpy  # noqa: F401 - its BLAS must be there to be limited

    threadpool_limits(threads, "blas")


def limit_numba(threads: int) -> None:
    """Let parallel loops of Numba, and NumPy, use that many threads."""
    import numba

    limit_blas(threads)
    numba.set_num_threads(threads)


def limit_torch(threads: int) -> None:
    """Let PyTorch use that many threads, and keep no record of what it computes."""
    import torch

    limit_blas(threads)
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)


def limit_jax(threads: int) -> None:
    """Let JAX, which is not loaded yet, start that many threads: as many as it has cores.

    It has no setting for that. Where the system cannot hold a process to some cores, only all of
    them are to be had.

    Raises
    ------
    RuntimeError
        If it cannot be held to that number.
    """
    if "jax" not in sys.modules and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[:threads])
    limit_blas(threads)
    if count_granted() != threads:
        raise RuntimeError(
            f"JAX runs on all {count_granted()} cores that it found when it was loaded, not on "
            f"{threads}"
        )


def count_granted() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
