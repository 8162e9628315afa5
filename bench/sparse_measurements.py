"""Training with sparse couplings: time against as many dense ones, and memory of a whole run.

    .venv/bin/python bench/sparse_measurements.py

H = 8000 with J of density 0.01 (and W_in of 0.1) against a dense H = 800, in turn in one process;
entangled MNIST, preset source, one thread. The memory is the peak of `binnet train`, one epoch.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from binnet.datasets import load_entangled_mnist
from binnet.learning import Run, preset

SEED, ROUNDS, BATCHES, SAMPLES = 0, 5, 200, 9600
CASES: dict[str, dict[str, Any]] = {
    "dense H = 800": {"n_hidden": 800},
    "J of 0.01, H = 8000": {"n_hidden": 8000, "density": 0.01},
    "J of 0.01, W_in of 0.1, H = 8000": {
        "n_hidden": 8000, "density": 0.01, "input_density": 0.1,
    },
}  # fmt: skip
_PEAK = """
import resource, sys
from binnet.cli import main
try:
    main(sys.argv[1:])
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def main() -> None:
    """Print seconds of processor time per 60000 samples, and megabytes."""
    data = load_entangled_mnist()
    X, y = data.X_train[:SAMPLES], data.y_train[:SAMPLES]
    runs = {}
    for name, changes in CASES.items():
        runs[name] = Run.start(preset("source").replace(seed=SEED, **changes), SAMPLES)
        while not runs[name].epoch_is_complete:  # so that times are not those of drawn weights
            runs[name].learn(X, y, BATCHES, 1)
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            run.begin_epoch()
            start = time.process_time()
            run.learn(X, y, BATCHES, 1)
            seconds[name].append((time.process_time() - start) * 3750 / run.batch)
    dense = min(seconds["dense H = 800"])
    for name, times in seconds.items():
        print(
            f"{name}: {min(times):.2f} s per epoch at best, median {np.median(times):.2f}, "
            f"{min(times) / dense:.1f} times the dense network's"
        )
    with tempfile.TemporaryDirectory() as folder:
        options = ["train", "--hidden", "8000", "--density", "0.01", "--input-density", "0.1",
                   "--epochs", "1", "--threads", "1", "--out", f"{folder}/run"]  # fmt: skip
        found = subprocess.run(
            [sys.executable, "-c", _PEAK, *options], check=True, capture_output=True, text=True
        )
    print(f"peak memory of binnet train: {float(found.stdout.split()[-1]) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
