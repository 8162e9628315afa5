"""Real processes on the embedded data that are interrupted and killed, and what they leave."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from binnet import Configuration, load_checkpoint, load_entangled_mnist, preset, train

EPOCHS, N_TRAIN = 12, 10000
CODE = f"import sys; sys.path[:] = {sys.path!r}\nfrom binnet.cli import main\nmain()"


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start `binnet` in a new process that finds the packages where this one does."""
    return subprocess.Popen(
        [sys.executable, "-c", CODE, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_cache_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"  # also the superuser cannot make a folder in a file
    in_the_way.write_text("")
    words = ["theory", "count", "--neurons", "4", "--self-coupling", "1"]
    called = f"main({words}, standalone_mode=False)\nimport binnet_kernels._jit"
    done = subprocess.run(
        [sys.executable, "-c", CODE.replace("main()", called)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(in_the_way)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning: compiled kernels cannot be kept")
    assert line.endswith("set NUMBA_CACHE_DIR to a folder that can be written")


def wait_for_epoch(process: subprocess.Popen[str], run: Path, epoch: int) -> None:
    """Wait until the metrics of an epoch are written."""
    deadline = time.monotonic() + 600  # compilation comes first
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        metrics = run / "metrics.json"
        if metrics.exists() and len(json.loads(metrics.read_text())) >= epoch:
            return
        time.sleep(0.005)
    raise TimeoutError(f"epoch {epoch} of {run} was not reached")


def make_configuration() -> Configuration:
    return preset("source").replace(n_hidden=100, epochs=EPOCHS, seed=2)


def test_interrupted_and_killed_run_ends_like_an_unstopped_one(tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ["--preset", "source", "--hidden", 100, "--epochs", EPOCHS, "--seed", 2]
    # Only 10000 samples are learned from; measuring the rest takes long enough to be interrupted.
    options += ["--validation", 60000 - N_TRAIN, "--threads", 1]
    process = start("train", *options, "--out", run)
    wait_for_epoch(process, run, 1)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 130, (out, errors)
    assert out.splitlines()[-1] == (
        f"stopped before the end; go on with: binnet train --resume {run}"
    )
    assert "accuracy after epoch" in out
    assert "Traceback" not in errors
    assert f"epoch 1/{EPOCHS}" in errors
    stopped = load_checkpoint(run / "checkpoint.safetensors")
    assert not stopped.finished
    n_epochs = len(stopped.history)

    process = start("train", "--resume", run)
    wait_for_epoch(process, run, n_epochs + 1)
    process.kill()
    process.communicate(timeout=300)
    killed = load_checkpoint(run / "checkpoint.safetensors")
    assert killed.epoch > n_epochs
    assert not killed.finished

    process = start("train", "--resume", run, "--threads", min(2, len(os.sched_getaffinity(0))))
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, (out, errors)
    assert len(json.loads((run / "provenance.json").read_text())) == 3
    assert not [path for path in run.iterdir() if path.name.startswith(".") and path.is_dir()]

    data = load_entangled_mnist()
    X, y = data.X_train[:N_TRAIN], data.y_train[:N_TRAIN]
    unstopped = train(X, y, make_configuration(), threads=1).network
    network = load_checkpoint(run / "checkpoint.safetensors").network()
    for block in ("couplings", "input_weights", "readout", "feedback"):
        assert np.array_equal(getattr(network, block), getattr(unstopped, block)), block
