"""How many threads a peer's library may use: set once, in a process of the peer's own."""

from __future__ import annotations

from threadpoolctl import threadpool_limits


def limit_blas(threads: int) -> None:
    """Let NumPy's matrix products use that many threads."""
    import numpy  # noqa: F401 - its BLAS must be there to be limited

    threadpool_limits(threads)
