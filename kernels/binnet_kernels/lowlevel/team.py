"""Threads that work in step: each runs the same kernel, and waits for the others between its steps.

The threads are the caller's (Python's, as a kernel does not hold the interpreter's lock); there is
no pool that a fork, or a second caller, could find in a bad state. Who comes last to a barrier lets
the others go; who waits looks a while for a sign of that, then offers its core to others.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from binnet_kernels._jit import kernel
from binnet_kernels.structs import Array

# Looks at the barrier before the core is offered to others: some microseconds.
_LOOKS = 2000
_LINE = 8  # int64 numbers in a cache line

_offer_core = types.ExternalFunction(
    "SwitchToThread" if sys.platform == "win32" else "sched_yield", types.int32()
)


class Team(NamedTuple):
    """Threads that work in step."""

    size: int
    arrived: Array  # (8,) int64, a cache line of its own: how many wait
    passed: Array  # (8,) int64: barriers that are passed


def make_team(size: int) -> Team:
    """Return a team of `size` threads."""
    return Team(size, np.zeros(_LINE, np.int64), np.zeros(_LINE, np.int64))


@intrinsic  # type: ignore[untyped-decorator]
def _add_atomically(typingctx: Any, counter: Any, amount: Any) -> Any:
    """Add to ``counter[0]`` (int64) and return what it was; orders memory like a lock."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        return builder.atomic_rmw("add", data, values[1], "seq_cst")

    return types.int64(counter, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _read_atomically(typingctx: Any, counter: Any) -> Any:
    """Return ``counter[0]`` (int64); what others wrote before they raised it is seen afterwards."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        return builder.load_atomic(data, "seq_cst", 8)

    return types.int64(counter), generate


@kernel
def wait_for_all(team):
    """Return when every thread of the team has called this as often as the caller has."""
    if team.size == 1:
        return
    passed = _read_atomically(team.passed)
    if _add_atomically(team.arrived, 1) == team.size - 1:
        _add_atomically(team.arrived, -team.size)
        _add_atomically(team.passed, 1)
        return
    looks = 0
    while _read_atomically(team.passed) == passed:
        looks += 1
        if looks > _LOOKS:
            _offer_core()
