"""bench/against_commit.py: the same workloads in two trees, and no ratio of different work."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

# A workload of three that ask binnet for their answer, in the place of the real ones.
WORKLOADS = """
from types import SimpleNamespace
def make(name):
    def prepare(threads):
        import binnet
        ask = getattr(binnet, name)
        return SimpleNamespace(call=ask, answer=lambda: SimpleNamespace(checksum=str(ask())))
    return SimpleNamespace(name=name, prepare=prepare)
def all_workloads():
    return {name: make(name) for name in ("constant", "signed", "new", "deadly")}
"""
HERE = """
import os
def constant(): return 1
def signed(): return 1
def new(): return 1
def deadly(): return 1
"""
EARLIER = """
import os
def constant(): return 1
def signed(): return -1
def deadly(): os._exit(1)
"""


@pytest.fixture(scope="module")
def script() -> Any:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location(
        "against_commit", ROOT / "bench" / "against_commit.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for themselves there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def write_tree(folder: Path, source: str) -> Path:
    texts = {
        "src/binnet/__init__.py": source,
        "src/binnet/benchmarks/__init__.py": "",
        "src/binnet/benchmarks/workloads/__init__.py": WORKLOADS,
        "kernels/binnet_kernels/__init__.py": "",
    }
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.fixture
def trees(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """An earlier tree and this one, both of a few lines."""
    monkeypatch.setattr(script, "_SECONDS", 1e-5)
    return tuple(
        script.Tree(write_tree(tmp_path / name, source), tmp_path / "cache")
        for name, source in (("earlier", EARLIER), ("now", HERE))
    )


def test_every_row_says_what_became_of_it(
    script: Any, trees: tuple[Any, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [script.Row(name, 1) for name in ("signed", "deadly", "new", "constant")]
    script.compare(*trees, rows, rounds=7, processes=3)
    signed, deadly, new, constant = rows
    assert signed.problem == "answers differ, -1 and 1: not the same work"
    assert signed.is_failure
    assert "earlier tree cannot run it: its process died" in deadly.problem
    assert "earlier tree cannot run it: AttributeError" in new.problem
    assert not deadly.is_failure
    assert not new.is_failure
    assert not constant.problem
    assert len(constant.rounds) == 7
    table = capfd.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in table] == [f"| {row.workload}" for row in rows]
    assert ["| none |" in line for line in table] == [True, True, True, False]


def test_what_this_tree_cannot_run_is_a_failure(script: Any, trees: tuple[Any, Any]) -> None:
    row = script.Row("new", 1)
    script.compare(*trees[::-1], [row], rounds=3, processes=1)
    assert "this tree fails: AttributeError" in row.problem
    assert row.is_failure


def test_a_tree_without_binnet_is_refused(script: Any, tmp_path: Path) -> None:
    write_tree(tmp_path / "broken", "raise ImportError('no such thing')")
    with pytest.raises(click.ClickException, match="binnet of its own: ImportError: no such"):
        script.Tree(tmp_path / "broken").ask("prepare")


def test_another_binnet_than_that_of_the_tree_is_refused(script: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        click.ClickException, match=r"its own: (.*init.* would be used|.*No module)"
    ):
        script.Tree(tmp_path / "empty").ask("prepare")


def test_an_earlier_tree_is_lent_the_workloads(script: Any, tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "earlier", EARLIER)
    script.lend_workloads(tree)
    lent, ours = tree / "src/binnet/benchmarks", ROOT / "src/binnet/benchmarks"
    assert (lent / "__init__.py").read_text() == ""
    for name in ("_answers.py", "workloads/__init__.py"):
        assert (lent / name).read_bytes() == (ours / name).read_bytes()
    repeats = "kernels/binnet_kernels/repeats.py"
    assert (tree / repeats).read_bytes() == (ROOT / repeats).read_bytes()
    assert (tree / "src/binnet/__init__.py").read_text() == EARLIER


def test_interval_holds_the_ratio_and_knows_no_false_certainty(script: Any) -> None:
    rng = np.random.default_rng(0)
    before = rng.uniform(1, 1.1, 21)
    ratio, low, high = script.ratio_with_interval(before.tolist(), (1.5 * before).tolist())
    assert ratio == pytest.approx(1.5)
    assert 1.4 < low <= 1.5 <= high < 1.6
    wide = script.ratio_with_interval(before.tolist(), rng.uniform(1, 3, 21).tolist())
    assert wide[2] - wide[1] > 5 * (high - low)


def test_a_workload_and_a_suite_exclude_each_other(script: Any) -> None:
    with pytest.raises(click.UsageError, match="not both"):
        script.choose("relaxation", ("relax-sync-l1",))
    with pytest.raises(click.BadParameter, match="no such workload: relax-fast"):
        script.choose(None, ("relax-fast", "relax-sync-l1"))
    with pytest.raises(click.BadParameter, match="there is no suite 'fast'"):
        script.choose("fast", ())
    assert "relax-sync-l1" in script.choose("relaxation", ())


@pytest.mark.long  # both trees compile kernels
def test_this_tree_against_itself(script: Any, capfd: pytest.CaptureFixture[str]) -> None:
    row = script.Row("relax-sync-l1", 1)
    script.compare(script.Tree(ROOT), script.Tree(ROOT), [row], rounds=3, processes=1)
    assert not row.problem
    assert "| the same |" in capfd.readouterr().out


def test_what_was_measured_before_ctrl_c_is_printed(
    script: Any, trees: tuple[Any, Any], capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    measure = script.Row.measure

    def stop_at_signed(row: Any, *arguments: Any) -> None:
        if row.workload == "signed":
            raise KeyboardInterrupt
        measure(row, *arguments)

    monkeypatch.setattr(script.Row, "measure", stop_at_signed)
    rows = [script.Row(name, 1) for name in ("constant", "signed")]
    with pytest.raises(KeyboardInterrupt):
        script.compare(*trees, rows, rounds=9, processes=3)
    constant, signed = capfd.readouterr().out.splitlines()
    assert "| the same |" in constant
    assert "not measured" in signed
