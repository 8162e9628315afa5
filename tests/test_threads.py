"""The choice of a number of threads goes by the clock, and tries briefly."""

import pickle

import pytest

from binnet._threads import ThreadChoice, watch_threads
from binnet.learning import OnlineLearner
from library_cases import TINY, make_task

Calls = list[tuple[int, bool]]


def run(choice: ThreadChoice, rates: dict[int, float], n_calls: int) -> Calls:
    """Return (threads, whether a trial) of some calls; threads n works at rate rates[n]."""
    calls = []
    for _ in range(n_calls):
        threads = choice.next()
        calls.append((threads, choice.is_trial))
        choice.record(threads, rates[threads])
    return calls


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("binnet._threads.count_cores", lambda: 8)
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)


@pytest.mark.parametrize("fastest", [1, 4, 8])
@pytest.mark.parametrize("most", [None, 8])
def test_the_fastest_one_runs_but_for_trials(most: int | None, fastest: int) -> None:
    """A number that was asked for is the most, too."""
    calls = run(ThreadChoice(most), {1: 1.0, 4: 1.0, 8: 1.0} | {fastest: 2.0}, 67)
    assert calls[:3] == [(8, True), (4, True), (1, True)]
    later = calls[3:]
    assert {threads for threads, is_trial in later if not is_trial} == {fastest}
    tried = {k: threads for k, (threads, is_trial) in enumerate(later) if is_trial}
    assert set(tried.values()) == {1, 4, 8} - {fastest}  # in turn
    assert list(tried) == [2, 5, 10, 19, 36, 53]  # soon at first


@pytest.mark.parametrize(("most", "numbers"), [(2, {1, 2}), (3, {1, 2, 3}), (7, {1, 4, 7})])
def test_what_is_tried(most: int, numbers: set[int]) -> None:
    calls = run(ThreadChoice(most), dict.fromkeys(range(1, 9), 1.0), 100)
    assert {threads for threads, _ in calls} == numbers


def test_the_choice_follows_a_change() -> None:
    choice = ThreadChoice(None)
    assert (8, False) in run(choice, {1: 1.0, 4: 2.0, 8: 4.0}, 10)[-2:]
    assert (1, False) in run(choice, {1: 1.0, 4: 0.1, 8: 0.1}, 40)[-2:]


def test_more_threads_that_are_hardly_faster_are_left_to_others() -> None:
    calls = run(ThreadChoice(2), {1: 1.0, 2: 1.05}, 50)
    assert {threads for threads, is_trial in calls if not is_trial} == {1}


def test_a_call_that_had_luck_decides_nothing() -> None:
    choice = ThreadChoice(2)
    run(choice, {1: 2.0, 2: 1.0}, 6)
    choice.record(2, 2.4)
    assert (1, False) in [(choice.next(), choice.is_trial) for _ in range(2)]


@pytest.mark.parametrize(("most", "there"), [(None, 1), (2, 1), (None, 3)])
def test_a_learner_from_another_machine_has_the_threads_of_this_one(
    monkeypatch: pytest.MonkeyPatch, most: int | None, there: int
) -> None:
    """joblib gives each of its workers a number of threads in this way."""
    learner = OnlineLearner(TINY, most)
    learner.learn(*make_task(20))
    stored = pickle.dumps(learner)
    monkeypatch.setenv("NUMBA_NUM_THREADS", str(there))
    with watch_threads() as used:
        pickle.loads(stored).learn(*make_task(20))
    assert used == {there}


def test_where_there_is_no_choice_nothing_is_tried() -> None:
    assert set(run(ThreadChoice(1), {1: 1.0}, 40)) == {(1, False)}
