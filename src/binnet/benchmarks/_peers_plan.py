"""What binnet is compared with by `_peers_running`, on which workloads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from binnet._validation import check_choice, check_real
from binnet.benchmarks._plan import Pair, check_threads
from binnet.benchmarks._workload import Workload
from binnet.benchmarks.peers import find_peers, library_of, list_peers
from binnet.benchmarks.worker import REGISTRY
from binnet.benchmarks.workloads import choose_workloads

TURNS = 3  # processes of each implementation
_LEAST_SECONDS, _LONGEST = 10.0, 86400.0


@dataclass(frozen=True)
class PeersPlan:
    """What is compared. `plan_peers` makes one."""

    workloads: tuple[Workload, ...]
    threads: tuple[int, ...]
    libraries: tuple[str, ...]  # peers that take part
    suite: str
    seconds: float  # after which no other workload is begun
    registry: str = REGISTRY
    is_quick: bool = False

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every workload on every number of threads; all of one number, then of the next."""
        return tuple(Pair(w.name, n) for n in self.threads for w in self.workloads)

    def describe(self) -> str:
        """Return what is going to be done, for a reader."""
        n = len(self.workloads)
        return (
            f"{n} workload{'s' if n > 1 else ''} on {' and '.join(map(str, self.threads))} "
            f"thread{'s' if self.threads != (1,) else ''} by binnet and {', '.join(self.libraries)}"
            f": in turns, {TURNS} processes each. About 20 s for each of these."
        )

    def peers_of(self, workload: str) -> list[str]:
        """Return the peers of a workload that take part."""
        return [name for name in find_peers(workload) if library_of(name) in self.libraries]


def plan_peers(
    suite: str = "all",
    *,
    is_quick: bool = False,
    threads: Sequence[int | str] = (1, "all"),
    time_limit: float | None = None,
    peers: Sequence[str] = (),
) -> PeersPlan:
    """Return the plan of a comparison; what cannot be done is refused here.

    Parameters
    ----------
    suite : str, default "all"
        Name of a suite of workloads, or all of them.
    is_quick : bool, default False
        Whether only the quick workloads take part.
    threads : sequence of int or "all", default (1, "all")
        Numbers of threads.
    time_limit : float, optional
        Seconds after which no other workload is begun. Default: there is no limit.
    peers : sequence of str, optional
        Libraries that take part. Default: all that are installed.

    Returns
    -------
    PeersPlan
        What `compare_peers` does.

    Raises
    ------
    ValueError
        For a suite, a peer or a number of threads that is not there.
    """
    known = list_peers()
    for name in peers:
        check_choice("peer", name, known)
        if find_spec(name) is None:
            raise ValueError(f"the peer {name!r} is not installed; pip install {name}, or leave it")
    chosen = choose_workloads(suite, is_quick=is_quick)
    if not chosen:
        raise ValueError(f"the suite {suite!r} has no quick workload; leave out --quick")
    if time_limit is not None:
        check_real("time_limit", time_limit, _LEAST_SECONDS, _LONGEST)
    return PeersPlan(
        tuple(chosen),
        check_threads(threads),
        tuple(dict.fromkeys(peers)) or tuple(name for name in known if find_spec(name)),
        suite,
        math.inf if time_limit is None else float(time_limit),
        is_quick=is_quick,
    )
