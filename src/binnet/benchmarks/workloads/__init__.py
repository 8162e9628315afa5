"""The workloads by name. Each module of this package has those of one suite, or of a few."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from binnet.benchmarks._workload import Workload

# Modules, each with a tuple WORKLOADS, in the order in which they run.
_MODULES = (
    "relaxation",
    "sweeps",
    "plasticity",
    "fields",
    "implicit",
    "learning",
    "inference",
    "enumeration",
    "rate",
)


@cache
def all_workloads() -> dict[str, Workload]:
    """Return every workload by its name."""
    found = [w for name in _MODULES for w in import_module(f"{__name__}.{name}").WORKLOADS]
    return {workload.name: workload for workload in found}


def choose_workloads(suite: str = "all", *, is_quick: bool = False) -> list[Workload]:
    """Return the workloads of a suite, in the order in which they run.

    Parameters
    ----------
    suite : str, default "all"
        Name of the suite; "all" stands for every one.
    is_quick : bool, default False
        Whether to leave out those that ``--quick`` does not run.

    Returns
    -------
    list of Workload
        Empty where a suite has no quick workload.

    Raises
    ------
    ValueError
        For a suite that is not there; the message names those that are.
    """
    known = list(all_workloads().values())
    suites = dict.fromkeys(workload.suite for workload in known)
    if suite != "all" and suite not in suites:
        raise ValueError(f"there is no suite {suite!r}; choose from all, {', '.join(suites)}")
    return [w for w in known if suite in ("all", w.suite) and (w.is_quick or not is_quick)]
