"""Pictures of what was measured or computed, in one style.

`plot_...` takes data and an Axes and returns the Axes; `draw_...` returns a Figure.
"""

from binnet.plotting._style import (
    COLOURS,
    default_settings,
    finish,
    make_panels,
    plot_band,
    plot_bars,
    save_figure,
)
from binnet.plotting.curves import draw_curves, plot_curves
from binnet.plotting.training import (
    draw_learning_curves,
    draw_stabilities,
    plot_accuracy,
    plot_activity,
    plot_stabilities,
)

__all__ = [
    "COLOURS",
    "default_settings",
    "draw_curves",
    "draw_learning_curves",
    "draw_stabilities",
    "finish",
    "make_panels",
    "plot_accuracy",
    "plot_activity",
    "plot_band",
    "plot_bars",
    "plot_curves",
    "plot_stabilities",
    "save_figure",
]
