"""The house style of the course's figures: colors everybody can tell apart, a light card, alternative text."""
from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "matplotlib":
        raise
    raise ModuleNotFoundError(
        "figures need matplotlib, an extra of this package: pip install '.[plot]' in the checkout, "
        "or pip install matplotlib",
        name="matplotlib",
    ) from None

# Okabe and Ito's palette (Color Universal Design, 2008): distinguishable with any color vision.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GRAY = "#CC79A7", "#56B4E9", "#222222", "#8A8A8A"
COLORS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK, GRAY)
LINE_STYLES = ("-", "--", "-.", ":")
LONG_WAY = 130  # points; the dots of longer ways would run into one another

STYLE = {
    "figure.facecolor": "white",
    "figure.figsize": (7.0, 3.6),
    "figure.constrained_layout.use": True,
    "axes.facecolor": "white",
    "axes.edgecolor": BLACK,
    "axes.labelsize": 10.5,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=COLORS),
    "axes.grid": False,
    "font.size": 10.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.facecolor": "white",
}


def use_style() -> None:
    """Set matplotlib's defaults to the course's style; the first cell of a notebook calls it."""
    plt.rcParams.update(STYLE)


def show(figure, alt: str, dots_per_inch: int = 144) -> None:
    """Display a figure once, sharp on any screen, with alternative text for who cannot see it; then close it.

    Args:
        figure: a matplotlib Figure.
        alt: one or two sentences that say what the picture shows.
        dots_per_inch: resolution of the picture; it is displayed at half its size in pixels.
    """
    from IPython.display import Image, display

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch)
    plt.close(figure)
    width = round(figure.get_figwidth() * dots_per_inch / 2)
    display(Image(buffer.getvalue(), format="png", width=width, alt=alt))


def show_animation(animation, alt: str, dots_per_inch: int = 96, frames_per_second: int = 10) -> None:
    """Display an animation as a GIF inside the notebook, with alternative text.

    Args:
        animation: a matplotlib Animation, such as `animate_paths` returns.
        alt: one or two sentences that say what it shows.
        dots_per_inch: resolution; one pixel of the GIF is one of the page.
        frames_per_second: its speed.
    """
    from IPython.display import Image, display

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "animation.gif"
        animation.save(path, writer="pillow", dpi=dots_per_inch, fps=frames_per_second)
        data = path.read_bytes()
    display(Image(data, format="gif", alt=alt))


def draw_surface(
    axes, surface, x_range: tuple[float, float], y_range: tuple[float, float], levels=12
) -> None:
    """Draw the contour lines of a surface, in gray, so that paths stand out on it.

    Args:
        axes: matplotlib Axes to draw on.
        surface: function of two arrays (x, y) of one shape that returns the heights, an array of that shape.
        x_range: smallest and largest x.
        y_range: smallest and largest y.
        levels: number of contour lines, or their heights.
    """
    x, y = np.meshgrid(np.linspace(*x_range, 200), np.linspace(*y_range, 200))
    heights = surface(x, y)
    if np.isscalar(levels):
        low, high = float(heights.min()), float(heights.max())
        levels = low + (high - low) * np.linspace(0.0, 1.0, levels + 1)[1:] ** 2
    axes.contour(x, y, heights, levels=levels, colors=GRAY, linewidths=0.7, alpha=0.8)
    axes.set(xlim=x_range, ylim=y_range)


def draw_path(axes, points, label: str, color: str, style: str = "-") -> None:
    """Draw the way of an optimizer: a ring at the start, and on a short way a dot at every step.

    Args:
        axes: matplotlib Axes to draw on.
        points: array (steps + 1, 2) of positions, the start first.
        label: name in the legend.
        color: one of this module's colors.
        style: one of `LINE_STYLES`, a second sign beside the color.
    """
    points = np.asarray(points)
    dots = {"marker": "o", "markersize": 2.6} if len(points) <= LONG_WAY else {}
    axes.plot(points[:, 0], points[:, 1], style, color=color, label=label, linewidth=1.4, **dots)
    axes.plot(*points[0], "o", color=color, markersize=8, markerfacecolor="white", zorder=3)
