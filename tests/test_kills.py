"""Processes that are killed at random, and gone on with until they end: the same results, always.

About five minutes: ``python -m pytest -m slow tests/test_kills.py``. BINNET_KILLS sets how many
kills there are (default 60), BINNET_KILLS_SEED when and by which signal.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors import safe_open

from binnet import sweeps

N_KILLS = int(os.environ.get("BINNET_KILLS", "60"))
SEED = int(os.environ.get("BINNET_KILLS_SEED", "0"))
KILLS_PER_RUN = 3
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
PATIENCE = 300  # seconds, also for a compilation
CODE = f"import sys; sys.path[:] = {sys.path!r}\nfrom binnet.cli import main\nmain()"

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Case:
    """A command, how one goes on with it, and what it must leave."""

    start: str
    again: str
    read: Callable[[Path], object]


def read_run(folder: Path) -> object:
    """What a run has learned and measured: all but the seconds that it took."""
    found = sorted((folder / "run").glob("checkpoint*.safetensors"))
    return {path.name: read_checkpoint(path) for path in found}


def read_checkpoint(path: Path) -> object:
    with safe_open(path, "np") as file:
        info = json.loads(file.metadata()["binnet"])
        tensors = {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
    return tensors, without_seconds(info)


def without_seconds(value: object) -> object:
    if isinstance(value, dict):
        return {
            name: without_seconds(part)
            for name, part in value.items()
            if "second" not in name and name != "sha256"  # the digest is of the seconds, too
        }
    return [without_seconds(v) for v in value] if isinstance(value, list) else value


def read_sweeps(folder: Path) -> object:
    """The bytes of all result files."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.nc"))}


def train(*options: str) -> Case:
    size = "--hidden 60 --epochs 10 --validation 52000 --threads 1 --out {}/run"
    return Case(" ".join(["train", *options, size]), "train --resume {}/run", read_run)


def same(command: str) -> Case:
    return Case(command, command, read_sweeps)


CASES = {
    "train": train(),
    "train-async": train("--update-order async"),
    "train-int8": train("--arithmetic int8"),
    "train-third-factor": train("--preset third-factor"),
    "train-chain": train("--preset chain --modules 2"),
    "train-patience": train("--patience 2 --rate-schedule constant"),
    "rnn-train": Case(
        "rnn train --hidden 16 --batch-size 4 --iterations 1500 --out {}/run",
        "rnn train --resume {}/run",
        read_run,
    ),
    "sweep": same(
        "sweep relaxation self_coupling=0.2:1:9 n_neurons=200 seed=0..19 --output {}/a.nc"
    ),
    "sweep-workers": same(
        "sweep relaxation self_coupling=0.2:1:5 n_neurons=200 seed=0..9 "
        "--workers 2 --output {}/a.nc"
    ),
    "study": same(
        "study symmetry --hidden 20 --epochs 2 --seeds 2 --samples 3000 --output {}/a.png"
    ),
    "capacity": same(
        "capacity --modules 1,2 --hidden 20 --accuracy 0.5 --epochs 5 --seeds 2 --output {}/a.png"
    ),
}


def launch(command: str, folder: Path) -> subprocess.Popen[str]:
    """Start a command in a session of its own, as a terminal would."""
    with (folder / "stderr.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-c", CODE, *(word.format(folder) for word in command.split())],
            stdout=subprocess.DEVNULL,
            stderr=log,
            text=True,
            start_new_session=True,
        )


def send(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """A terminal signals all processes of a session; who kills names one."""
    if number in (signal.SIGINT, signal.SIGHUP):
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


def wait_for_session(leader: int) -> None:
    """Wait until no process of the session is left; workers may notice it a moment later."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(leader, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(leader, signal.SIGKILL)
    pytest.fail("worker processes outlived their parent by 30 s")


def finish(case: Case, folder: Path) -> None:
    """Run to the end."""
    process = launch(choose(case, folder), folder)
    process.wait(PATIENCE)
    assert process.returncode == 0, (folder / "stderr.log").read_text()[-2000:]


def check_files(folder: Path) -> None:
    """Whatever a kill has left under its final name is whole."""
    for path in folder.rglob("*"):
        if path.name.startswith("."):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".safetensors":
            read_checkpoint(path)
        elif path.suffix == ".nc":
            sweeps.load(path).close()


def choose(case: Case, folder: Path) -> str:
    """Return what goes on with a run; the first command again where there is no checkpoint yet."""
    return case.again if (folder / "run" / "checkpoint.safetensors").exists() else case.start


@pytest.mark.parametrize("name", CASES)
def test_killed_runs_end_in_the_same_results(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    whole = tmp_path / "whole"
    whole.mkdir()
    finish(case, whole)  # compiles
    begun = time.monotonic()
    second = tmp_path / "second"
    second.mkdir()
    finish(case, second)
    seconds = time.monotonic() - begun
    expected = case.read(whole)
    assert case.read(second) == expected

    draw = random.Random(f"{SEED} {name}")
    left = -(-N_KILLS // len(CASES))
    log = []
    for attempt in itertools.count():
        if left == 0:
            break
        folder = tmp_path / f"killed-{attempt}"
        folder.mkdir()
        for _ in range(min(left, KILLS_PER_RUN)):
            number = SIGNALS[(left + SEED) % len(SIGNALS)]
            process = launch(choose(case, folder), folder)
            pause = draw.uniform(0.1, 1.0) * seconds
            with suppress(subprocess.TimeoutExpired):
                process.wait(pause)
                break  # it has ended before: what is next begins anew
            send(process, number)
            process.wait(PATIENCE)
            wait_for_session(process.pid)
            log.append(f"{number.name} after {pause:.2f} s of {seconds:.2f}: {process.returncode}")
            check_files(folder)
            left -= 1
        finish(case, folder)
        assert case.read(folder) == expected, log
        hidden = [path for path in folder.rglob(".*") if path.name != ".gitignore"]
        assert not hidden, (hidden, log)
        said = (folder / "stderr.log").read_text()
        assert "Traceback" not in said, (said[-3000:], log)
    print(f"\n{name}: {log}")
