"""Forked processes, threads at once, signals: results are what they are elsewhere."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest

from binnet import RandomNetwork, fixed_points, relax, train
from binnet._interrupts import DeferredInterrupt
from binnet._threads import count_cores, resolve_threads
from binnet.learning import OnlineLearner
from library_cases import TINY, make_task

SECONDS = 300  # beyond which a process hangs; compilation comes first
BEGIN = f"import sys; sys.path[:] = {sys.path!r}\n"

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on Windows")


def run_process(script: str, **environment: str) -> str:
    """Run a script in a new process; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- forked processes

EVERYTHING = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
import numpy as np
from binnet import RandomNetwork, fixed_points, predict, rate, relax, train
from library_cases import TINY, draw_spins, make_network, make_task

def learn(threads):
    result = train(*make_task(30), TINY, threads=threads)
    assert result.completed
    return result.network.couplings.tobytes()

def learn_rates():
    configuration = rate.RateConfiguration(rule="rtrl", iterations=2, n_hidden=7, batch_size=3)
    return rate.train(configuration, threads=2).network.recurrent.tobytes()

def settle():
    network = RandomNetwork.draw(40, self_coupling=0.3, dtype="float32", seed=2)
    return relax(network, replicas=5, threads=2).states.tobytes()

CASES = {
    "train": partial(learn, 1),
    "train on two threads": partial(learn, 2),
    "predict": lambda: predict(make_network(), draw_spins(99, 20), threads=2).tobytes(),
    "relax": settle,
    "count": lambda: fixed_points.enumerate(
        RandomNetwork.draw(22, 1.0, seed=1), threads=2).states.tobytes(),
    "rate": learn_rates,
}

def run(name):
    return CASES[name]()

expected = [run(name) for name in CASES]  # kernels have run before the fork
fork = multiprocessing.get_context("fork")
with fork.Pool(2) as pool:
    found = pool.map(run, CASES)
with ProcessPoolExecutor(2, fork) as pool:
    again = list(pool.map(run, CASES))
for name, *results in zip(CASES, expected, found, again, strict=True):
    print(name, len(set(results)))
"""


@needs_fork
def test_forked_processes_find_what_their_parent_finds() -> None:
    printed = run_process(EVERYTHING).splitlines()
    assert len(printed) == 6
    assert all(line.endswith(" 1") for line in printed), printed


LOCK = """
import os, threading, time
from binnet_kernels._jit import kernel
from numba.core.compiler_lock import global_compiler_lock

@kernel
def double(x):
    return x + x

held = threading.Event()
def compile_for_long():
    with global_compiler_lock:
        held.set()
        time.sleep(0.5)

threading.Thread(target=compile_for_long).start()
held.wait()
child = os.fork()
os.write(1, b"%d\\n" % double(2 + (child == 0)))  # in one piece: both write at once
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""


@needs_fork
def test_a_fork_while_another_thread_compiles_can_compile(tmp_path: Path) -> None:
    assert set(run_process(LOCK, NUMBA_CACHE_DIR=str(tmp_path)).split()) == {"4", "6"}


# ---- signals


def die_in_child(enter: Callable[[], object]) -> int:
    """Return the signal that ends a forked process which calls `enter` and then sends SIGTERM."""
    child = os.fork()
    if child == 0:
        try:
            enter()
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


@needs_fork
def test_a_forked_process_does_not_take_sigterm_for_a_polite_stop() -> None:
    assert die_in_child(lambda: DeferredInterrupt().__enter__()) == signal.SIGTERM
    with DeferredInterrupt() as interrupt:
        assert die_in_child(lambda: None) == signal.SIGTERM
        assert not interrupt.requested
        os.kill(os.getpid(), signal.SIGTERM)  # here it is one
        assert interrupt.requested


@needs_fork  # where there is SIGHUP
def test_a_closed_terminal_is_a_polite_stop_unless_it_is_ignored() -> None:
    with DeferredInterrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGHUP)
        assert interrupt.requested
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with DeferredInterrupt() as interrupt:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupt.requested
    finally:
        signal.signal(signal.SIGHUP, before)


# ---- threads

AT_ONCE = """
from concurrent.futures import ThreadPoolExecutor
from binnet import RandomNetwork, fixed_points, train
from library_cases import TINY, make_task

def work(seed):
    learned = train(*make_task(30), TINY.replace(seed=seed), threads=2).network
    found = fixed_points.enumerate(RandomNetwork.draw(22, 1.0, seed=seed), threads=2)
    return learned.couplings.tobytes(), found.states.tobytes()

with ThreadPoolExecutor(4) as pool:
    found = list(pool.map(work, range(4)))
print(found == [work(seed) for seed in range(4)])
"""


def test_threads_work_at_once_beside_the_threading_layer_of_macos() -> None:
    assert run_process(AT_ONCE, NUMBA_THREADING_LAYER="workqueue") == "True\n"


def test_more_threads_than_there_are_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, most in (("", count_cores()), ("3", 3), ("0", 1), ("many", count_cores())):
        monkeypatch.setenv("NUMBA_NUM_THREADS", limit)
        assert resolve_threads(None) == resolve_threads(10**9) == most
        assert resolve_threads(1) == 1
    with pytest.raises(ValueError, match="threads must be an integer >= 1, got 0"):
        resolve_threads(0)


def learn_on_two_threads(seed: int) -> bytes:
    X, y = make_task(30)
    learner = OnlineLearner(TINY.replace(seed=seed), threads=2)
    learner.learn(X[:8], y[:8])
    network = train(X, y, TINY.replace(seed=seed), threads=2).network
    return network.couplings.tobytes() + learner.network.couplings.tobytes()


def test_two_threads_inside_workers_that_joblib_gives_one() -> None:
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        found = joblib.Parallel()(joblib.delayed(learn_on_two_threads)(seed) for seed in (0, 1))
    assert found == [learn_on_two_threads(seed) for seed in (0, 1)]


# ---- Ctrl-C

COMMAND = """
import tqdm.std

class Bar(tqdm.std.tqdm):
    def __init__(self, *arguments, **options):
        print("begun", flush=True)
        super().__init__(*arguments, **options)

tqdm.std.tqdm = Bar
from binnet.cli import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
@pytest.mark.parametrize(
    "words",
    [
        "relax --neurons 3000 --self-coupling 0 --max-sweeps 100000 --update-order async "
        "--threads 1",
        "relax --neurons 3000 --self-coupling 0 --max-sweeps 100000 --update-order greedy "
        "--threads 2",
        "count --neurons 40 --max-neurons 40 --self-coupling 0.4 --method gray --threads 2",
        "theory phase --points 200 --rtol 1e-9",
    ],
)
def test_a_command_that_lasts_ends_at_once_at_ctrl_c(words: str, tmp_path: Path) -> None:
    network = RandomNetwork.draw(30, dtype="int16")
    for order in ("async", "greedy"):
        relax(network, update_order=order)  # compiled here
    fixed_points.enumerate(RandomNetwork.draw(12, 0.4), method="gray")
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + COMMAND, *words.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    patience = threading.Timer(120, process.kill)  # reading a line would wait for ever
    patience.start()
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        patience.cancel()
        time.sleep(2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=15)  # a few seconds, on a machine at work
    finally:
        patience.cancel()
        process.kill()
    assert process.returncode in (1, 130), errors
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())
