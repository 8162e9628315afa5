"""What a benchmark ran on: the machine, what the system grants of it, and the software.

All of it is published with the results, so there are no names of users and machines in it, and no
paths of theirs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from binnet.benchmarks._host._cpu import (
    describe_caches,
    describe_cores,
    describe_cpu,
    describe_frequency,
)
from binnet.benchmarks._host._readings import Readings
from binnet.benchmarks._host._software import (
    describe_blas,
    describe_code,
    describe_environment,
    describe_kernels,
    describe_packages,
    describe_python,
)
from binnet.benchmarks._host._system import describe_memory, describe_quota, describe_system

__all__ = ["describe_host"]


def describe_host(
    root: str | os.PathLike[str] = "/", environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Describe this machine, as a file of results does.

    Parameters
    ----------
    root : path-like, default "/"
        The folder that has the system's `proc`, `sys` and `etc`; a test takes another one.
    environment : mapping of str, optional
        The environment variables, by default those of this process.

    Returns
    -------
    dict
        Plain values by topic: "cpu", "caches", "cores", "frequency", "memory", "system", "python",
        "packages", "kernels", "blas", "binnet" and "environment". What nobody can tell is None, and
        "unknown" has the reason, under a name like "frequency.governor". Sizes are in bytes,
        frequencies in Hz, the quota in cores. It loads Numba and NumPy.

    Examples
    --------
    >>> from binnet.benchmarks import describe_host
    >>> sorted(describe_host()["packages"])
    ['llvm', 'llvmlite', 'numba', 'numpy', 'scipy']
    """
    readings = Readings(Path(root))
    variables = describe_environment(environment)  # first: threadpoolctl adds one
    facts: dict[str, Any] = {
        "cpu": describe_cpu(readings),
        "caches": describe_caches(readings),
        "cores": {**describe_cores(readings), **describe_quota(readings)},
        "frequency": describe_frequency(readings),
        "memory": describe_memory(readings),
        "system": describe_system(readings),
        "python": describe_python(),
        "packages": describe_packages(readings),
        "kernels": describe_kernels(),
        "blas": describe_blas(readings),
        "binnet": describe_code(readings),
        "environment": variables,
    }
    return {**facts, "unknown": dict(sorted(readings.unknown.items()))}
