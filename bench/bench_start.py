"""Cold start, warm start and the memory of a run: processes of their own, timed from outside.

Cold is a first run on a machine: the folder of compiled kernels is empty. Warm is every later one.
What compilation costs is the difference of their processor seconds, on one thread, as threads that
wait for each other use their core. The steady state is what `bench_training.py` measures.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sides import has_torch, report

resource = pytest.importorskip("resource", reason="needs a POSIX system")

_SHORT = ("--version", "--help", "train --help")  # commands that compute nothing
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes

# `binnet train`, which says when its first call of the kernels is back (tens of batches, as it
# tries how many threads are best; they take some 10 ms).
_TRAIN = """
import sys
from binnet.learning import Run
learn = Run.learn
def say(*arguments):
    seconds = learn(*arguments)
    print("learned", file=sys.stderr, flush=True)
    Run.learn = learn
    return seconds
Run.learn = say
from binnet.cli import main
main()
"""

# `binnet train`, which says at the end how long it has evaluated and drawn, and when it was ready.
_PARTS = """
import json, sys, time
from binnet.cli import _runs, main
from binnet.learning import trainer
parts = dict.fromkeys(("loading kernels", "evaluation", "checkpoints", "drawing"), 0.0)
def count(module, name, part):
    work = getattr(module, name)
    def counted(*arguments, **options):
        begun = time.perf_counter()
        try:
            return work(*arguments, **options)
        finally:
            parts[part] += time.perf_counter() - begun
    setattr(module, name, counted)
count(trainer, "_compile", "loading kernels")
count(trainer, "measure_epoch", "evaluation")
count(trainer, "save_checkpoint", "checkpoints")
count(_runs, "draw_pictures", "drawing")
main(standalone_mode=False)
print(json.dumps(parts))
"""

_TORCH = """
import sys
import numpy as np
from binnet import BinaryNetwork, load_entangled_mnist, preset
from binnet.benchmarks.peers._lean_torch import LeanTorch, Rule, as_batches
data = load_entangled_mnist()
w = BinaryNetwork.random(preset().network)
rule = Rule((1e-3, 1e-3, 1e-3), (0, 0, 0), 1.1, 3.0, (0, 1, 1, 1, 1, 0, 0, 0, 0, 0))
weights = {"couplings": w.couplings, "input_weights": w.input_weights, "readout": w.readout}
model = LeanTorch({**weights, "feedback_fields": w.feedback_fields}, 0.5)
model.learn(*as_batches(data.X_train, data.y_train, np.arange(16), 16), rule, np.ones(1))
print("learned", file=sys.stderr, flush=True)
"""


@dataclass(frozen=True)
class Process:
    """What a process took."""

    first_batch: float  # seconds from its start to its first learned batch
    seconds: float
    cpu_seconds: float  # of all its threads and of the processes that it began
    peak_megabytes: float


def run(code: str, arguments: list[str], cache: Path | None, log: Path) -> Process:
    """Run code in a process that keeps its kernels in `cache`; None: in the user's folder."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    )
    if cache is not None:
        environment.pop("NUMBA_CACHE_DIR", None)
        environment |= {"XDG_CACHE_HOME": str(cache), "HOME": str(cache)}  # HOME: on macOS
    first = 0.0
    begun = time.perf_counter()
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=out,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                if line.endswith("learned\n"):
                    first = time.perf_counter() - begun
                else:
                    out.write(line)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, log.read_text()
    return Process(
        first,
        time.perf_counter() - begun,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * _RSS_UNIT / 1e6,
    )


def test_main_job(benchmark: Any, tmp_path: Path, quick: bool) -> None:
    """``binnet train``, the README's main job, cold and warm: compilation, and the first batch."""
    size = ["--hidden", "50", "--epochs", "1"] if quick else ["--epochs", "1"]
    log, cache = tmp_path / "log.txt", tmp_path / "cache"
    peers: list[Process] = []
    warm: list[Process] = []

    def train(name: str, *threads: str) -> Process:
        arguments = ["train", *size, *threads, "--out", str(tmp_path / name)]
        return run(_TRAIN, arguments, cache, log)

    def start_peer() -> None:
        if has_torch():
            peers.append(run(_TORCH, [], cache, log))

    cold = train("cold", "--threads", "1")
    alone = [train(f"alone{k}", "--threads", "1") for k in range(1 if quick else 3)]
    benchmark.pedantic(
        lambda: warm.append(train(f"warm{len(warm)}")),
        setup=start_peer,
        rounds=1 if quick else 4,
    )
    assert all(process.first_batch > 0 for process in (cold, *alone, *warm, *peers))
    facts = {
        "compilation_cpu": cold.cpu_seconds - min(process.cpu_seconds for process in alone),
        "cold_seconds": cold.seconds,
        "cold_first_batch": cold.first_batch,
        "warm_seconds_min": min(process.seconds for process in warm),
        "warm_first_batch_min": min(process.first_batch for process in warm),
        "load_average": os.getloadavg()[0],
    }
    if peers:
        facts["torch_first_batch_min"] = min(process.first_batch for process in peers)
    benchmark.extra_info.update(facts)
    report("start of binnet train, seconds", facts)


def test_overhead(benchmark: Any, tmp_path: Path, quick: bool) -> None:
    """Whole ``binnet train --hidden 100``, warm: what it takes beside the seconds of learning.

    These are the ones that the run itself records, of its calls of the kernels, all epochs.
    """
    size = ["--hidden", "20", "--epochs", "1"] if quick else ["--hidden", "100"]
    log, rounds = tmp_path / "log.txt", 1 if quick else 5
    found: list[dict[str, float]] = []

    def train() -> None:
        folder = tmp_path / f"run{len(found)}"
        process = run(_PARTS, ["train", *size, "--out", str(folder)], None, log)
        history = json.loads((folder / "metrics.json").read_text())
        learning = sum(metrics["seconds"] for metrics in history)
        parts = json.loads(
            next(line for line in log.read_text().splitlines() if line.startswith("{"))
        )
        rest = process.seconds - learning - sum(parts.values())
        found.append(
            {"overhead": process.seconds - learning, "learning": learning, **parts, "rest": rest}
        )

    train()  # compiles what is not there yet
    found.clear()
    for path in tmp_path.glob("run*"):
        shutil.rmtree(path)
    benchmark.pedantic(train, rounds=rounds)
    best = min(found, key=lambda parts: parts["overhead"])
    facts = {**best, "load_average": os.getloadavg()[0]}
    facts |= {f"{words}_seconds": _time_command(words.split(), rounds) for words in _SHORT}
    benchmark.extra_info.update(facts)
    report("binnet train --hidden 100, the round with the least overhead, seconds", facts)


def _time_command(words: list[str], rounds: int) -> float:
    """Return the least seconds that a command takes, from outside."""
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        command = [sys.executable, "-m", "binnet", *words]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def test_memory(benchmark: Any, tmp_path: Path, quick: bool) -> None:
    """Peak memory of ``binnet train --hidden 1600 --epochs 1``, compilation included when cold.

    The system counts what this process had when it began the other: run the test alone.
    """
    n_hidden = 50 if quick else 1600
    arguments = ["train", "--hidden", str(n_hidden), "--epochs", "1"]
    # In a hurry nothing is compiled a second time: both runs use what is there.
    cache = None if quick else tmp_path / "cache"

    def train(name: str) -> Process:
        return run(_TRAIN, [*arguments, "--out", str(tmp_path / name)], cache, tmp_path / "log.txt")

    cold = train("cold")
    warm = benchmark.pedantic(train, ("warm",), rounds=1)
    facts = {
        "n_hidden": n_hidden,
        "cold_megabytes": cold.peak_megabytes,
        "warm_megabytes": warm.peak_megabytes,
        "own_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT / 1e6,
    }
    benchmark.extra_info.update(facts)
    report("peak memory of a training run", facts)
