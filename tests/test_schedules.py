"""Feedback schedules: a(t) in every sweep, and the limits of the lengths."""

import numpy as np
import pytest

from binnet import FeedbackSchedule


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (FeedbackSchedule(), [0, 1, 1, 1, 1, 0, 0, 0, 0, 0]),
        (FeedbackSchedule(0, 2, 2, "step"), [1, 1, 0, 0]),
        (FeedbackSchedule(1, 3, 4, "linear"), [0, 1, 1, 0.75, 0.5, 0.25, 0]),
        (
            FeedbackSchedule(1, 2, 3, "exponential", 2.0),
            [0, 1, np.exp(-0.5), np.exp(-1.0), 0],
        ),
        (FeedbackSchedule(2, 3, 2, "none"), [0, 0, 1, 1, 1]),
        (FeedbackSchedule(0, 0, 3), [0, 0, 0]),
        (FeedbackSchedule(1, 2, 0, "linear"), [0, 1]),
        (FeedbackSchedule(1, 2, 0, "exponential"), [0, 1]),
    ],
)
def test_amplitudes(schedule: FeedbackSchedule, expected: list[float]) -> None:
    np.testing.assert_allclose(schedule.amplitudes, expected, rtol=1e-15)
    assert schedule.n_sweeps == len(expected)


@pytest.mark.parametrize("annealing", ["step", "linear", "exponential"])
def test_annealing_ends_without_feedback(annealing: str) -> None:
    assert FeedbackSchedule(1, 4, 3, annealing).amplitudes[-1] == 0.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"warmup": 6}, ValueError, r"warmup must be <= feedback = 5 .* got 6; shorten"),
        ({"warmup": -1}, ValueError, r"warmup must be an integer >= 0, got -1"),
        ({"warmup": 0, "feedback": 0, "free": 0}, ValueError, r"feedback \+ free must be >= 1"),
        ({"feedback": 5.0}, TypeError, r"feedback must be an integer >= 0, got 5.0"),
        ({"free": True}, TypeError, r"free must be an integer >= 0, got True"),
        ({"annealing": "cosine"}, ValueError, r"one of step, linear, .* got 'cosine'"),
        ({"time_constant": 0.0}, ValueError, r"time_constant must be a finite number > 0, got 0"),
        ({"time_constant": np.inf}, ValueError, r"time_constant .* got inf"),
        ({"time_constant": "1"}, TypeError, r"time_constant .* got '1'"),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        FeedbackSchedule(**arguments)  # type: ignore[arg-type]
