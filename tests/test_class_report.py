"""The report by classes against scikit-learn's, and its picture."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from binnet.learning import report_classes
from binnet.plotting.classes import draw_confusion


def test_it_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, 300)  # class 5 has no sample, class 6 is never predicted, 7 is neither
    guesses = np.where(rng.random(300) < 0.6, y, rng.integers(0, 6, 300))
    y[:3] = 6
    report = report_classes(y, guesses, 8)
    assert np.array_equal(report.confusion, confusion_matrix(y, guesses, labels=range(8)))
    expected = precision_recall_fscore_support(y, guesses, labels=range(8), zero_division=0)
    for found, column in zip(
        (report.precision, report.recall, report.f1, report.support), expected, strict=True
    ):
        assert np.allclose(found, column, rtol=1e-15)
    assert report.accuracy == (y == guesses).mean()
    record = report.to_dict()
    assert record["classes"][6]["support"] == 3
    assert record["confusion"][6] == report.confusion[6].tolist()


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"y must be in 0..1 \(n_outputs = 2\), got 2"):
        report_classes([0, 2], [0, 1], ["a", "b"])
    with pytest.raises(ValueError, match="predictions must have shape"):
        report_classes([0, 1], [0], 2)
    with pytest.raises(ValueError, match="the number of samples must be an integer >= 1, got 0"):
        report_classes([], [], 2)


@pytest.mark.parametrize("n_classes", [3, 47])
def test_its_picture(n_classes: int) -> None:
    """The numbers stand in the fields, as long as they can be read."""
    y = np.repeat(np.arange(n_classes), 2)
    report = report_classes(y, np.roll(y, 1), [f"class {k}" for k in range(n_classes)])
    figure = draw_confusion(report, "title")
    ax = figure.axes[0]
    assert len(ax.texts) == (np.count_nonzero(report.confusion) if n_classes == 3 else 0)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(report.classes)
    figure.canvas.draw()
