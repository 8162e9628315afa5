"""Scores beside a reference: geometric means by hand, and when there is none."""

from __future__ import annotations

import pytest

from benchmark_cases import make_measurement, make_result
from binnet.benchmarks import _scores
from binnet.benchmarks._result import Stability
from binnet.benchmarks._scores import count_all_cores, format_scores, score
from binnet.benchmarks.workloads import choose_workloads

WORKLOADS = {"a-x": 1e6, "a-y": 2e7, "b-x": 3e3, "b-y": 4e9, "b-z": 5.0}


def make(one=1.0, every=1.0, *, without=(), threads=2, **changes):
    """Return a result whose rates are so many times the reference's, by workload or for all."""
    measurements = []
    for name, rate in WORKLOADS.items():
        for n, factor in ((1, one), (threads, every)):
            factor = factor[name] if isinstance(factor, dict) else factor
            if name not in without and factor:
                scale = 1.0 if n == 1 else 1.6
                measurements.append(make_measurement(name, n, rate * scale * factor))
    return make_result(*measurements, **changes)


REFERENCE = make()


def test_the_reference_has_1000():
    found = score(REFERENCE, REFERENCE)
    for part in (found.total, *found.suites.values()):
        for cores in ("one", "all"):
            assert part[cores].value == pytest.approx(1000.0)
            low, high = part[cores].interval
            assert low < 1000.0 < high
    assert found.efficiency.value == pytest.approx(0.8)  # 1.6 times the rate on 2 threads
    assert found.threads == 2


def test_geometric_means_by_hand():
    one = dict(zip(WORKLOADS, (2.0, 8.0, 1.0, 3.0, 9.0), strict=True))
    found = score(make(one, 0.5), REFERENCE)
    assert found.suites["a"]["one"].value == pytest.approx(4000.0)
    assert found.suites["b"]["one"].value == pytest.approx(3000.0)
    # (2 * 8 * 1 * 3 * 9)^(1/5) = 432^0.2: of workloads, not of suites
    assert found.total["one"].value == pytest.approx(1000.0 * 432**0.2)
    assert found.total["one"].n_workloads == 5
    assert found.total["all"].value == pytest.approx(500.0)
    assert found.efficiency.value == pytest.approx(0.8 * 0.5 / 432**0.2)


def test_interval_of_a_score_holds_the_spread_of_both():
    calm = {"values": ((0.2,), (0.2,), (0.2,))}
    reference = make_result(make_measurement("a-x", **calm))
    found = score(make_result(make_measurement("a-x")), reference).suites["a"]["one"]
    # Processes at 0.98, 1 and 1.03 times 0.2 seconds.
    assert found.interval == pytest.approx((1000 / 1.03, 1000 / 0.98))
    assert score(reference, reference).total["one"].interval == pytest.approx((1000.0, 1000.0))


def test_machines_of_different_numbers_of_cores():
    """All cores of one are compared with all cores of the other."""
    found = score(make(2.0, 8.0, threads=16), REFERENCE)
    assert found.total["all"].value == pytest.approx(8000.0)
    assert found.efficiency.value == pytest.approx(1.6 * 8.0 / 2.0 / 16)
    assert found.threads == 16


def test_a_machine_of_one_core():
    found = score(make(2.0, 0.0), REFERENCE)
    assert found.threads == 1
    assert found.total["one"].value == pytest.approx(2000.0)
    assert found.total["all"].value == pytest.approx(2000.0 / 1.6)
    assert found.efficiency.value == pytest.approx(1.0)
    assert format_scores(found)[1].startswith("score, all cores (1 thread)     1250 [")


@pytest.mark.parametrize(
    ("asked", "expected"), [([1, "all"], 4), (["all"], 4), ([1, 4], None), (None, 4)]
)
def test_which_threads_are_all_cores(asked, expected):
    settings = {} if asked is None else {"threads": asked}
    assert count_all_cores(make(threads=4, settings=settings)) == expected


def test_a_run_that_was_stopped_before_it_ran_on_all_cores():
    provenance = {"threads": 2}
    stopped = make(every=0.0, provenance=provenance, is_complete=False)
    assert count_all_cores(stopped) == 2
    found = score(stopped, REFERENCE)
    assert found.total["one"].value == pytest.approx(1000.0)
    assert found.total["all"].reason == "not measured"


def test_without_all_cores_there_is_no_score_of_them():
    found = score(make(settings={"threads": [1, 2]}), REFERENCE)
    assert found.total["one"].value == pytest.approx(1000.0)
    assert (found.total["all"].value, found.total["all"].reason) == (None, "not measured")
    assert found.efficiency.value is None
    assert "both measured" in found.efficiency.reason
    alone = make(settings={"threads": [1]}, every=0.0)
    assert score(alone, REFERENCE).total["all"].value is None


def test_an_incomplete_suite_has_no_score_and_the_machine_none():
    found = score(make(2.0, without=("b-y",)), REFERENCE)
    assert found.suites["a"]["one"].value == pytest.approx(2000.0)
    for part in (found.suites["b"]["one"], found.total["one"], found.total["all"]):
        assert part.value is None
        assert part.missing == ("b-y",)
        assert part.reason == "incomplete: without b-y"
    assert found.efficiency.value is not None


def test_one_suite_alone_has_its_score():
    found = score(make(2.0, without=("b-x", "b-y", "b-z")), REFERENCE)
    assert set(found.suites) == {"a"}
    assert found.suites["a"]["one"].value == pytest.approx(2000.0)
    assert found.total["one"].missing == ("b-x", "b-y", "b-z")


def test_wrong_answers_void_everything():
    wrong = make_measurement("a-x", 2, 9e9, verdict="wrong")
    result = make(2.0)
    others = [m for m in result.measurements if (m.workload, m.threads) != ("a-x", 2)]
    found = score(make_result(*others, wrong), REFERENCE)
    assert found.void == ("a-x",)
    scores = [found.efficiency, *found.total.values(), *found.suites["b"].values()]
    assert {part.value for part in scores} == {None}
    assert {part.reason for part in scores} == {"void: wrong answers of a-x"}
    assert format_scores(found, unstable_ok=True) == ["no score: void, as answers were wrong: a-x"]


def test_unknown_answers_do_not_void():
    measurements = [m for m in make(2.0).measurements if m.workload != "a-x"]
    unknown = [make_measurement("a-x", n, 2e6, verdict="unknown") for n in (1, 2)]
    found = score(make_result(*measurements, *unknown), REFERENCE)
    assert found.total["one"].value == pytest.approx(2000.0)


def test_work_of_other_sizes_is_not_compared():
    measurements = [m for m in make(2.0).measurements if m.workload != "a-x"]
    other = [make_measurement("a-x", n, 9e9, sizes={"n_neurons": 5}) for n in (1, 2)]
    new = make_measurement("c-new", 1, 9e9)
    found = score(make_result(*measurements, *other, new), REFERENCE)
    assert found.other == ("a-x", "c-new")
    assert found.total["one"].missing == ("a-x",)
    assert found.total["one"].reason == "incomplete: a-x in other sizes than the reference's"
    assert found.suites["b"]["one"].value == pytest.approx(2000.0)
    assert "not in the reference, or in other sizes: a-x, c-new" in format_scores(found)


def test_workloads_that_lack_and_those_of_other_sizes_are_told_apart():
    other = make_measurement("a-x", 1, 9e9, sizes={"n_neurons": 5})
    measurements = [m for m in make(2.0).measurements if m.workload not in {"a-x", "b-y"}]
    found = score(make_result(*measurements, other), REFERENCE).total["one"]
    assert found.missing == ("a-x", "b-y")
    assert found.reason == "incomplete: without b-y; a-x in other sizes than the reference's"


@pytest.mark.parametrize("verdict", ["exact", "wrong"])
def test_a_package_without_reference(monkeypatch, verdict):
    def refuse():
        raise FileNotFoundError("no reference")

    monkeypatch.setattr(_scores, "load_reference", refuse)
    unstable = Stability(False, ("the load was 3.1",))
    result = make_result(
        *(make_measurement("a-x", n, n * 1e6, verdict=verdict) for n in (1, 2)), stability=unstable
    )
    found = score(result)
    assert {part.reason for part in found.total.values()} == {"no reference"}
    assert found.void == (() if verdict == "exact" else ("a-x",))
    assert found.efficiency.value == (pytest.approx(1.0) if verdict == "exact" else None)
    assert (found.threads, found.unstable) == (2, ("the load was 3.1",))


def test_peers_have_no_part_in_a_score():
    peers = [make_measurement("a-x", n, 1.0, implementation="numpy") for n in (1, 2)]
    found = score(make_result(*make(2.0).measurements, *peers), REFERENCE)
    assert found.total["one"].value == pytest.approx(2000.0)


def test_a_quick_run_is_held_to_the_quick_workloads():
    every = [workload.name for workload in choose_workloads()]
    quick = [workload.name for workload in choose_workloads(is_quick=True)]
    assert 0 < len(quick) < len(every)
    reference = make_result(*(make_measurement(name, rate=1e5) for name in every))
    fast = [make_measurement(name, rate=3e5) for name in quick]
    settings = {"threads": [1], "suite": "all"}
    found = score(make_result(*fast, settings={**settings, "mode": "quick"}), reference)
    assert found.is_quick
    assert found.total["one"].value == pytest.approx(3000.0)
    assert found.total["one"].n_workloads == len(quick)
    assert format_scores(found)[0].startswith("quick score, one core")
    found = score(make_result(*fast, settings={**settings, "mode": "default"}), reference)
    assert found.total["one"].value is None
    assert len(found.total["one"].missing) == len(every) - len(quick)


def test_a_run_that_was_stopped_before_its_third_process_has_no_score():
    stopped = make_result(*(make_measurement("a-x", n, values=((0.1,), (0.1,))) for n in (1, 2)))
    found = score(stopped, make_result(*(make_measurement("a-x", n) for n in (1, 2))))
    for part in (found.total["one"], found.suites["a"]["all"]):
        assert (part.value, part.missing) == (None, ("a-x",))
        assert part.reason == "stopped before 3 processes had measured a-x"


def test_scores_as_text():
    lines = format_scores(score(make(2.0, without=("b-y",)), REFERENCE))
    assert lines[0] == "score, one core                 none (incomplete: without b-y)"
    assert lines[3].startswith("  a: one core 2000 [19")
    lines = format_scores(score(make(2.0), REFERENCE))
    assert lines[0].startswith("score, one core                 2000 [19")
    assert lines[1].startswith("score, all cores (2 threads)    1000 [9")
    assert lines[2].startswith("parallel efficiency             0.400 [0.3")


def test_many_missing_workloads_are_counted():
    reference = make_result(*(make_measurement(f"a-{k}") for k in range(9)))
    found = score(make_result(make_measurement("a-0")), reference)
    assert found.total["one"].reason == "incomplete: without a-1, a-2, a-3, a-4 and 4 more"


def test_an_unstable_machine_shows_no_score_unless_told():
    unstable = make(2.0, stability=Stability(False, ("the load was 3.1", "steal time of 4 %")))
    found = score(unstable, REFERENCE)
    shown = format_scores(found)
    assert shown == ["no score: the machine was not stable (--unstable-ok shows it all the same)"]
    assert found.unstable == ("the load was 3.1", "steal time of 4 %")
    shown = format_scores(found, unstable_ok=True)
    assert shown[0] == "scores of a machine that was not stable:"
    assert shown[1].startswith("score, one core                 2000 [")
