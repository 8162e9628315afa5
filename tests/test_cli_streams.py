"""Surroundings that must not cost a result: plot settings, missing and closed streams."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CODE = f"import sys; sys.path[:] = {sys.path!r}\nfrom binnet.cli import main\nmain()"
RELAX = ["relax", "--neurons", "40", "--replicas", "4", "--threads", "1"]
TRAIN = ["rnn", "train", "--iterations", "3", "--hidden", "8", "--out", "run"]


def shell(folder: Path, arguments: list[str], redirections: str = "", **variables: str) -> Any:
    """Run `binnet` by way of a shell, with the redirections written behind it."""
    command = f'"$0" -c "$1" {" ".join(arguments)} {redirections}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command, sys.executable, CODE],
        cwd=folder, env=os.environ | variables, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture
def no_latex(tmp_path: Path) -> dict[str, str]:
    """Settings of a user who asks for LaTeX, where there is none, and for an unknown backend."""
    settings = tmp_path / "settings"
    settings.mkdir()
    (settings / "matplotlibrc").write_text("text.usetex: True\nfont.family: Nowhere Sans\n")
    found = [folder for folder in os.environ["PATH"].split(":") if Path(folder, "latex").exists()]
    path = ":".join(f for f in os.environ["PATH"].split(":") if f not in found)
    return {"MPLCONFIGDIR": str(settings), "MPLBACKEND": "nonsense", "PATH": path}


@pytest.mark.parametrize(
    ("arguments", "picture", "text"),
    [
        (TRAIN, "run/learning_curve.png", "loss after iteration 3 of 3"),
        (RELAX, "relaxation.png", "picture: relaxation.png"),
        (
            ["count", "--neurons", "10", "--self-coupling", "0.5", "--output", "count.png"],
            "count.png",
            "figure: count.png",
        ),
    ],
    ids=["rnn", "relax", "count"],
)
def test_pictures_are_drawn_whatever_the_users_plot_settings(
    arguments: list[str], picture: str, text: str, tmp_path: Path, no_latex: dict[str, str]
) -> None:
    done = shell(tmp_path, arguments, **no_latex)
    assert done.returncode == 0, done.stderr
    assert text in done.stdout
    assert (tmp_path / picture).stat().st_size > 5000
    assert "warning" not in done.stderr


def test_a_picture_that_fails_is_a_warning_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise RuntimeError('matplotlib is broken\\nhere')")
    code = CODE.replace("sys.path[:] = ", "sys.path[:] = [''] + ")
    done = subprocess.run(
        [sys.executable, "-c", code, *TRAIN], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "loss after iteration 3 of 3" in done.stdout
    picture = Path("run", "learning_curve.png")
    assert done.stderr.splitlines()[-1] == (
        f"warning: the picture {picture} could not be drawn: matplotlib is broken"
    )
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["completed"]
    assert "learning_curve.png" not in done.stdout


def test_pictures_are_drawn_where_no_thread_can_be_started(
    tmp_path: Path, no_latex: dict[str, str]
) -> None:
    """Training prepares for them after its first epoch, in a thread beside its own."""
    refuse = (
        "import threading\n"
        'def refuse(thread): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = refuse\n"
    )
    train = ["train", "--hidden", "5", "--epochs", "2", "--threads", "1", "--out", "run"]
    done = subprocess.run(
        [sys.executable, "-c", refuse + CODE, *train, "--batch-size", "500"],
        cwd=tmp_path, env=os.environ | no_latex, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "run").glob("*.png"))) == 2
    assert "could not be drawn" not in done.stderr


@pytest.mark.parametrize(
    "redirections", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2> >(head -c 1 >&-)", "2>/dev/full"]
)
def test_without_standard_streams(redirections: str, tmp_path: Path) -> None:
    done = shell(tmp_path, TRAIN, redirections)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "run" / "learning_curve.png").exists()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["completed"]


def test_progress_of_the_library_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under pythonw, and where an application has closed it."""
    from binnet.rate import RateConfiguration, train

    closed = open(os.devnull, "w")  # noqa: SIM115
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stderr", stream)
        assert train(RateConfiguration(n_hidden=8, iterations=2), progress=True).completed


def test_reader_that_has_left(tmp_path: Path) -> None:
    """The command ends without a word, and what it measured is there."""
    done = shell(tmp_path, RELAX, "| true")
    assert done.returncode == 1
    assert done.stderr == ""
    assert (tmp_path / "relaxation.nc").exists()
    done = shell(tmp_path, ["train", "--help"], "| head -n 1")
    assert done.returncode in (0, 1)  # head may read all that there is
    assert done.stderr == ""


def test_missing_streams_are_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from binnet.cli._common import open_missing_streams

    before = sys.stderr
    monkeypatch.setattr(sys, "stdout", None)
    open_missing_streams()
    assert sys.stderr is before
    with sys.stdout:
        print("nobody reads this")
