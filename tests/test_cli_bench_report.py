"""`binnet bench report`: a page of a file, or a line that says what is wrong with the file."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmark_cases import make_result
from binnet.benchmarks._files import save_result
from binnet.benchmarks._result import Stability
from binnet.cli import main


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a result file; the reference machine is the one of the tests."""
    monkeypatch.setattr("binnet.plotting.benchmark_report.load_reference", make_result)
    path = tmp_path / "host.json"
    save_result(make_result(), path)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["bench", "report", *map(str, arguments)])


def test_a_page(file: Path) -> None:
    page = file.with_name("out.html")
    done = run(file, "--html", page)
    assert (done.exit_code, done.output) == (0, f"written: {page}\n")
    assert "Score, one core" in page.read_text(encoding="utf-8")
    assert run(file, "--html", page).exit_code == 0  # the page is ours


def test_beside_the_file(file: Path) -> None:
    assert run(file).exit_code == 0
    assert file.with_suffix(".html").is_file()


def test_scores_of_a_busy_machine_on_demand(file: Path) -> None:
    save_result(replace(make_result(), stability=Stability(False, ("busy",))), file)
    page = file.with_suffix(".html")
    assert run(file).exit_code == 0
    assert "Score, one core" not in page.read_text(encoding="utf-8")
    assert run(file, "--unstable-ok").exit_code == 0
    assert "Score, one core" in page.read_text(encoding="utf-8")


def test_a_file_of_peers_has_no_page(file: Path) -> None:
    result = make_result()
    save_result(replace(result, settings={**result.settings, "mode": "peers"}), file)
    done = run(file)
    assert done.exit_code == 1
    assert "Error: the result is of binnet bench peers" in done.output
    assert not file.with_suffix(".html").exists()


def test_files_of_others_stay(file: Path) -> None:
    page = file.with_name("mine.html")
    page.write_text("<!DOCTYPE html>\n<p>mine")
    done = run(file, "--html", page)
    assert done.exit_code == 2
    assert "has no mark" in done.output
    assert page.read_text() == "<!DOCTYPE html>\n<p>mine"
    assert run(file, "--html", page, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "there is no file"),
        ("{", "is not JSON"),
        (json.dumps({"version": "1.0", "benchmarks": []}), 'without the key "binnet"'),
        (json.dumps({"binnet": {"schema": 99}, "benchmarks": []}), "99"),
    ],
)
def test_files_that_are_no_results(content: str | None, line: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    done = run(path)
    assert done.exit_code == 1
    assert line in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize(
    ("page", "line"),
    [("out.pdf", "must end in .html or .htm"), ("nowhere/out.html", "does not exist")],
)
def test_pages_that_cannot_be_written(page: str, line: str, file: Path) -> None:
    done = run(file, "--html", file.parent / page)
    assert done.exit_code == 2
    assert line in done.output.replace("\n", " ")


def test_help_loads_nothing_heavy() -> None:
    code = f"""
import sys; sys.path[:] = {sys.path!r}
from binnet.cli import main
main(["bench", "report", "--help"], standalone_mode=False)
print([name for name in ("numba", "matplotlib", "scipy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
