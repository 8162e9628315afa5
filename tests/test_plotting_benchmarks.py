"""Pictures of a run of the benchmark beside its limits: what is drawn, and what is refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from benchmark_cases import make_measurement, make_result
from binnet.benchmarks._result import BenchmarkResult, Limits, Measurement
from binnet.plotting import save_figure
from binnet.plotting.benchmarks import (
    _COLOURS,
    draw_fractions,
    draw_roofline,
    plot_fractions,
    plot_roofline,
)

CACHES = {"L1": 32 * 2**10, "L2": 2**20, "L3": 32 * 2**20}
BANDWIDTH = {"L1": 200e9, "L2": 100e9, "L3": 50e9, "memory": 20e9}
LIMITS = Limits(1, BANDWIDTH, {"fma32": 100e9, "dot8": 200e9}, {}, CACHES, {})


def make(name: str, level: str, operation: str, intensity: float, rate: float, **changes):
    """A workload of so many operations for each of its 1e9 bytes, `rate` of them a second."""
    seconds = intensity * 1e9 / rate if operation != "none" else 1e9 / rate
    fields = {
        "level": level, "operation": operation, "n_bytes": 1e9, "operations": intensity * 1e9,
        "values": ((seconds,),),
    }  # fmt: skip
    return make_measurement(name, **(fields | changes))


WORKLOADS = (
    make("fields-l2", "L2", "fma32", 8.0, 80e9),
    make("fields-memory", "memory", "fma32", 2.0, 30e9),
    make("sweep-int8-l3", "L3", "dot8", 2.0, 25e9),
    make("relax-sync-l3", "L3", "none", 0.0, 10e9),
    make("implicit-sign", "L1", "none", 0.0, 10e9, n_bytes=0.0),
    make("fields-l2", "L2", "fma32", 8.0, 80e9, implementation="numpy"),
)


def run_of(*measurements: Measurement, limits: tuple[Limits, ...] = (LIMITS,)) -> BenchmarkResult:
    return make_result(*measurements, limits_before=limits, limits_after=())


RESULT = run_of(*WORKLOADS)


def read_texts(axes: Axes) -> list[str]:
    return [t.get_text() for t in axes.texts]


def find_points(axes: Axes) -> list[tuple[float, float]]:
    """Return where the workloads are: lines of a single point."""
    lines = [line for line in axes.lines if len(line.get_xdata()) == 1]
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in lines]


def test_points_are_operations_a_second_over_operations_a_byte() -> None:
    axes = plot_roofline(RESULT, 1, "fma32")
    np.testing.assert_allclose(find_points(axes), [(8.0, 80e9), (2.0, 30e9)])
    names = "\n".join(read_texts(axes))
    assert "1 fields-l2: 0.80 of fma32" in names
    assert "2 fields-memory: 0.75 of memory" in names
    assert axes.get_title() == "float32 multiply-adds, one thread"


def test_slopes_are_bandwidths_and_end_at_the_peak() -> None:
    axes = plot_roofline(RESULT, 1, "dot8")
    lines = {line.get_label().split(":")[0]: line for line in axes.lines}
    for level, bandwidth in BANDWIDTH.items():
        x, y = lines[level].get_data()
        np.testing.assert_allclose(y / x, bandwidth)
        assert y[-1] == pytest.approx(200e9)
        assert to_hex(lines[level].get_color()) == _COLOURS[level].lower()
    x, y = lines["peak"].get_data()
    assert list(y) == [200e9, 200e9]
    assert x[0] == pytest.approx(1.0)  # where the steepest slope meets it
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    assert said == ["L1: 200 GB/s", "L2: 100 GB/s", "L3: 50.0 GB/s", "memory: 20.0 GB/s",
                    "peak: 200 Gop/s"]  # fmt: skip


def test_a_point_has_the_colour_of_the_level_where_its_data_lie() -> None:
    small = Limits(1, BANDWIDTH, {"fma32": 1e11}, {}, CACHES | {"L2": 2**18}, {})
    for limits, level in ((LIMITS, "L2"), (small, "L3")):
        axes = plot_roofline(run_of(WORKLOADS[0], limits=(limits,)), 1, "fma32")
        (point,) = [line for line in axes.lines if len(line.get_xdata()) == 1]
        assert to_hex(point.get_color()) == _COLOURS[level].lower()


def test_the_legend_covers_no_point() -> None:
    slow = make("fields-l1", "L1", "fma32", 500.0, 1e9)
    figure = draw_roofline(run_of(*WORKLOADS, slow), 1)
    figure.draw_without_rendering()
    for axes in figure.axes:
        covered = axes.get_legend().get_window_extent()
        for point in axes.transData.transform(find_points(axes)):
            assert not covered.contains(*point), axes.get_title()


def test_numbers_of_crowded_points_do_not_overlap() -> None:
    crowd = [make(f"fields-{k}", "L2", "fma32", 8.0, (60 + 0.5 * k) * 1e9) for k in range(12)]
    crowd += [make("fields-alone", "L1", "fma32", 1.0, 30e9)]
    axes = plot_roofline(run_of(*crowd), 1, "fma32")
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    numbers = [t for t in axes.texts if isinstance(t, Annotation) and t.get_text().isdecimal()]
    assert [t.get_text() for t in numbers] == [str(k + 1) for k in range(13)]
    for a, b in itertools.combinations(numbers, 2):
        boxes = [super(Annotation, t).get_window_extent() for t in (a, b)]  # without the arrows
        assert not boxes[0].overlaps(boxes[1]), (a, b)


def test_a_panel_for_each_kind_that_has_workloads_and_a_peak() -> None:
    titles = [ax.get_title() for ax in draw_roofline(RESULT, 1).axes]
    assert titles == ["float32 multiply-adds, one thread", "8-bit products, one thread"]
    counted = make("sweep-1bit-l2", "L2", "popcount", 256.0, 1e11)  # whose peak was not measured
    assert len(draw_roofline(run_of(*WORKLOADS, counted), 1).axes) == 2


def test_bars_are_fractions_in_the_colours_of_the_limits() -> None:
    axes = plot_fractions(RESULT, 1)
    bars = {round(bar.get_y() + bar.get_height() / 2): bar for bar in axes.patches}
    assert {k: round(bar.get_width(), 3) for k, bar in bars.items()} == {
        0: 0.8, 1: 0.75, 2: 0.25, 3: 0.2}  # fmt: skip
    colours = [to_hex(bars[k].get_facecolor()) for k in range(4)]
    assert colours == [_COLOURS[name].lower() for name in ("fma32", "memory", "L3", "L3")]
    assert read_texts(axes) == ["0.80 of fma32", "0.75 of memory", "0.25 of L3", "0.20 of L3",
                                "no limit known"]  # fmt: skip
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [one.workload for one in WORKLOADS[:-1]]  # the peer's is no bar


def test_fractions_of_all_numbers_of_threads_share_their_scale(tmp_path: Path) -> None:
    two = Limits(2, BANDWIDTH, {"fma32": 10e9}, {}, CACHES, {})
    above = make("fields-l2", "L2", "fma32", 8.0, 25e9, threads=2)
    tiny = make("fields-memory", "memory", "fma32", 2.0, 1e6, threads=2)
    figure = draw_fractions(run_of(*WORKLOADS, above, tiny, limits=(LIMITS, two)))
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == ("one thread", "2 threads")
    assert left.get_xlim() == right.get_xlim()
    assert right.get_xlim()[1] > 2.5
    assert read_texts(right) == ["2.50 of fma32", "< 0.01 of fma32"]
    assert [t.get_text() for t in right.get_yticklabels()] == ["fields-l2", "fields-memory"]
    save_figure(figure, tmp_path / "fractions.png")
    assert (tmp_path / "fractions.png").stat().st_size > 1000


@pytest.mark.parametrize("draw", [plot_fractions, draw_roofline])
def test_threads_without_limits_are_refused(draw) -> None:
    with pytest.raises(ValueError, match=r"limits on 3 thread\(s\) were not measured, only on 1"):
        draw(RESULT, 3)


def test_runs_without_what_is_to_be_drawn_are_refused() -> None:
    bounded = run_of(WORKLOADS[3])
    with pytest.raises(ValueError, match="no roofline; run a suite such as sweeps"):
        draw_roofline(bounded)
    with pytest.raises(ValueError, match=r"no workload of operation 'dot8'.*peaks of fma32, dot8"):
        plot_roofline(bounded, 1, "dot8")
    elsewhere = run_of(make("fields-l2", "L2", "fma32", 8.0, 1e9, threads=4))
    with pytest.raises(ValueError, match="no workload on as many threads as its limits"):
        draw_fractions(elsewhere)
    with pytest.raises(ValueError, match=r"no workload on 1 thread"):
        plot_fractions(elsewhere, 1)
