"""What a study's record says of where it comes from: seeds, workers, threads, sessions; and names.

Tiny studies of every command; that they measure the right thing is tested beside each study.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

pytest.importorskip("sklearn")

import sweep_cases
from binnet import sweeps
from binnet._threads import resolve_threads, share_out
from binnet.cli import main
from binnet.cli import studies as commands
from binnet.studies import rate as rate_study
from binnet.studies import record_study
from binnet.studies.self_coupling import SelfCouplingPlan

TINY = "--hidden 10 --epochs 1 --samples 200"
# Command, its options, and number of sweeps.
STUDIES = {
    "capacity": ("--modules 1 --hidden 10 --loads 1,2 --epochs 1 --attach last --accuracy 1", 2),
    "bits": (TINY, 3),
    "chain": (f"{TINY} --modules 2 --excitation 0.5 --self-coupling 0.5", 2),
    "sizes": ("--hidden 10 --model default --epochs 1 --samples 200", 2),
    "symmetry": (f"{TINY} --self-coupling 0.5 --input 5 --symmetry 0 --annealing step", 1),
    "self-coupling": (f"--quick --margin 0.9 {TINY}", 6),
    "map": (f"--over margin=0,1 --over self_coupling=0,1 --no-dynamics {TINY}", 3),
}
OLD_NAMES = {
    "capacity": ["capacity"],
    "bits": ["hardware", "bits"],
    "rate": ["rnn", "study"],
}


def invoke(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name == "map")) for name in STUDIES]
)
def test_records_say_what_ran(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options, n_sweeps = STUDIES[name]
    small = {"trained": (0.5,), "relaxed": (0.0, 2.0), "calculated": (0.1,)}
    quick = SelfCouplingPlan.quick
    monkeypatch.setattr(SelfCouplingPlan, "quick", lambda **given: quick(**small | given))
    output = tmp_path / "figure.png"
    words = ["study", name, *options.split(), "--seeds", "2", "--output", output]
    shown = invoke(*words)
    assert f"figure: {output}\ndata:   {output.with_suffix('.json')}" in shown
    record = json.loads(output.with_suffix(".json").read_text())
    assert next(iter(record)) == "parameters"
    run = record["run"]
    assert "seed" not in run  # of a single run
    assert run["seeds"] == [0, 1]
    assert run["workers"] == 1
    assert run["threads"] == resolve_threads(None)
    assert run["packages"]["numpy"] == np.__version__
    assert len(run["sweeps"]) == n_sweeps
    for part in run["sweeps"]:
        assert (tmp_path / part["file"]).is_file()
        assert part["seeds"] in ([0, 1], [])  # the theory draws nothing
        (session,) = part["sessions"]
        assert session["cells"] == part["cells"] > 0
        assert session["workers"] == 1
        assert "machine" not in part  # it is this one
    # Run again, nothing is measured: who did stays in the record.
    invoke(*words)
    again = json.loads(output.with_suffix(".json").read_text())["run"]
    assert again["sweeps"] == run["sweeps"]
    assert again["threads"] == run["threads"]


def shrink_rate_study(monkeypatch: pytest.MonkeyPatch) -> None:
    axes = {"seed": (0, 1), "gain": (0.5,), "learning_rate": (1e-3,)}
    fixed = {"task": "romo", "rule": "bptt", "iterations": 20, "n_hidden": 6, "batch_size": 2}
    plan = [rate_study.Experiment("romo-bptt", axes, fixed)]
    monkeypatch.setattr(rate_study, "plan_study", lambda **_: plan)


@pytest.mark.parametrize("words", [["rnn", "study"], ["study", "rate"]], ids=str)
def test_the_record_of_rate_networks(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_rate_study(monkeypatch)
    invoke(*words, "--out", tmp_path)
    run = json.loads((tmp_path / "summary.json").read_text())["run"]
    assert (run["seeds"], run["workers"]) == ([0, 1], 1)
    assert 1 <= run["threads"] <= resolve_threads(None)  # both networks at once
    invoke(*words, "--out", tmp_path, "--draw-only")
    assert json.loads((tmp_path / "summary.json").read_text())["run"]["sweeps"] == run["sweeps"]


def test_workers_are_processes_that_share_the_cores(tmp_path: Path) -> None:
    output = tmp_path / "symmetry.png"
    words = ["study", "symmetry", *STUDIES["symmetry"][0].split()]
    invoke(*words, "--seeds", 2, "--workers", 2, "--output", output)
    run = json.loads(output.with_suffix(".json").read_text())["run"]
    assert run["workers"] == 2
    assert 1 <= run["threads"] <= max(1, resolve_threads(None) // 2)


def on_two_numbers_of_threads(seed: int) -> dict[str, int]:
    """As `train` does, which chooses by the clock."""
    for threads in (1, resolve_threads(None)):
        share_out(threads, str, range(2))
    return {"seed_again": seed}


def test_threads_that_the_clock_chose_are_said() -> None:
    with sweeps.watch() as seen:
        sweeps.run({"seed": [3, 1]}, on_two_numbers_of_threads, progress=False)
    (session,) = seen[0].sessions or ()
    assert seen[0].seeds == [1, 3]
    assert session["threads"] == resolve_threads(None)
    assert session["threads_by_clock"] == (resolve_threads(None) > 1)


def test_a_study_that_was_stopped_keeps_its_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "study.json"
    options: dict[str, Any] = {"progress": False}

    def run(name: str, function: Any = sweep_cases.measure) -> None:
        sweeps.run(sweep_cases.GRID, function, path=tmp_path / f"{name}.nc", **options)

    def stop() -> None:
        with record_study(path, {"a": 1}) as results:
            run("first")
            results["not"] = "written"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    stopped = json.loads(path.read_text())
    assert stopped["unfinished"] is True
    assert "not" not in stopped
    monkeypatch.setattr(sys, "argv", ["another", "session"])
    with record_study(path, {"a": 1}) as results:
        run("first")
        run("second")
        results["answer"] = 42
    record = json.loads(path.read_text())
    assert list(record) == ["parameters", "answer", "run", "sha256"]
    first, second = record["run"]["sweeps"]
    assert first["sessions"] == stopped["run"]["sweeps"][0]["sessions"]
    assert first["sessions"][0]["command"] != ["another", "session"]
    assert second["sessions"][0]["command"] == record["run"]["command"] == ["another", "session"]


def test_sessions_of_a_sweep_that_goes_on_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "sweep.nc"
    with pytest.raises(sweeps.SweepError):
        sweeps.run(sweep_cases.GRID, sweep_cases.fail_at_two, path=path, progress=False)
    with sweeps.watch() as seen, pytest.raises(sweeps.SweepError):
        sweeps.run(sweep_cases.GRID, sweep_cases.fail_at_two, path=path, progress=False)
    assert [session["cells"] for session in seen[0].sessions or ()] == [20, 0]
    with sweeps.watch() as loaded:
        sweeps.load(path)
    assert [session["cells"] for session in loaded[0].sessions or ()] == [20]
    assert loaded[0].provenance["packages"]["numpy"] == np.__version__


def test_what_nobody_noted_is_null(tmp_path: Path) -> None:
    path = tmp_path / "sweep.nc"
    sweeps.run(sweep_cases.GRID, sweep_cases.measure, path=path, progress=False)
    with record_study(tmp_path / "study.json"):
        sweeps.run(sweep_cases.GRID, sweep_cases.measure, path=path, progress=False)
    run = json.loads((tmp_path / "study.json").read_text())["run"]
    assert run["threads"] is None
    assert run["workers"] is None
    assert run["seeds"] == [0, 1, 2, 3]
    assert run["sweeps"][0]["sessions"] is None


def test_a_study_with_more_seeds_measures_the_new_ones_only(tmp_path: Path) -> None:
    output = tmp_path / "figure.png"
    words = ["study", "symmetry", *STUDIES["symmetry"][0].split(), "--output", output]
    invoke(*words, "--seeds", 1)
    first = sweeps.load(output.with_suffix(".nc"))
    invoke(*words, "--seeds", 2)
    run = json.loads(output.with_suffix(".json").read_text())["run"]
    earlier, now = run["sweeps"][0]["sessions"]
    assert (earlier["cells"], now["cells"], now["threads"]) == (1, 1, resolve_threads(None))
    assert run["seeds"] == [0, 1]
    assert run["threads"] is None  # nobody knows it of the first
    grown = sweeps.load(output.with_suffix(".nc"))
    np.testing.assert_array_equal(grown["eta"].sel(seed=[0]), first["eta"])


def test_a_record_goes_nowhere_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match="create it first"),
        record_study(tmp_path / "no" / "study.json"),
    ):
        raise AssertionError("worked")


@pytest.mark.parametrize("name", OLD_NAMES)
def test_old_names_are_the_same_commands(name: str) -> None:
    old = invoke(*OLD_NAMES[name], "--help")
    new = invoke("study", name, "--help")
    assert f"{' '.join(OLD_NAMES[name])} [OPTIONS]" in old
    assert f"study {name} [OPTIONS]" in new
    assert old.splitlines()[1:] == new.splitlines()[1:]


def test_every_module_of_a_study_is_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new study is found where it is: one file for the command beside that of the study."""
    (tmp_path / "new_study.py").write_text(
        "import click\n\n@click.command()\ndef new_study():\n    'Measure something new.'\n"
    )
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    assert "new-study" in invoke("study", "--help")
    assert "Measure something new." in invoke("study", "new-study", "--help")
    monkeypatch.delitem(sys.modules, f"{commands.__name__}.new_study")
    assert CliRunner().invoke(main, ["study", "no-study"]).exit_code == 2


def test_all_commands_have_their_own_names() -> None:
    context = click.Context(commands.study)
    for name in commands.study.list_commands(context):
        command = commands.study.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_former_names_of_plots_warn() -> None:
    dynamics = importlib.import_module("binnet.plotting.dynamics")
    ax = Figure().subplots()
    with pytest.warns(DeprecationWarning, match="use plot_relaxation_times"):
        assert dynamics.draw_relaxation_times({"sync": [1.0, 2.0]}, ax) is ax


def list_strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in list_strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in list_strings(part)]
    return [value] if isinstance(value, str) else []


def test_records_in_the_docs_name_no_folder_of_a_machine() -> None:
    folder = Path(__file__).parents[1] / "docs" / "results"
    records = sorted(folder.rglob("*.json"))
    assert len(records) > 10
    for path in records:
        texts = list_strings(json.loads(path.read_text("utf-8")))
        assert [text for text in texts if Path(text).is_absolute()] == [], path.name
