"""Threads in step: the barrier, and who starts the threads and waits for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from binnet import _threads
from binnet._threads import count_cores, in_pieces, run_in_step, share_out
from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.team import join, make_team, regroup, wait_for_all

TIMEOUT = 60  # seconds, of what takes a few at most


@pytest.fixture(autouse=True)
def _not_cautious(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test is to see how long another one has waited."""
    monkeypatch.setattr("binnet._threads._cautious_until", 0.0)


@kernel
def count_in_rounds(team, rank, n_rounds, slots, faults):
    """Count up one's own slot, and note each slot of the others that is not as far."""
    for done in range(n_rounds):
        slots[rank] += 1
        wait_for_all(team, rank)
        for other in range(slots.shape[0]):
            faults[rank] += slots[other] != done + 1
        wait_for_all(team, rank)


def in_time(work: Callable[[], Any]) -> Any:
    """Return what `work` returns or raise what it raises; fail where it does not end."""
    ends: list[tuple[str, Any]] = []

    def run() -> None:
        try:
            ends.append(("returned", work()))
        except BaseException as error:  # to be raised below
            ends.append(("raised", error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    assert ends, f"not done within {TIMEOUT} s"
    how, what = ends[0]
    if how == "raised":
        raise what
    return what


# ---- the barrier


@pytest.mark.parametrize(("size", "n_rounds"), [(1, 100), (2, 5000), (3, 2000), (7, 1000)])
def test_nobody_passes_before_all_have_come(size: int, n_rounds: int) -> None:
    """Seven threads are more than many a machine has cores."""
    team = make_team(size)
    slots, faults = np.zeros(size, np.int64), np.zeros(size, np.int64)
    count_in_rounds(make_team(1), 0, 0, slots, faults)  # compiled before the threads begin
    in_time(
        lambda: run_in_step(size, lambda rank: count_in_rounds(team, rank, n_rounds, slots, faults))
    )
    assert slots.tolist() == [n_rounds] * size
    assert not faults.any()
    assert team.steps[:, 0].tolist() == [2 * n_rounds if size > 1 else 0] * size


def test_a_late_thread_is_waited_for() -> None:
    """Longer than the others look: they offer their core, and go on when it has come."""
    team, came = make_team(3), []

    def work(rank: int) -> None:
        if rank == 2:
            time.sleep(0.2)
            came.append(rank)
        wait_for_all(team, rank)
        assert came == [2]

    in_time(lambda: run_in_step(3, work))


def test_a_team_of_one_returns_at_once() -> None:
    team = make_team(1)
    in_time(lambda: [wait_for_all(team, 0) for _ in range(3)])
    assert in_time(lambda: regroup(team, 0)) == 1
    assert not team.steps.any()


def test_a_team_that_waits_too_long_goes_on_with_one_member() -> None:
    """All learn it at the same step, also where a member is slow to read what was planned."""
    n_rounds, sizes = 40, [[], [], []]
    regroup(make_team(1), 0)  # compiled before the threads begin
    team = make_team(3)

    def work(rank: int) -> None:
        for k in range(n_rounds):
            if rank == 1 and k >= 10:
                time.sleep(0.005)  # as if another process had its core
            sizes[rank].append(regroup(team, rank))
            if rank >= sizes[rank][-1]:
                return
            wait_for_all(team, rank)

    in_time(lambda: run_in_step(3, work))
    assert len(sizes[0]) == n_rounds
    n_together = sizes[0].index(1)
    assert sizes[0] == [3] * n_together + [1] * (n_rounds - n_together)
    assert sizes[1] == sizes[2] == [3] * n_together + [1]
    assert 0 < n_together < 20


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cannot bind a thread to a core")
@pytest.mark.parametrize(
    "is_bound", [False, True], ids=["bound to nothing", "as if it stayed bound"]
)
def test_a_member_on_the_core_of_another_one_is_moved(is_bound: bool) -> None:
    """Member 1 does not step before it has been, so that this does not hang on who is how fast."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("there is one core")
    regroup(make_team(1), 0)  # compiled before the threads begin
    team = make_team(2)
    there = {cores[1]} if is_bound else set(cores)
    if is_bound:  # left where it was moved to, so that this can be seen
        team.masks[-1] = team.masks[1]
    team.where[:, 0] = cores[0]

    def work(rank: int) -> None:
        os.sched_setaffinity(0, cores[:1])  # both on one core
        join(team, rank)
        while team.where[1, 1] < 0 or (rank == 1 and os.sched_getaffinity(0) != there):
            time.sleep(0.001)
        wait_for_all(team, rank)
        assert os.sched_getaffinity(0) == (there if rank == 1 else set(cores[:1]))

    in_time(lambda: run_in_step(2, work))


def test_short_waits_do_not_end_a_team() -> None:
    team, n_steps = make_team(2), [0, 0]
    team.began[0] = -(10**18)  # a long time ago: what is waited now is a small part of it

    def work(rank: int) -> None:
        for _ in range(3000):
            n_steps[rank] += regroup(team, rank) == 2
            wait_for_all(team, rank)

    in_time(lambda: run_in_step(2, work))
    assert n_steps == [3000, 3000]


# ---- run_in_step


def test_all_ranks_run_at_once_and_the_first_is_the_callers() -> None:
    barrier, threads = threading.Barrier(3, timeout=TIMEOUT), {}

    def work(rank: int) -> None:
        barrier.wait()
        threads[rank] = threading.get_ident()

    run_in_step(3, work)
    assert sorted(threads) == [0, 1, 2]
    assert threads[0] == threading.get_ident()
    assert len(set(threads.values())) == 3


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_exception_passes_through_when_all_are_done(failing: int) -> None:
    before, done = threading.active_count(), []

    def work(rank: int) -> None:
        if rank == failing:
            raise ArithmeticError(f"rank {rank}")
        time.sleep(0.1)
        done.append(rank)

    def run() -> None:
        with pytest.raises(ArithmeticError, match=f"rank {failing}"):
            run_in_step(3, work)
        assert len(done) == 2
        assert threading.active_count() == before + 1  # this one

    in_time(run)


def test_without_enough_threads_nobody_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have been started go home; else they would wait for the missing one for ever."""
    start, started, begun = threading.Thread.start, [], []

    def start_once(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    def run() -> None:
        monkeypatch.setattr(threading.Thread, "start", start_once)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            run_in_step(4, begun.append)

    in_time(run)
    monkeypatch.undo()
    assert len(started) == 1
    assert not started[0].is_alive()
    assert begun == []


@pytest.mark.skipif(sys.platform == "win32", reason="raises SIGINT")
def test_ctrl_c_between_two_steps_comes_when_all_are_done() -> None:
    """Else the caller leaves and the others wait for it for ever."""
    barrier, done = threading.Barrier(2, timeout=TIMEOUT), []

    def work(rank: int) -> None:
        if rank == 0:
            signal.raise_signal(signal.SIGINT)
        barrier.wait()
        done.append(rank)

    with pytest.raises(KeyboardInterrupt):
        run_in_step(2, work)
    assert sorted(done) == [0, 1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---- share_out


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.001 * (7 - item))  # those that begin later end earlier
        return item * item

    assert share_out(threads, work, range(7)) == [0, 1, 4, 9, 16, 25, 36]
    assert share_out(threads, work, []) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_an_exception_in_a_share_passes_through(threads: int) -> None:
    def work(item: int) -> int:
        if item == 4:
            raise ArithmeticError("item 4")
        return item

    with pytest.raises(ArithmeticError, match="item 4"):
        in_time(lambda: share_out(threads, work, range(9)))


def test_the_caller_works_and_waits_for_nobody_who_is_busy() -> None:
    """All helpers are at another caller's work, which does not end before this one's."""
    release, n_busy = threading.Event(), count_cores() + 1

    def hold(_: int) -> None:
        assert release.wait(TIMEOUT)

    other = threading.Thread(target=lambda: share_out(n_busy, hold, range(n_busy)))
    other.start()
    try:
        done = in_time(lambda: share_out(2, lambda item: (item, threading.get_ident()), range(50)))
    finally:
        release.set()
        other.join(TIMEOUT)
    assert [item for item, _ in done] == list(range(50))
    assert len({thread for _, thread in done}) == 1


def test_after_a_helper_that_had_no_core_short_work_is_done_alone() -> None:
    caller, late = threading.get_ident(), threading.Event()

    def work(item: int) -> int:
        if threading.get_ident() != caller:
            late.set()
            time.sleep(0.1)  # as if another process had its core
        else:
            late.wait(TIMEOUT)
        return threading.get_ident()

    def short(item: int) -> int:
        return threading.get_ident()

    def long(item: int) -> int:
        time.sleep(0.004)
        return threading.get_ident()

    share_out(2, work, range(2))
    assert set(share_out(2, short, range(20))) == {caller}
    assert len(set(share_out(2, long, range(20)))) == 2
    time.sleep(_threads._CAUTIOUS_SECONDS)
    assert len(set(share_out(2, long, range(20)))) == 2


def test_a_share_in_a_share_gives_back_what_the_thread_worked_on() -> None:
    def work(item: int) -> int:
        inner = sum(share_out(2, lambda k: k * item, range(5)))
        assert list(in_pieces(3)) != []  # looks whether the share was called off
        return inner

    assert in_time(lambda: share_out(2, work, range(4))) == [0, 10, 20, 30]


def test_without_helpers_the_caller_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("binnet._threads._helpers", None)
    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor.submit", refuse)
    assert share_out(3, abs, [-1, 2, -3]) == [1, 2, 3]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cannot bind a thread to a core")
def test_helpers_keep_to_the_cores_of_their_caller() -> None:
    """Also of one that is bound after they have begun to wait for work."""
    cores, barrier = sorted(os.sched_getaffinity(0)), threading.Barrier(2, timeout=TIMEOUT)

    def find_cores(_: int) -> list[int]:
        barrier.wait()
        return sorted(os.sched_getaffinity(0))

    try:
        for allowed in (cores, cores[-1:], cores):
            os.sched_setaffinity(0, allowed)
            assert share_out(2, find_cores, range(2)) == [allowed, allowed]
    finally:
        os.sched_setaffinity(0, cores)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on Windows")
def test_a_forked_process_starts_helpers_of_its_own() -> None:
    code = (
        "import os, threading, warnings\n"
        "from binnet._threads import share_out\n"
        "warnings.simplefilter('ignore')\n"
        "barrier = threading.Barrier(2)\n"
        "def meet(item):\n"
        "    barrier.wait(30)\n"
        "    return item\n"
        "assert share_out(2, meet, range(2)) == [0, 1]\n"
        "child = os.fork()\n"
        "assert share_out(2, meet, range(2)) == [0, 1]\n"
        "if child:\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "else:\n"
        "    os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT)


def start_threads(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Let the system have n threads left for helpers of four cores, of which there is none."""
    start, started = threading.Thread.start, []

    def start_some(thread: threading.Thread) -> None:
        if thread.name.startswith("binnet"):
            if len(started) == n:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    monkeypatch.setattr("binnet._threads._helpers", None)
    monkeypatch.setattr("binnet._threads.count_cores", lambda: 4)
    monkeypatch.setattr(threading.Thread, "start", start_some)


@pytest.mark.parametrize("n", [1, 2])
def test_helpers_that_came_are_waited_for_where_others_do_not(
    monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    """The executor keeps what it was asked for when it fails to start a thread for it."""
    start_threads(monkeypatch, n)
    caller = threading.get_ident()

    def work(item: int) -> int:
        time.sleep(0.01 if threading.get_ident() == caller else 0.2)
        return item

    assert share_out(4, work, range(8)) == list(range(8))


def test_ctrl_c_while_helpers_are_asked_calls_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else those that were asked do all items, which nobody waits for."""
    submit, asked, ends = ThreadPoolExecutor.submit, [], []

    def submit_once(executor: ThreadPoolExecutor, *work: Any) -> Any:
        asked.append(work)
        if len(asked) == 2:
            time.sleep(0.05)  # the first one has begun
            raise KeyboardInterrupt
        return submit(executor, *work)

    def work(item: int) -> None:
        time.sleep(0.2)
        ends.append(item)

    monkeypatch.setattr("binnet._threads._helpers", None)
    monkeypatch.setattr("binnet._threads.count_cores", lambda: 4)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit_once)
    with pytest.raises(KeyboardInterrupt):
        share_out(4, work, range(50))
    assert ends == [0]
    time.sleep(0.3)
    assert ends == [0]
