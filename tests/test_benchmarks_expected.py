"""Expected answers: exact, within tolerance, wrong or unknown; classes of CPUs; the file."""

from __future__ import annotations

import platform
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from binnet.benchmarks import _expected
from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._expected import check_answer, classify, cpu_class, load_answers
from binnet.benchmarks._workload import Answer, Task, Workload
from binnet.benchmarks.workloads import all_workloads

RIGHT, OTHER, WRONG = "0123456789abcdef", "1123456789abcdef", "f" * 16
PROBES = {"flips": 1000.0, "weights": -2.0}


def make_workload(name: str, is_exact: bool) -> Workload:
    def prepare(threads: int) -> Task:
        raise NotImplementedError

    return Workload(
        name, "suite", "summary", "flips", "L1", "none", is_exact, {"n_neurons": 8}, prepare
    )


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    entry = {"sizes": {"n_neurons": 8}, "probes": PROBES, "tolerance": 0.01}
    answers = {
        "integers": {**entry, "checksums": {"any": RIGHT}, "probes": {}, "tolerance": 0.0},
        "floats": {**entry, "checksums": {"x86-avx2-fma": RIGHT, "x86-generic": OTHER}},
    }
    monkeypatch.setattr(_expected, "load_answers", lambda: answers)
    return answers


@pytest.mark.parametrize("group", ["x86-avx2-fma", "x86-generic", "arm-neon", "peer"])
def test_integers_are_the_same_everywhere(stored: Any, group: str) -> None:
    workload = make_workload("integers", True)
    assert check_answer(workload, Answer(RIGHT), group) == "exact"
    assert check_answer(workload, Answer(WRONG), group) == "wrong"
    assert check_answer(workload, Answer(WRONG, PROBES, 1.0), group) == "wrong"


@pytest.mark.parametrize(
    ("checksum", "group", "verdict"),
    [
        (RIGHT, "x86-avx2-fma", "exact"),
        (OTHER, "x86-generic", "exact"),
        (OTHER, "x86-avx2-fma", "wrong"),  # though its probes are right
        (WRONG, "x86-avx2-fma", "wrong"),
        (WRONG, "x86-generic", "wrong"),
        (RIGHT, "arm-neon", "exact"),
        (WRONG, "arm-neon", "within tolerance"),
    ],
)
def test_floats_are_the_same_within_a_class(
    stored: Any, checksum: str, group: str, verdict: str
) -> None:
    workload = make_workload("floats", False)
    assert check_answer(workload, Answer(checksum, PROBES, 0.01), group) == verdict


@pytest.mark.parametrize(
    ("probes", "verdict"),
    [
        ({"flips": 1009.0, "weights": -2.0}, "within tolerance"),
        ({"flips": 1011.0, "weights": -2.0}, "wrong"),
        ({"flips": 1000.0, "weights": 2.0}, "wrong"),
        ({"flips": 1000.0, "weights": np.nan}, "wrong"),
        ({"flips": 1000.0}, "wrong"),
        ({**PROBES, "more": 0.0}, "wrong"),
        ({}, "wrong"),
    ],
)
def test_floats_of_other_classes_go_by_probes(stored: Any, probes: Any, verdict: str) -> None:
    """By the stored tolerance, whatever the answer says of its own."""
    workload = make_workload("floats", False)
    assert check_answer(workload, Answer(WRONG, probes, 1.0), "arm-neon") == verdict


def test_without_probes_another_class_is_wrong(stored: Any) -> None:
    stored["floats"]["probes"] = {}
    workload = make_workload("floats", False)
    assert check_answer(workload, Answer(WRONG), "arm-neon") == "wrong"


def test_unknown_names_and_sizes(stored: Any) -> None:
    assert check_answer(make_workload("others", True), Answer(RIGHT), "any") == "unknown"
    larger = replace(make_workload("integers", True), sizes={"n_neurons": 9})
    assert check_answer(larger, Answer(RIGHT), "any") == "unknown"


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="LLVM knows the host's family alone"
)
@pytest.mark.parametrize(
    ("name", "features", "group"),
    [
        ("generic", "", "x86-generic"),
        ("nehalem", "", "x86-generic"),
        ("sandybridge", "", "x86-avx"),
        ("haswell", "", "x86-avx2-fma"),
        ("haswell", "-fma", "x86-avx"),
        ("znver3", "", "x86-avx2-fma"),
        ("skylake-avx512", "", "x86-avx512-ymm"),
        ("znver4", "", "x86-avx512"),
        ("znver4", "-avx512f", "x86-avx2-fma"),  # as behind a hypervisor that hides it
    ],
)
def test_classes(name: str, features: str, group: str) -> None:
    from llvmlite import binding

    cpu_class()  # LLVM is set up
    assert classify("x86_64-unknown-linux-gnu", name, features, binding) == group


@pytest.mark.parametrize(
    ("triple", "group"),
    [
        ("aarch64-unknown-linux-gnu", "arm-neon"),
        ("arm64-apple-darwin", "arm-neon"),
        ("ppc64le-unknown-linux-gnu", "ppc64le"),
    ],
)
def test_classes_of_other_families(triple: str, group: str) -> None:
    assert classify(triple, "generic", "", None) == group


def test_every_workload_has_an_entry() -> None:
    """And nothing else has: `bench/expected_answers.py` writes them."""
    answers, workloads = load_answers(), all_workloads()
    assert list(answers) == list(workloads)
    for name, workload in workloads.items():
        entry = answers[name]
        assert entry["sizes"] == dict(workload.sizes), name
        assert all(len(checksum) == 16 for checksum in entry["checksums"].values())
        if workload.is_exact:
            assert entry["checksums"].keys() == {"any"}, name
        else:
            assert entry["checksums"].keys() >= {"x86-avx2-fma", "x86-generic"}, name
            assert entry["probes"], name
            assert 0 < entry["tolerance"] <= 0.1, name


# Those whose kernels are compiled in a second or two.
CHEAP = ("relax-sync-l2", "enumerate-gray", "sweep-1bit-l2", "rtrl-64")


@pytest.mark.parametrize("name", CHEAP)
def test_answers_of_this_machine(name: str) -> None:
    workload = all_workloads()[name]
    assert workload.is_quick
    task = workload.prepare(1)
    task.call()
    answer = task.answer()
    allowed = {"exact"} if workload.is_exact else {"exact", "within tolerance"}
    assert check_answer(workload, answer, cpu_class()) in allowed
    injected = replace(answer, checksum=WRONG, probes={k: 2 * v for k, v in answer.probes.items()})
    assert check_answer(workload, injected, cpu_class()) == "wrong"


def test_checksum_of_another_answer_is_another() -> None:
    states = np.array([[1, -1], [-1, 1]], np.int8)
    changed = states.copy()
    changed[0, 0] = -1
    assert make_answer(states) == make_answer(states.astype(np.int64))
    assert make_answer(states) != make_answer(changed)
    assert make_answer(states.ravel()) != make_answer(states)
