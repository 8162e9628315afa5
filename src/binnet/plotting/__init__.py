"""Pictures of what was measured or computed: functions that draw data on an Axes and return it."""

from binnet.plotting.training import (
    COLOURS,
    draw_learning_curves,
    draw_stabilities,
    plot_accuracy,
    plot_activity,
    plot_stabilities,
    save_figure,
)

__all__ = [
    "COLOURS",
    "draw_learning_curves",
    "draw_stabilities",
    "plot_accuracy",
    "plot_activity",
    "plot_stabilities",
    "save_figure",
]
