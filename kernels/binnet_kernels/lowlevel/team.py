"""Threads that work in step: each runs the same kernel, and waits for the others between its steps.

The threads are the caller's (Python's, as a kernel does not hold the interpreter's lock); there is
no pool that a fork, or a second caller, could find in a bad state.

Each member counts its own steps on a cache line of its own, which the others read: one transfer
between cores, where a common counter takes several. Who waits looks a while, then offers its core
to others, then sleeps. Linux can leave two new threads on one core for a tenth of a second, though
others are idle: of two members on one core, one is moved to another, bound to nothing. Where
another process keeps a core busy, a member waits for a time slice of the system's, which is many
steps. So a team that waits too long is called off (`regroup`): member 0 goes on alone.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from binnet_kernels._jit import inlined_kernel, kernel
from binnet_kernels.structs import Array

_LINE = 8  # int64 numbers in a cache line
_LOOKS = 4_000  # some microseconds, before a member that waits begins to offer its core
_NAPS_AFTER = 500_000  # ns: a nap lasts 50 microseconds longer than it should, on Linux
_NAP_PART = 8  # of the time waited so far
# A team is called off when a member has waited as long beyond the looks, and for such a part of the
# time since the team began.
_LONGEST_WAIT, _LARGEST_PART = 3_000_000, 0.25  # ns

_IS_WINDOWS, _IS_LINUX = sys.platform == "win32", sys.platform == "linux"
_MASK_WORDS = 16  # of a set of 1024 cores, as Linux takes it
_offer_core = types.ExternalFunction(
    "SwitchToThread" if _IS_WINDOWS else "sched_yield", types.int32()
)
_sleep = types.ExternalFunction("Sleep" if _IS_WINDOWS else "usleep", types.int32(types.uint32))
_NAP_UNIT = 1_000_000 if _IS_WINDOWS else 1_000  # ns, of what _sleep takes


_find_core: Any
_allow_cores: Any
if _IS_LINUX:
    _find_core = types.ExternalFunction("sched_getcpu", types.int32())
    _allow_cores = types.ExternalFunction(
        "sched_setaffinity", types.int32(types.int32, types.uintp, types.uintp)
    )
else:  # where the system lets nobody choose

    @kernel
    def _find_core():
        return -1

    @kernel
    def _allow_cores(thread, n_bytes, mask):
        return -1


class Team(NamedTuple):
    """Threads that work in step."""

    # Each row is a cache line, whose first number counts, int64.
    steps: Array  # (size, 8): steps that a member has done
    waited: Array  # (size, 8): ns that it has waited, beyond the looks
    members: Array  # (size, 8): how many members it works with
    plans: Array  # (2, 8): how many member 0 wants to go on, after even and odd steps
    began: Array  # (8,): when the team did, in ns
    where: Array  # (size, 8): core that a member was on when it last did a step; its thread
    cores: Array  # (C,) int64: that the process may use; empty where it cannot choose
    masks: Array  # (C + 1, 16) uint64: sets of one of these cores each, and of all


def make_team(size: int) -> Team:
    """Return a team of `size` threads."""

    def lines(n: int, number: int = 0) -> Array:
        # Two more than are used: numpy's arrays need not begin where a line does.
        return np.full((n + 2, _LINE), number, np.int64)[1:-1]

    cores = sorted(os.sched_getaffinity(0)) if _IS_LINUX else []
    if len(cores) < 2 or cores[-1] >= 64 * _MASK_WORDS:
        cores = []
    bits = np.zeros((len(cores) + 1, 64 * _MASK_WORDS), np.uint8)
    bits[np.arange(len(cores)), cores] = 1
    bits[-1, cores] = 1
    return Team(
        steps=lines(size),
        waited=lines(size),
        members=lines(size, size),
        plans=lines(2, size),
        began=lines(1)[0],
        where=lines(size, -1),
        cores=np.array(cores, np.int64),
        masks=np.packbits(bits, axis=1, bitorder="little").view(np.uint64),
    )


def _place(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    """Return the address of ``array[row, 0]``, or of ``array[row]``."""
    view = context.make_array(kind)(context, builder, array)
    stride = builder.sdiv(builder.extract_value(view.strides, 0), ir.Constant(ir.IntType(64), 8))
    return builder.gep(view.data, [builder.mul(row, stride)])


@intrinsic  # type: ignore[untyped-decorator]
def _publish(typingctx: Any, array: Any, row: Any, number: Any) -> Any:
    """Write ``array[row, 0]`` (int64); who reads it sees what was written before it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature.args[0], values[0], values[1])
        builder.store_atomic(values[2], place, "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _look(typingctx: Any, array: Any, row: Any) -> Any:
    """Return ``array[row, 0]`` (int64); what was written before it is seen afterwards."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature.args[0], values[0], values[1])
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(array, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _read_clock(typingctx: Any) -> Any:
    """Return the nanoseconds (int64) of a clock that never goes back."""
    int32, int64 = ir.IntType(32), ir.IntType(64)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def declare(name: str, result: Any, *kinds: Any) -> Any:
            kind = ir.FunctionType(result, kinds)
            return cgutils.get_or_insert_function(builder.module, kind, name)

        if _IS_WINDOWS:  # in ms, of which a time slice has some ten
            ticks = builder.call(declare("GetTickCount64", int64), [])
            return builder.mul(ticks, ir.Constant(int64, 1_000_000))
        pair = ir.LiteralStructType([int64, int64])
        place = cgutils.alloca_once(builder, pair)
        read = declare("clock_gettime", int32, int32, pair.as_pointer())
        builder.call(read, [ir.Constant(int32, time.CLOCK_MONOTONIC), place])
        seconds, rest = cgutils.unpack_tuple(builder, builder.load(place))
        return builder.add(builder.mul(seconds, ir.Constant(int64, 10**9)), rest)

    return types.int64(), generate


def join(team: Team, rank: int) -> None:
    """Tell the team which thread a member is: others may then move it to another core."""
    team.where[rank, 1] = threading.get_native_id()


@inlined_kernel
def _part(team, rank, other):
    """Where two members have one core, move the one of higher rank to the next core.

    If each could go, they would change places again and again; and who is late does not wait.
    """
    n_cores, here = team.cores.shape[0], np.int64(_find_core())
    if n_cores == 0 or _look(team.where, other) != here:
        return
    thread = np.int32(team.where[max(rank, other), 1])
    if thread < 0:  # it has not joined
        return
    for k in range(n_cores):
        if team.cores[k] == here:
            there = (k + 1) % n_cores
            n_bytes = np.uintp(8 * _MASK_WORDS)
            _allow_cores(thread, n_bytes, np.uintp(team.masks[there].ctypes.data))
            _allow_cores(thread, n_bytes, np.uintp(team.masks[n_cores].ctypes.data))


@inlined_kernel
def _wait_for(team, rank, other, step):
    """Return when member `other` has done as many steps."""
    for _ in range(_LOOKS):
        if _look(team.steps, other) >= step:
            return
    _part(team, rank, other)
    began = _read_clock()
    waited = np.int64(0)
    while _look(team.steps, other) < step:
        if waited < _NAPS_AFTER:
            _offer_core()
        else:
            _sleep(np.uint32(waited // _NAP_PART // _NAP_UNIT))
        waited = _read_clock() - began
    if step > 1:  # until all have come to the first one takes as long as their threads to start
        _publish(team.waited, rank, team.waited[rank, 0] + waited)


@kernel
def count_members(team, rank):
    """Return how many members work together."""
    return team.members[rank, 0]


@kernel
def wait_for_all(team, rank):
    """Return when every member that goes on has called this as often as the caller has."""
    n_members = team.members[rank, 0]
    if n_members == 1:
        return
    step = team.steps[rank, 0] + 1
    team.where[rank, 0] = _find_core()
    _publish(team.steps, rank, step)
    for other in range(n_members):
        if other != rank:
            _wait_for(team, rank, other, step)


@inlined_kernel
def _plan(team, n_members):
    """Return how many members are to go on, by how long they have waited."""
    now = _read_clock()
    if team.began[0] == 0:
        team.began[0] = now
    for member in range(n_members):
        waited = _look(team.waited, member)
        if waited > _LONGEST_WAIT and waited > _LARGEST_PART * (now - team.began[0]):
            return np.int64(1)
    return n_members


@kernel
def regroup(team, rank):
    """Wait for all; return how many members go on: as many as before, or none but member 0.

    A member that does not go on must leave.
    """
    n_members = team.members[rank, 0]
    if n_members == 1:
        return n_members
    # Member 0 may be one step ahead of who reads its plan.
    place = (team.steps[rank, 0] + 1) % 2
    if rank == 0:
        team.plans[place, 0] = _plan(team, n_members)
    wait_for_all(team, rank)
    team.members[rank, 0] = team.plans[place, 0]
    return team.plans[place, 0]
