"""Cold start, warm start and the memory of a run: processes of their own, timed from outside.

Cold is a first run on a machine: the folder of compiled kernels is empty. Warm is every later one.
The steady state is what `bench_training.py` measures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sides import report

_FIRST_BATCH = {
    "binnet": """
from binnet import load_entangled_mnist, preset
from binnet.learning._state import TrainingState
data = load_entangled_mnist()
state = TrainingState.start(preset().replace(n_hidden=400), len(data.X_train), "")
state.learn(data.X_train, data.y_train, 1, 2)
""",
    "torch": """
import numpy as np
from binnet import BinaryNetwork, load_entangled_mnist, preset
from lean_torch import LeanTorch, Rule, as_batches
data = load_entangled_mnist()
w = BinaryNetwork.random(preset().network)
rule = Rule((1e-3, 1e-3, 1e-3), (0, 0, 0), 1.1, 3.0, (0, 1, 1, 1, 1, 0, 0, 0, 0, 0))
weights = {"couplings": w.couplings, "input_weights": w.input_weights, "readout": w.readout}
model = LeanTorch({**weights, "feedback_fields": w.feedback_fields}, 0.5)
model.learn(*as_batches(data.X_train, data.y_train, np.arange(16), 16), rule, np.ones(1))
""",
}


def _start(side: str, cache: Path) -> float:
    """Return the seconds from the start of a process to its first learned batch."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"},
        "XDG_CACHE_HOME": str(cache),
        "PYTHONPATH": os.pathsep.join(
            [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        ),
    }
    command = [sys.executable, "-c", _FIRST_BATCH[side] + "print('learned', flush=True)"]
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - begun
    assert line == "learned\n"
    return seconds


def test_start(benchmark: Any, tmp_path: Path) -> None:
    """From the start of the process to the first learned batch, H=400, float32."""
    cold = _start("binnet", tmp_path)
    warm, peer = [], []

    def start_peer() -> None:
        peer.append(_start("torch", tmp_path))

    benchmark.pedantic(
        lambda: warm.append(_start("binnet", tmp_path)),
        setup=start_peer,
        rounds=1 if benchmark.disabled else 4,
    )
    facts = {"cold": cold, "warm_min": min(warm), "torch_min": min(peer)}
    benchmark.extra_info.update(facts)
    report("start to first batch, seconds", facts)


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs a POSIX system")
@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_memory(benchmark: Any, tmp_path: Path, cache: str) -> None:
    """Peak memory of ``binnet train --hidden 1600 --epochs 1``, compilation included when cold."""
    n_hidden = 50 if benchmark.disabled else 1600
    arguments = [
        "train",
        "--hidden",
        str(n_hidden),
        "--epochs",
        "1",
        "--out",
        str(tmp_path / "run"),
    ]
    command = [sys.executable, "-c", "from binnet.cli import main; main()", *arguments]
    environment = dict(os.environ)
    if cache == "cold":
        environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")

    def run() -> Any:
        with (tmp_path / "log.txt").open("w") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            _, process.returncode, usage = os.wait4(process.pid, 0)
        assert process.returncode == 0, (tmp_path / "log.txt").read_text()
        return usage

    usage = benchmark.pedantic(run, rounds=1)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    facts = {"n_hidden": n_hidden, "peak_megabytes": usage.ru_maxrss * unit / 1e6}
    benchmark.extra_info.update(facts)
    report(f"memory of a training run, {cache} cache", facts)
