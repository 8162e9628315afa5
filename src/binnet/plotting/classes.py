"""Pictures of a report by classes: the confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._style import make_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from binnet.learning import ClassReport

_MOST_NUMBERS = 20  # classes, beyond which numbers in the fields are too small to read


def plot_confusion(report: ClassReport, ax: Axes) -> Axes:
    """Draw which classes are taken for which.

    Parameters
    ----------
    report : ClassReport
        From `binnet.learning.report_classes`.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The Axes: a row for each class, whose colours are fractions of its samples, on the scale of
        their square root, which shows rare mistakes too; with up to 20 classes the numbers.
    """
    from matplotlib.colors import PowerNorm

    n_classes = len(report.classes)
    fractions = report.confusion / np.maximum(report.support, 1)[:, None]
    # Monotone in lightness: it survives a black-and-white printer, and every kind of eye.
    image = ax.imshow(fractions, cmap="Blues", norm=PowerNorm(0.5, 0.0, 1.0))
    bar = ax.figure.colorbar(image, ax=ax, ticks=[0, 0.01, 0.05, 0.2, 0.5, 1], shrink=0.8)
    bar.ax.set_yticklabels(["0", "0.01", "0.05", "0.2", "0.5", "1"])
    bar.set_label("fraction of the class")
    if n_classes <= _MOST_NUMBERS:
        size = min(9.0, 100.0 / n_classes)
        for (i, j), count in np.ndenumerate(report.confusion):
            if count:
                tone = "white" if fractions[i, j] > 0.4 else "black"
                ax.text(j, i, str(count), ha="center", va="center", color=tone, fontsize=size)
    names = [str(name) for name in report.classes]
    many = n_classes > _MOST_NUMBERS
    ax.set_xticks(range(n_classes), names)
    ax.set_yticks(range(n_classes), names)
    ax.tick_params(labelsize=6 if many else None)
    ax.tick_params("x", rotation=90 if many or max(map(len, names)) > 3 else 0)
    ax.set_xlabel("predicted")
    ax.set_ylabel("label")
    return ax


def draw_confusion(report: ClassReport, title: str = "") -> Figure:
    """Draw the confusion matrix.

    Parameters
    ----------
    report : ClassReport
        From `binnet.learning.report_classes`.
    title : str, default ""
        Title.

    Returns
    -------
    Figure
        One panel.
    """
    figure, (ax,) = make_panels(title=title, size=(6.4, 5.4))
    plot_confusion(report, ax)
    return figure
