"""The synchronous map of all 2**N states, tabulated and followed to its cycles.

The calls of the kernels of the census: in pieces, shared by threads where that pays, with the
memory that they take and a progress bar.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._progress import progress_bar
from binnet._threads import in_pieces, share_out
from binnet.fixed_points._conditions import decide_successors, make_thresholds
from binnet.networks import RandomNetwork
from binnet.states import unpack_states

_LOW_SPINS = 8  # of a block of states whose fields differ by a table
_PIECE = 2**20  # states of a call: some milliseconds
_SERIAL_STATES = 2**20  # fewer are dealt with before other threads have woken up
_MOST_ROWS = 4  # each thread counts in 2**N bytes of its own, which are to stay in the cache
_DOUBTFUL = 1024  # states of a call that there is room for at first
# Bytes: of a state, beside one for each row of counts; of a state that has a predecessor, while the
# table of successors is there, and more of it afterwards; of a state on a cycle, and of a cycle,
# which the result holds.
_STATE_BYTES, _INNER_BYTES, _FOLLOWED_BYTES, _MEMBER_BYTES, _CYCLE_BYTES = 5, 12, 20, 12, 40
# Percent of the time, measured at N = 24 on two threads.
_PERCENT = {"map": 16, "count": 18, "number": 14, "peel": 32, "walk back": 13, "basins": 7}


class Progress:
    """A progress bar in percent of the time."""

    def __init__(self, bar: Any) -> None:
        self._bar, self._lock = bar, threading.Lock()

    def advance(self, phase: str, fraction: float) -> None:
        """Note that a fraction of a phase is done."""
        with self._lock:
            self._bar.update(_PERCENT[phase] * fraction)

    def in_pieces(self, phase: str, total: int, share: float = 1.0) -> Iterator[tuple[int, int]]:
        """Cut 0..total into calls, which are together this share of a phase."""
        for first, stop in in_pieces(total, _PIECE):
            yield first, stop
            self.advance(phase, share * (stop - first) / total)
        if not total:
            self.advance(phase, share)


@contextmanager
def showing_progress(progress: bool) -> Iterator[Progress]:
    """Show a progress bar, on a terminal, if that is asked for and the work lasts."""
    with progress_bar(
        total=100,
        disable=None if progress else True,
        delay=1.0,
        leave=False,
        bar_format="{percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
    ) as bar:
        yield Progress(bar)


def count_state_bytes(n_neurons: int, threads: int) -> float:
    """Return the bytes that the table of all states and the counts of threads take."""
    return (_STATE_BYTES + _count_rows(2**n_neurons, threads)) * 2.0**n_neurons


def _count_rows(n_states: int, threads: int) -> int:
    return min(threads, _MOST_ROWS) if n_states >= _SERIAL_STATES else 1


def map_states(network: RandomNetwork, threads: int, progress: Progress) -> NDArray[np.uint32]:
    """Return the successor of each state when all neurons are updated at once."""
    from binnet_kernels.enumeration import census as kernels

    n = network.n_neurons
    n_low = min(_LOW_SPINS, n)
    n_blocks, n_together = 2 ** (n - n_low), _PIECE >> n_low
    description = kernels.make_map(*make_thresholds(network), n_low)
    successors = np.empty(2**n, np.uint32)

    def map_part(first: int) -> None:
        stop = min(first + n_together, n_blocks)
        room = _DOUBTFUL
        while True:
            doubtful = np.empty(room, np.uint32)
            fields, beside = (np.empty(len(description.bits), np.int32) for _ in range(2))
            near = np.empty(2**n_low, np.uint32)
            found = kernels.map_states(
                description, first, stop, fields, beside, near, successors, doubtful
            )
            if found <= room:
                break
            room = found
        if found:
            words = doubtful[:found]
            up = decide_successors(network, unpack_states(words.astype(np.uint64)[:, None], n))
            successors[words] = (up.astype(np.uint32) << np.arange(n, dtype=np.uint32)).sum(
                axis=1, dtype=np.uint32
            )
        progress.advance("map", (stop - first) / n_blocks)

    share_out(threads, map_part, range(0, n_blocks, n_together))
    return successors


def follow(network: RandomNetwork, threads: int, progress: Progress) -> dict[str, Any]:
    """Return the cycles of a map, and what leads to them, as the fields of a `Census`."""
    from binnet_kernels.enumeration import census as kernels

    n_neurons = network.n_neurons
    states, following, leaves = _number(network, threads, progress)
    n = len(states)
    _check_inner(n_neurons, n, _FOLLOWED_BYTES)
    degrees, (order, images) = np.zeros(n, np.uint32), np.empty((2, n + 1), np.uint32)
    for first, stop in progress.in_pieces("peel", n, 0.2):
        kernels.count_degrees(following[first:stop], degrees)
    done = n_transient = 0
    for first, stop in progress.in_pieces("peel", n, 0.1):
        n_transient += kernels.find_ends(
            first, degrees[first:stop], leaves[first:stop], order[n_transient:]
        )
    for _, stop in progress.in_pieces("peel", n, 0.7):
        while done < min(stop, n_transient):
            ready = slice(done, min(stop, n_transient))
            done = ready.stop
            n_transient += kernels.peel(
                following, degrees, order[ready], images[ready], order[n_transient:]
            )
    ends, lengths = np.empty(n, np.uint64), np.empty(n - n_transient, np.uint32)
    n_placed, n_cycles = n_transient, 0
    for first, stop in progress.in_pieces("walk back", n, 0.2):
        n_placed, n_cycles = kernels.find_cycles(
            following, first, stop, degrees, order, n_placed, ends, lengths, n_cycles
        )
    check_memory(
        f"n_neurons = {n_neurons}: the {n_cycles} attractors",
        _MEMBER_BYTES * float(n - n_transient) + _CYCLE_BYTES * float(n_cycles),
        "take fewer, or a lower self-coupling",
    )
    longest = 0
    for first, stop in progress.in_pieces("walk back", n_transient, 0.8):
        part = slice(n_transient - stop, n_transient - first)
        longest = max(longest, kernels.walk_back(order[part], images[part], ends))
    basins, by_steps = np.zeros((n_cycles, 3), np.int64), np.zeros(longest + 2, np.int64)
    for first, stop in progress.in_pieces("basins", n):
        kernels.count_basins(ends[first:stop], leaves[first:stop], basins, by_steps)
    basins = basins.T.copy()
    return {
        "states": states[order[n_transient:n]].astype(np.uint64)[:, None],
        "lengths": lengths[:n_cycles].astype(np.int64),
        "basins": basins[0],
        "mean_transients": basins[1] / basins[0],
        "longest_transients": basins[2],
        "transients": np.trim_zeros(by_steps, "b"),
        "n_without_predecessor": 2**n_neurons - n,
    }


def _number(
    network: RandomNetwork, threads: int, progress: Progress
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the inner states, the numbers of their successors, and how many precede each."""
    from binnet_kernels.enumeration import census as kernels

    successors = map_states(network, threads, progress)
    n_states = len(successors)
    # Each thread counts for itself, in a row that is free.
    counts = np.zeros((_count_rows(n_states, threads), n_states), np.uint8)
    free, used = list(range(len(counts))), set()
    full = [np.empty(0, np.uint32)]
    threads = len(counts)

    def count(first: int) -> None:
        row, stop = free.pop(), min(first + _PIECE, n_states)
        used.add(row)
        spilled = np.empty((stop - first) // kernels.SPILLED + 1, np.uint32)
        n = kernels.count_predecessors(successors[first:stop], counts[row], spilled)
        free.append(row)
        full.append(spilled[:n])
        progress.advance("count", (stop - first) / n_states)

    share_out(threads, count, range(0, n_states, _PIECE))
    counts = counts[min(used) :]  # where no other thread has come, one row
    inner, n_inner = _mark(counts, threads)
    _check_inner(network.n_neurons, n_inner, _INNER_BYTES)
    states, following, leaves = (np.empty(n_inner, np.uint32) for _ in range(3))

    def compact(first: int) -> None:
        stop = min(first + _PIECE // 64, len(inner))
        kernels.compact(first, stop, successors, inner, counts, states, following, leaves)
        progress.advance("number", (stop - first) / len(inner))

    share_out(threads, compact, range(0, len(inner), _PIECE // 64))
    kernels.add_spilled(inner, np.concatenate(full), leaves)
    return states, following, leaves


def _check_inner(n_neurons: int, n_inner: int, n_bytes: int) -> None:
    check_memory(
        f"n_neurons = {n_neurons}: the {n_inner} states that have a predecessor",
        n_bytes * float(n_inner),
        "take fewer, or a lower self-coupling",
    )


def _mark(counts: NDArray[np.uint8], threads: int) -> tuple[NDArray[np.uint64], int]:
    """Return a bit for each state that has a predecessor, and how many come before each word."""
    n_states = counts.shape[1]
    bits = np.zeros(max(8, n_states // 8), np.uint8)

    def mark(first: int) -> None:
        part = counts[:, first : first + _PIECE]
        together = part[0] if len(part) == 1 else np.bitwise_or.reduce(part, axis=0)
        packed = np.packbits(together, bitorder="little")
        bits[first // 8 : first // 8 + len(packed)] = packed

    share_out(threads, mark, range(0, n_states, _PIECE))
    inner = np.zeros((len(bits) // 8, 2), np.uint64)
    inner[:, 0] = bits.view("<u8")
    ones = np.bitwise_count(inner[:, 0])
    np.cumsum(ones[:-1], out=inner[1:, 1])
    return inner, int(inner[-1, 1]) + int(ones[-1])
