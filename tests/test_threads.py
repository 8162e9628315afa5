"""The choice between one thread and all of them goes by the clock, and tries briefly."""

from binnet._threads import ThreadChoice


def run(choice, rates, n_calls):
    """Return (threads, whether a trial) of some calls; threads n works at rate rates[n]."""
    calls = []
    for _ in range(n_calls):
        threads = choice.next()
        calls.append((threads, choice.is_trial))
        choice.record(threads, rates[threads])
    return calls


def test_the_faster_one_runs_but_for_trials(monkeypatch):
    monkeypatch.setattr("binnet._threads.resolve_threads", lambda threads: threads or 4)
    for slow, fast in ((1, 4), (4, 1)):
        calls = run(ThreadChoice(None), {slow: 1.0, fast: 2.0}, 48)
        # The first call compiles, and says nothing of the rate.
        assert calls[:3] == [(4, True), (4, True), (1, True)]
        later = calls[3:]
        assert {threads for threads, is_trial in later if not is_trial} == {fast}
        assert {threads for threads, is_trial in later if is_trial} == {slow}
        assert sum(is_trial for _, is_trial in later) == 3


def test_the_choice_follows_a_change(monkeypatch):
    monkeypatch.setattr("binnet._threads.resolve_threads", lambda threads: threads or 4)
    choice = ThreadChoice(None)
    assert run(choice, {1: 1.0, 4: 2.0}, 10)[-1] == (4, False)
    assert run(choice, {1: 1.0, 4: 0.1}, 40)[-1] == (1, False)


def test_where_there_is_no_choice_nothing_is_tried(monkeypatch):
    monkeypatch.setattr("binnet._threads.resolve_threads", lambda threads: threads or 1)
    assert set(run(ThreadChoice(3), {3: 1.0}, 40)) == {(3, False)}
    assert set(run(ThreadChoice(None), {1: 1.0}, 40)) == {(1, False)}
