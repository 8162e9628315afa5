"""What docs/benchmark.md and the tables of speed say of `binnet bench` is what it does."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from benchmark_cases import make_measurement, make_result
from binnet.benchmarks import _division, _stability
from binnet.cli import main
from binnet.cli.bench import run

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "benchmark.md").read_text("utf-8")
QUICK = "sweep-1bit-l2"  # a workload of `--quick`


@pytest.fixture(scope="module")
def script() -> Any:
    """bench/speed_tables.py as a module."""
    place = ROOT / "bench" / "speed_tables.py"
    spec = importlib.util.spec_from_file_location("speed_tables", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def list_commands() -> Iterator[list[str]]:
    """Yield the words of each command of `binnet bench` that a page shows in a block of code."""
    for name in ("README.md", "docs/benchmark.md", "docs/benchmark_schema.md"):
        text = (ROOT / name).read_text("utf-8")
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                if line.startswith("binnet bench"):
                    yield shlex.split(line)[1:]


@pytest.mark.parametrize("words", list(list_commands()), ids=" ".join)
def test_every_command_shown_exists(words: list[str]) -> None:
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, name
        command, context = found, click.Context(found, parent=context)
    # Parses all options and arguments, and does nothing; files need not be there.
    command.make_context(str(command.name), words, parent=context.parent)


def test_there_are_commands_to_check() -> None:
    assert {words[1] for words in list_commands()} >= {
        "run",
        "compare",
        "report",
        "peers",
        "export",
    }


def test_list_of_workloads_is_the_registry(script: Any) -> None:
    tables = {"registry": script.make_registry_table()}
    assert script.replace_tables(PAGE, tables) == PAGE, "run python bench/speed_tables.py"


def test_thresholds_and_exit_statuses_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    for said in (
        f"other processes used more than {100 * _stability.OTHERS:g} % of a core",
        f"more than {100 * _stability.STOLEN:g} % of the time to others",
        f"for more than {100 * _stability.THROTTLED:g} %, or",
        f"changed by more than {100 * (_stability.LIMIT_CHANGE - 1):.0f} %",
        f"more than {_stability.SPREAD:g} times the minimum for more than a quarter",
        f"| {run.WRONG} | a wrong answer",
        f"| {run.UNSTABLE} | machine not stable",
        f"| {run.STOPPED} | Ctrl-C",
    ):
        assert said in text, said
    assert _stability.MANY == 0.25
    assert _stability.GREAT_SPREAD == 2
    for name in _division.load_pins()["packages"]:
        assert name in PAGE.lower()


def make_host() -> Any:
    limits = {"operation": "fma32", "operations": 5e9}  # of a call that lasts 0.2 s
    return make_result(
        make_measurement(QUICK, rate=1e6, **limits),
        make_measurement(QUICK, threads=2, rate=1.5e6, **limits),
        make_measurement("relax-sync-l1", rate=2e9),
    )


def read_rows(table: str) -> dict[str, list[str]]:
    """Return the cells of a table's rows by the first one."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line]
    return {row[0]: row[1:] for row in rows}


def test_workload_table_has_rates_speed_up_and_share_of_the_limit(script: Any) -> None:
    rows = read_rows(script.make_workload_table(make_host()))
    rate, interval, share, both, speed_up, share_both = rows[f"`{QUICK}`"]
    assert (rate, both, speed_up) == ("1.00 Mflips/s", "1.50 Mflips/s", "1.50")
    low, high = (float(end) for end in interval.split(" to "))
    assert 0.9 < low <= 1 <= high < 1.1
    # 25 Gop/s of 100 on one thread, 37.5 of 200 on two.
    assert share == "25 % of fma32"
    assert share_both == "19 % of fma32"
    assert rows["`relax-sync-l1`"][3:] == ["", "", ""]


def test_peer_table_has_the_fastest_peer_that_is_right(script: Any) -> None:
    result = make_result(
        make_measurement(QUICK, rate=1e6),
        make_measurement(QUICK, rate=2e5, implementation="numpy"),
        make_measurement(QUICK, rate=2.5e5, implementation="torch"),
        make_measurement(QUICK, rate=9e6, implementation="jax", verdict="wrong"),
        make_measurement("relax-sync-l1", rate=1e6),
    )
    rows = read_rows(script.make_peer_table(result))
    threads, ours, best, ratio, interval, others = rows[f"`{QUICK}`"]
    assert (threads, ours, best, ratio) == ("1", "200 ms", "torch", "**4.00**")
    low, high = (float(end) for end in interval.split(" to "))
    assert low <= 4 <= high
    assert others == "numpy 5.00, jax 0.111 (wrong)"
    assert "`relax-sync-l1`" not in rows  # nobody to compare with
    (row,) = list(read_rows(script.make_short_table(make_host(), result)).values())[2:]
    assert row == ["1.00 Mflips/s", "1.50 Mflips/s", "25 % of fma32", "4.00 (torch)"]


def test_tables_say_that_a_machine_was_not_stable(script: Any) -> None:
    unstable = _stability.Stability(False, ("others used 1.2 cores; end them",))
    result = make_result(stability=unstable, division="open", open_reasons=("it was held to 9 s",))
    said = script.describe_run(result)
    assert "**machine not stable**" in said
    assert "Not stable: others used 1.2 cores." in said
    assert "Division: open: it was held to 9 s." in said
    assert "machine stable" in script.describe_run(make_result())
    tables = script.make_tables(result, None)
    assert "**machine not stable**" in tables["short"]
    assert "peers" not in tables


def test_only_what_stands_between_the_marks_is_replaced(script: Any) -> None:
    page = (
        "a\n<!-- table: one -->\nold\n<!-- end of table -->\nb\n"
        "<!-- table: two -->\n<!-- end of table -->\nc\n"
    )
    once = script.replace_tables(page, {"one": "| 1 |\n", "other": "| 3 |\n"})
    assert once == page.replace("old", "\n| 1 |\n")
    assert script.replace_tables(once, {"one": "| 1 |\n"}) == once
    with pytest.raises(ValueError, match="the table 'one' has no line <!-- end of table -->"):
        script.replace_tables("<!-- table: one -->\n<!-- table: two -->\n", {"one": "| 1 |\n"})


def test_pages_have_a_place_for_every_table(script: Any) -> None:
    places = re.findall(
        r"<!-- table: (.*?) -->", "".join(page.read_text("utf-8") for page in script.PAGES)
    )
    peers = make_result(make_measurement(), make_measurement(implementation="numpy"))
    assert sorted(places) == sorted(script.make_tables(make_host(), peers))
