"""What a run of the benchmark is going to measure, and how long that takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal, NamedTuple, get_args

from binnet._threads import count_cores, resolve_threads
from binnet._validation import check_choice, check_integer, check_real
from binnet.benchmarks._workload import Workload
from binnet.benchmarks.worker import REGISTRY
from binnet.benchmarks.workloads import choose_workloads

Mode = Literal["quick", "default", "reportable"]
LEAST_PROCESSES = 3
LEAST_VALUES = 2  # of a workload in a process
DEFAULT_SECONDS = 300.0  # of the mode "default"
VALUE_SECONDS = 0.1  # at least: a value is the mean over calls that take so long together
# Seconds on a machine of 2024 whose kernels are compiled: of a process until it is asked, of
# finding out how many calls of a workload are a value, and what depends on the mode.
START_SECONDS = 1.5
_CALIBRATE = 0.25
_LONGEST = 86400.0


class Pair(NamedTuple):
    """One workload on so many threads."""

    workload: str
    threads: int

    def __str__(self) -> str:
        return f"{self.workload}, {self.threads} thread{'s' if self.threads > 1 else ''}"


class _Budget(NamedTuple):
    seconds: float
    processes: int  # that measure, if there is time
    prepare: float  # seconds until a workload is timed, in the mean
    limits: float  # seconds of measuring those of the machine, on one number of threads


_BUDGETS: dict[Mode, _Budget] = {
    "quick": _Budget(60.0, LEAST_PROCESSES, 0.2, 1.5),
    "default": _Budget(DEFAULT_SECONDS, 5, 0.35, 4.0),
    "reportable": _Budget(1200.0, 10, 0.35, 4.0),
}


@dataclass(frozen=True)
class Plan:
    """What is measured. `plan_run` makes one."""

    workloads: tuple[Workload, ...]
    threads: tuple[int, ...]
    asked: tuple[int | str, ...]  # of them, with "all" for whatever that is here
    suite: str
    mode: Mode
    seconds: float  # that it may take, without compiling
    processes: int  # that measure; fewer where time is short
    time_limit: float | None
    registry: str

    @property
    def is_quick(self) -> bool:
        """Whether the limits are measured quickly."""
        return self.mode == "quick"

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every workload on every number of threads."""
        return tuple(Pair(w.name, n) for w in self.workloads for n in self.threads)

    @property
    def least_seconds(self) -> float:
        """About as long as it takes with the fewest processes and values."""
        n_pairs = len(self.pairs)
        budget = _BUDGETS[self.mode]
        limits = 2 * len(self.threads) * budget.limits
        values = LEAST_PROCESSES * LEAST_VALUES * VALUE_SECONDS
        processes = (1 + LEAST_PROCESSES) * (START_SECONDS + n_pairs * budget.prepare)
        return limits + processes + n_pairs * (_CALIBRATE + values)

    def describe(self) -> str:
        """Return what is going to be done, for a reader."""
        n = len(self.workloads)
        return (
            f"{n} workload{'s' if n > 1 else ''} on {' and '.join(map(str, self.threads))} "
            f"thread{'s' if self.threads != (1,) else ''}, in at least {LEAST_PROCESSES} processes "
            f"one after another, and the limits of the machine before and after: about "
            f"{max(self.seconds, self.least_seconds):.0f} s.\n"
            "The first run on a machine compiles the kernels as well, which takes a minute or "
            "more on top."
        )


def plan_run(
    suite: str = "all",
    mode: Mode = "default",
    threads: Sequence[int | str] = (1, "all"),
    time_limit: float | None = None,
    *,
    workloads: Sequence[str] | None = None,
    registry: str | None = None,
) -> Plan:
    """Return the plan of a run; parameters that are refused are so before anything is done.

    Parameters
    ----------
    suite, mode, threads, time_limit
        As of `binnet.benchmarks.run`.
    workloads : sequence of str, optional
        Names of the workloads, in place of those of a suite.
    registry : str, optional
        Module whose function `all_workloads` returns the workloads by name: others than binnet's.

    Returns
    -------
    Plan
        What `binnet.benchmarks._running.measure` does.
    """
    check_choice("mode", mode, get_args(Mode))
    chosen = _choose(suite, mode, workloads, registry)
    budget = _BUDGETS[mode]
    plan = Plan(
        workloads=tuple(chosen),
        threads=check_threads(threads),
        asked=tuple(threads),
        suite=suite,
        mode=mode,
        seconds=budget.seconds,
        processes=budget.processes,
        time_limit=time_limit,
        registry=registry or REGISTRY,
    )
    if time_limit is None:
        return plan
    least = plan.least_seconds
    check_real(
        "time_limit", time_limit, math.ceil(least), _LONGEST,
        remedy="a suite, --quick or fewer numbers of threads take less",
    )  # fmt: skip
    return replace(plan, seconds=float(time_limit))


def _choose(
    suite: str, mode: Mode, names: Sequence[str] | None, registry: str | None
) -> list[Workload]:
    if names is None and registry is None:
        chosen = choose_workloads(suite, is_quick=mode == "quick")
        if not chosen:
            raise ValueError(f"the suite {suite!r} has no quick workload; leave out --quick")
        return chosen
    known = import_module(registry or REGISTRY).all_workloads()
    for name in names or ():
        check_choice("workload", name, list(known))
    return [known[name] for name in (known if names is None else names)]


def make_command(settings: Mapping[str, Any]) -> list[str]:
    """Return the command of a result by its settings: what was typed may name private folders."""
    mode = settings.get("mode")
    command = ["binnet", "bench", "peers" if mode == "peers" else "run"]
    if settings.get("suite", "all") != "all":
        command += ["--suite", str(settings["suite"])]
    if mode in ("quick", "reportable"):
        command.append(f"--{mode}")
    elif settings.get("is_quick"):
        command.append("--quick")
    threads = settings.get("threads")
    if isinstance(threads, list | tuple) and list(threads) != [1, "all"]:
        command += ["--threads", ",".join(map(str, threads))]
    if settings.get("time_limit") is not None:
        command += ["--time-limit", str(settings["time_limit"]).removesuffix(".0")]
    return command


def check_threads(threads: Sequence[int | str]) -> tuple[int, ...]:
    """Return numbers of threads, each once and in order."""
    cores, found = count_cores(), set()
    for asked in threads:
        if isinstance(asked, str) and asked != "all":
            raise ValueError(f'threads must be numbers of threads or "all", got {asked!r}')
        number = cores if asked == "all" else check_integer("threads", asked, 1)
        if number > cores:
            raise ValueError(
                f"threads must be at most the {cores} cores that this process may run on, got "
                f"{number}"
            )
        if resolve_threads(number) < number:
            raise ValueError(
                f"NUMBA_NUM_THREADS holds kernels to {resolve_threads(number)} threads, and "
                f"{number} are to be measured; unset it"
            )
        found.add(number)
    if not found:
        raise ValueError('threads must name at least one number of threads, or "all"')
    return tuple(sorted(found))
