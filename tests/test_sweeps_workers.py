"""Sweeps on many processes: same bits for any number, and what is left when one is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import sweep_cases
from binnet import sweeps
from sweep_cases import GRID

SLOW_GRID = {**GRID, "seed": list(range(10))}  # 60 cells
CODE = f"""
import sys
sys.path[:] = {sys.path!r}
import sweep_cases
from binnet import sweeps
if __name__ == "__main__":
    sweeps.run(
        sweep_cases.GRID | {{"seed": list(range(10))}}, sweep_cases.measure_and_log,
        fixed={{"folder": sys.argv[2], "pause": 0.03}}, path=sys.argv[1],
        workers=int(sys.argv[3]), progress=False,
    )
"""


@pytest.fixture(autouse=True)
def importable_in_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def test_one_worker_and_three_write_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "one.nc", tmp_path / "three.nc"]
    for path, workers in zip(paths, (1, 3), strict=True):
        sweeps.run(GRID, sweep_cases.measure, path=path, workers=workers, progress=False)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_workers_end_when_their_parent_is_killed(tmp_path: Path, logs: Path) -> None:
    arguments = [sys.executable, "-c", CODE, str(tmp_path / "killed.nc"), str(logs), "2"]
    process = subprocess.Popen(arguments, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(logs.iterdir())) < 2:  # a file of each worker
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait(60)

    def wait_until_all_have_ended() -> None:
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.1)

    with pytest.raises(ProcessLookupError):  # nobody of its session is left
        wait_until_all_have_ended()


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
def test_killed_and_run_again_gives_the_unbroken_file(
    tmp_path: Path, logs: Path, workers: int
) -> None:
    path = tmp_path / "killed.nc"
    arguments = [sys.executable, "-c", CODE, str(path), str(logs), str(workers)]
    process = subprocess.Popen(arguments, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(sweep_cases.executions(logs)) < 20:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not path.exists()
    n_kept = sweeps.load(path).attrs["finished_cells"]
    n_begun = len(sweep_cases.executions(logs))
    assert 0 < n_kept <= n_begun < 60
    subprocess.run(arguments, check=True)
    assert len(sweep_cases.executions(logs)) == n_begun + 60 - n_kept
    unbroken = tmp_path / "unbroken.nc"
    fixed = {"folder": str(logs), "pause": 0.03}
    sweeps.run(SLOW_GRID, sweep_cases.measure_and_log, fixed=fixed, path=unbroken, progress=False)
    assert path.read_bytes() == unbroken.read_bytes()


def test_a_worker_that_dies_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "sweep.nc"
    words = (
        r"(?s)cell \{.*\"x\": 2.0\} failed: a worker process died of it, 2 .*SIGKILL.*goes on from"
    )
    with pytest.raises(sweeps.SweepError, match=words):
        sweeps.run(GRID, sweep_cases.die_at_two, path=path, workers=2, progress=False)
    left = sweeps.load(path)
    assert left.attrs["finished_cells"] < 24
    assert left.x.values.tolist() == GRID["x"]


@pytest.mark.long
def test_cells_that_kill_their_workers_fail_and_the_others_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "sweep.nc"
    options: dict[str, Any] = {"path": path, "workers": 2, "progress": False}
    for _ in range(2):  # again and again
        with pytest.raises(sweeps.SweepError, match=r"(?s)died of it.*1 more cells raised or died"):
            sweeps.run(
                {"x": range(8)}, sweep_cases.die_in_many_ways, errors="continue", **options
            )  # fmt: skip
        left = sweeps.load(path)["y"]
        assert left.isnull().values.tolist() == [x in (2, 5) for x in range(8)]


def test_a_worker_that_dies_by_chance_costs_nothing(tmp_path: Path) -> None:
    result = sweeps.run(
        {"x": range(4)}, sweep_cases.die_once, fixed={"folder": str(tmp_path)}, workers=2,
        progress=False,
    )  # fmt: skip
    assert (tmp_path / "died").exists()
    assert result["y"].values.tolist() == [0, 1, 2, 3]


TWIN = """
import sys
sys.path[:] = {path!r}
import sweep_cases
from binnet import sweeps
result = sweeps.run({{"x": range(6)}}, sweep_cases.wait_for_the_other,
                    fixed={{"folder": sys.argv[2]}}, path=sys.argv[1])
print(result.y.values.tolist())
"""


def test_two_identical_sweeps_at_once_end_in_the_same_result(tmp_path: Path, logs: Path) -> None:
    """One is slower by a cell, and finds the journal gone and the result there."""
    path = tmp_path / "sweep.nc"
    code = TWIN.format(path=sys.path)
    twins = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(logs)],
            env={**os.environ, "BINNET_TEST_SLOW": slow}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for slow in ("", "1")
    ]  # fmt: skip
    for twin in twins:
        out, errors = twin.communicate(timeout=100)
        assert twin.returncode == 0, errors
        assert out == "[0, 1, 2, 3, 4, 5]\n"
    assert "finished by another process meanwhile" in errors
    assert sorted(p.name for p in tmp_path.iterdir()) == ["logs", "sweep.nc"]
    assert sweeps.load(path).attrs["finished_cells"] == 6


def test_a_journal_that_is_removed_or_taken_over_is_said(tmp_path: Path) -> None:
    path = tmp_path / "sweep.nc"

    def observe(x: int) -> dict[str, int]:
        if x == 1:
            (tmp_path / "sweep.nc.partial").unlink()
        return {"y": x}

    with pytest.raises(sweeps.SweepError, match="was removed while the sweep ran; run it again"):
        sweeps.run({"x": range(3)}, observe, path=path, progress=False)

    def begin_another(x: int) -> dict[str, int]:
        with pytest.raises(sweeps.SweepError):
            sweeps.run({"x": [0]}, lambda x: {"y": 1 // x}, path=path, progress=False)
        return {"y": x}

    with pytest.raises(OSError, match="another run has taken it over"):
        sweeps.run({"x": [1, 2]}, begin_another, path=path, progress=False)


def test_a_cell_that_raises_in_a_worker(tmp_path: Path) -> None:
    path = tmp_path / "sweep.nc"
    with pytest.raises(sweeps.SweepError, match="no square of two"):
        sweeps.run(
            GRID, sweep_cases.fail_at_two, path=path, workers=2, errors="continue", progress=False
        )
    assert sweeps.load(path).attrs["finished_cells"] == 20


# ---- a Dask cluster: a scheduler and workers in processes of their own, on loopback


class Cluster:
    """A real scheduler with real workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.address = ""
        file = folder / "scheduler.json"
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                    "--scheduler-file", file)  # fmt: skip
        deadline = time.monotonic() + 60
        while not self.address:
            assert time.monotonic() < deadline, (folder / "scheduler.txt").read_text()
            time.sleep(0.1)
            if file.exists():
                self.address = json.loads(file.read_text())["address"]

    def _start(self, command: str, *options: object) -> subprocess.Popen[bytes]:
        with (self.folder / f"{command}.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{command}", *map(str, options)],
                stdout=log, stderr=log, cwd=self.folder,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def add_worker(self) -> subprocess.Popen[bytes]:
        return self._start("worker", self.address, "--nthreads", 1, "--no-nanny",
                           "--no-dashboard")  # fmt: skip

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Any:
    pytest.importorskip("distributed")
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(folder)
    yield cluster
    cluster.stop()


@pytest.mark.long
def test_a_cluster_loses_nothing_when_a_worker_is_killed(
    cluster: Cluster, tmp_path: Path, logs: Path
) -> None:
    path, alone = tmp_path / "cluster.nc", tmp_path / "alone.nc"
    fixed = {"folder": str(logs), "pause": 0.1}
    first, _ = cluster.add_worker(), cluster.add_worker()

    def kill_midway() -> None:
        while len(sweep_cases.executions(logs)) < 15:
            time.sleep(0.02)
        first.kill()

    killer = threading.Thread(target=kill_midway, daemon=True)
    killer.start()
    sweeps.run(
        SLOW_GRID, sweep_cases.measure_and_log, fixed=fixed, path=path, progress=False,
        scheduler=cluster.address,
    )  # fmt: skip
    killer.join()
    first.wait(timeout=10)
    assert len(list(logs.glob("*.log"))) == 2  # both workers measured something
    done = sweep_cases.executions(logs)
    assert len(set(done)) == 60 <= len(done)
    result = sweeps.load(path)
    assert result.attrs["finished_cells"] == 60
    assert not result["value"].isnull().any()
    sweeps.run(SLOW_GRID, sweep_cases.measure_and_log, fixed=fixed, path=alone, progress=False)
    assert path.read_bytes() == alone.read_bytes()


def test_a_scheduler_without_workers_or_nowhere_is_said(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("binnet.sweeps._workers._CONNECT_SECONDS", 1)
    with pytest.raises(ConnectionError, match="has no workers; start one with `dask worker"):
        sweeps.run(GRID, sweep_cases.measure, scheduler=cluster.address, progress=False)
    cluster.stop()
    with pytest.raises(ConnectionError, match="no Dask scheduler at"):
        sweeps.run(GRID, sweep_cases.measure, scheduler=cluster.address, progress=False)
