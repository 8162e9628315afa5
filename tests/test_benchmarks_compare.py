"""Results beside each other: ratios and means by hand, agreement, tables, exports, the picture."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmark_cases import make_measurement, make_result
from binnet.benchmarks._comparison import compare
from binnet.benchmarks._export import export_result, to_frame
from binnet.benchmarks._statistics import rate_interval
from binnet.plotting.benchmarks_comparison import draw_comparison, plot_comparison

BASE = make_result(
    make_measurement("a-x", 1, 100.0), make_measurement("a-y", 1, 100.0),
    make_measurement("a-x", 2, 150.0), make_measurement("b-x", 1, 100.0),
)  # fmt: skip
FAST = make_result(
    make_measurement("a-x", 1, 200.0), make_measurement("a-y", 1, 800.0),
    make_measurement("a-x", 2, 150.0), make_measurement("b-x", 1, 25.0),
)  # fmt: skip


def test_ratios_by_hand():
    found = compare({"base": BASE, "fast": FAST}, BASE)
    assert found.labels == ("base", "fast")
    ratios = {(row.workload, row.cores): ratio.value for row, ratio in found.list_ratios("fast")}
    expected = {("a-x", "1"): 2.0, ("a-x", "all"): 1.0, ("a-y", "1"): 8.0, ("b-x", "1"): 0.25}
    assert ratios == pytest.approx(expected)
    assert list(ratios) == list(expected)  # suite by suite, workload by workload
    assert found.list_ratios("base") == []
    # Processes at 0.98, 1.00 and 1.03 times their seconds, in both.
    (_, ratio), *_ = found.list_ratios("fast")
    assert ratio.interval == pytest.approx((2 * 0.98 / 1.03, 2 * 1.03 / 0.98))


def test_means_and_scores_by_hand():
    found = compare({"base": BASE, "fast": FAST}, BASE)
    means = {key: mean.value for key, mean in found.means.items()}
    assert means == pytest.approx({
        ("fast", "a", "1"): 4.0, ("fast", "a", "all"): 1.0, ("fast", "b", "1"): 0.25,
        ("fast", "all", "1"): 4 ** (1 / 3), ("fast", "all", "all"): 1.0,
    })  # fmt: skip
    assert found.scores["base"].total["one"].value == pytest.approx(1000.0)
    assert found.scores["fast"].total["one"].value == pytest.approx(1000.0 * 4 ** (1 / 3))


def test_what_is_significant():
    found = compare({"base": BASE, "fast": FAST}, BASE)
    marks = [ratio.is_significant for _, ratio in found.list_ratios("fast")]
    assert marks == [True, False, True, True]
    assert found.count_agreeing("fast") == (1, pytest.approx(3.6), 4)


def test_two_runs_of_one_machine_agree():
    """About nine in ten intervals of 60 workloads contain 1, and so does that of the mean."""
    rng = np.random.default_rng(0)

    def run():
        values = 0.01 * np.exp(0.02 * rng.standard_normal((60, 3)))
        return make_result(*(
            make_measurement(f"w-{k}", values=tuple((float(v),) for v in row))
            for k, row in enumerate(values)
        ))  # fmt: skip

    found = compare({"first": run(), "second": run()}, BASE)
    agreeing, expected, n = found.count_agreeing("second")
    assert (expected, n) == (pytest.approx(54.0), 60)
    assert 47 <= agreeing <= 59  # 54 +- 3 standard errors of 2.3
    assert found.means["second", "all", "1"].is_significant is False


def test_a_single_process_is_neither_same_nor_different():
    measurement = make_measurement("a-x", 1, values=((1.0, 1.1),))
    single = make_result(measurement, settings={"threads": [1]})
    found = compare({"base": BASE, "single": single}, BASE)
    ((_, ratio),) = found.list_ratios("single")
    assert ratio.is_significant is None
    assert found.count_agreeing("single") == (0, 0.0, 0)


def test_all_cores_are_beside_all_cores():
    many = make_result(make_measurement("a-x", 1, 100.0), make_measurement("a-x", 16, 1500.0))
    found = compare({"two": BASE, "sixteen": many}, BASE)
    ratios = {(row.workload, row.cores): ratio.value for row, ratio in found.list_ratios("sixteen")}
    assert ratios == pytest.approx({("a-x", "1"): 1.0, ("a-x", "all"): 10.0})
    frame = found.to_frame()
    threads = frame[frame.cores == "all"].set_index("label")["threads"]
    assert threads.to_dict() == {"two": 2, "sixteen": 16}


def test_a_machine_of_one_core_against_one_of_two():
    one = replace(BASE, measurements=BASE.measurements[:2])
    found = compare({"two": BASE, "one": one}, BASE)
    ratios = {(row.workload, row.cores): ratio.value for row, ratio in found.list_ratios("one")}
    expected = {("a-x", "1"): 1.0, ("a-x", "all"): 100.0 / 150.0, ("a-y", "1"): 1.0}
    assert ratios == pytest.approx(expected)
    alone = compare({"one": one, "again": one}, BASE)
    assert {row.cores for row in alone.rows} == {"1"}


def test_numbers_of_threads_between_one_and_all():
    measurements = [make_measurement("a-x", n, 100.0 * n) for n in (1, 2, 4)]
    some = make_result(*measurements, settings={"threads": [1, 2, "all"]})
    found = compare({"base": some, "again": some}, BASE)
    assert [row.cores for row in found.rows] == ["1", "2", "all"]


def test_a_workload_that_one_lacks_or_has_in_other_sizes():
    other = make_result(
        make_measurement("a-x", 1, 100.0, sizes={"n_neurons": 5}),
        make_measurement("a-y", 1, 100.0),
        make_measurement("c-new", 1, 100.0),
        make_measurement("b-x", 1, 9.0, implementation="numpy"),
    )
    found = compare({"base": BASE, "other": other}, BASE)
    assert [row.workload for row, _ in found.list_ratios("other")] == ["a-y"]
    rows = {(row.workload, row.cores): set(row.entries) for row in found.rows}
    assert rows["c-new", "1"] == {"other"}
    assert rows["b-x", "1"] == {"base"}  # the peer's is left out
    assert found.means["other", "all", "1"].value == pytest.approx(1.0)


def test_what_cannot_be_compared():
    with pytest.raises(ValueError, match="two results or more to compare, got 1"):
        compare({"base": BASE}, BASE)
    other = make_result(make_measurement("c-new", 1, 100.0))
    with pytest.raises(ValueError, match="base and other have no workload in common"):
        compare({"base": BASE, "other": other}, BASE)


def test_frame_of_a_comparison():
    frame = compare({"base": BASE, "fast": FAST}, BASE).to_frame()
    assert len(frame) == 8
    row = frame[(frame.workload == "a-y") & (frame.label == "fast")].iloc[0]
    assert (row.unit, row.cores, row.verdict) == ("flips/s", "1", "exact")
    assert row.rate == pytest.approx(800.0)
    assert row.ratio == pytest.approx(8.0)
    assert (row.ratio_low, row.ratio_high) == pytest.approx((8 * 0.98 / 1.03, 8 * 1.03 / 0.98))
    assert row.significant
    assert frame[frame.label == "base"].ratio.isna().all()


def test_frame_of_a_result():
    measurement = make_measurement("a-x", joules=None)  # 3e6 bytes in 0.2 s: 1.5e7 a second
    frame = to_frame(make_result(measurement, make_measurement("a-x", 4, 3e6)))
    row = frame.iloc[0]
    assert (row.workload, row.threads, row.unit) == ("a-x", 1, "flips/s")
    assert (row.rate_low, row.rate_high) == rate_interval(measurement)
    assert (row.seconds, row.seconds_min) == pytest.approx((0.2, 0.2 * 0.98 * 0.99))
    assert (row.limit, row.fraction) == ("L2", pytest.approx(1.5e7 / 6e10))
    assert (row.checksum, row.verdict) == (measurement.checksum, "exact")
    assert np.isnan(row.joules)
    assert (row.processes, row["values"], row.loops) == (3, 15, 8)
    assert np.isnan(frame.iloc[1].fraction)  # no limits of 4 threads
    assert frame.iloc[1].limit == ""


@pytest.mark.parametrize(("form", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)])
def test_tables(tmp_path, form, read):
    export_result(BASE, tmp_path / "table", form)
    pd.testing.assert_frame_equal(read(tmp_path / "table"), to_frame(BASE))


def test_a_table_replaces_nothing_of_others(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileExistsError):
        export_result(BASE, tmp_path / "table.csv", "csv")
    export_result(BASE, tmp_path / "table.csv", "csv", overwrite=True)
    assert len(pd.read_csv(tmp_path / "table.csv")) == 4


def test_an_unknown_format(tmp_path):
    with pytest.raises(ValueError, match="no format 'xml'; choose from pytest-benchmark, csv, par"):
        export_result(BASE, tmp_path / "a.xml", "xml")


def test_without_the_package_of_a_format(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytest_benchmark.stats", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "binnet\[bench\]"'):
        export_result(BASE, tmp_path / "a.json", "pytest-benchmark")
    with pytest.raises(ImportError, match=r'pip install "binnet\[tables\]"'):
        export_result(BASE, tmp_path / "a.parquet", "parquet")
    assert list(tmp_path.iterdir()) == []


def test_pytest_benchmark_compares_what_was_exported(tmp_path):
    """Its own command reads two files, and finds the faster one."""
    for name, result in (("base", BASE), ("fast", FAST)):
        export_result(result, tmp_path / f"{name}.json", "pytest-benchmark")
    stored = json.loads((tmp_path / "base.json").read_text())["benchmarks"][0]
    assert (stored["name"], stored["group"]) == ("a-x, 1 thread", "a")
    assert stored["extra_info"]["unit"] == "flips"
    assert stored["stats"]["median"] == pytest.approx(np.median(BASE.measurements[0].values))
    assert (stored["stats"]["rounds"], stored["stats"]["iterations"]) == (15, 8)
    table = tmp_path / "table.csv"
    command = [sys.executable, "-m", "pytest_benchmark", "compare", "base.json", "fast.json",
               f"--csv={table}", "--sort=name"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "a-x, 2 threads" in done.stdout
    read = pd.read_csv(table)
    medians = read[read.name.str.contains("a-y, 1 thread", regex=False)]["median"].to_numpy()
    assert medians.max() / medians.min() == pytest.approx(8.0)


def test_picture_shows_each_ratio_once():
    found = compare({"base": BASE, "fast": FAST}, BASE)
    axes = plot_comparison(found)
    assert axes.get_xscale() == "log"
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == ["a-x", "a-y", "mean of a", "b-x", "mean of b"]
    drawn = sorted(
        float(x)
        for container in axes.containers
        for x in container.lines[0].get_xdata()  # type: ignore[attr-defined]
    )
    # One core: 2, 8, 1/4 and the means 4 and 1/4; all cores: 1 and its mean.
    assert drawn == pytest.approx([0.25, 0.25, 1.0, 1.0, 2.0, 4.0, 8.0])
    hollow = [c.lines[0].get_xdata() for c in axes.containers
              if c.lines[0].get_markerfacecolor() == "white"]  # fmt: skip
    assert np.concatenate(hollow) == pytest.approx([1.0, 1.0])
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["one core", "all cores", "hollow: the interval contains 1",
                     "bars: 95 % bootstrap interval over processes"]  # fmt: skip


def test_picture_of_several_results_names_them():
    found = compare({"base": BASE, "fast": FAST, "again": BASE}, BASE)
    names = [text.get_text() for text in plot_comparison(found).get_legend().get_texts()]
    assert names[:4] == ["fast, one core", "fast, all cores", "again, one core", "again, all cores"]


def test_picture_grows_with_the_workloads_and_draws_where_it_is_told():
    def draw(n):
        result = make_result(*(make_measurement(f"w-{k}") for k in range(n)))
        return draw_comparison(compare({"a": result, "b": result}, BASE))

    heights = [draw(n).get_size_inches()[1] for n in (5, 35)]
    assert heights[1] - heights[0] == pytest.approx(30 * 0.16, rel=0.1)
    axes = draw(3).axes[0]
    assert plot_comparison(compare({"base": BASE, "fast": FAST}, BASE), axes) is axes
