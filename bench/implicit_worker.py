"""One relaxation of an implicit network in a process of its own: its time, and its memory.

Called by bench_implicit.py with what is asked for as JSON; answers with JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from binnet import ImplicitNetwork, relax


def peak_megabytes() -> float:
    """Return the largest resident memory of this process (Linux: getrusage counts its parent's)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc/self/status")


def main() -> None:
    request: dict[str, Any] = json.loads(sys.argv[1])
    rounds, n_neurons = request["rounds"], request["n_neurons"]
    options = {
        "update_order": request["update_order"],
        "threads": request["threads"],
        "max_sweeps": 1000,
    }
    network = {"self_coupling": 1.0, "distribution": request["distribution"]}
    relax(ImplicitNetwork(3000, **network), **options)  # compiles
    before = peak_megabytes()
    wall, cpu = [], []
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        result = relax(ImplicitNetwork(n_neurons, **network), **options)
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
    reply = {
        "seconds": wall,
        "cpu_seconds": cpu,
        "megabytes_before": before,
        "megabytes_at_peak": peak_megabytes(),
        "converged": bool(result.converged.all()),
        "smallest_margin": float(result.stabilities.min()),
        "sweeps": int(result.sweeps[0]),
        "flips_per_neuron": float(result.flips.sum()) / n_neurons,
    }
    print(json.dumps(reply))


if __name__ == "__main__":
    main()
