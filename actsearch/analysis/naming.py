"""Names beside points, where they hide nothing."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from actsearch.analysis.canvas import SMALL, figure_of
from actsearch.analysis.styles import INK

_AWAY = 6  # points
_MARK = 4  # points
_PLACES = (
    (1, 1, "left", "bottom"), (1, -1, "left", "top"), (-1, 1, "right", "bottom"), (-1, -1, "right", "top"),
    (0, 1, "center", "bottom"), (0, -1, "center", "top"), (1, 0, "left", "center"), (-1, 0, "right", "center"),
)  # fmt: skip


def name_points(axes: Axes, named: Sequence[tuple[float, float, str]], points: Sequence[tuple[float, float]]) -> None:
    """Writes each name beside its point, at the first place where it hides neither a mark nor another name.

    A name that finds no place is left to the legend. Call it when the figure has all else that takes room.

    Args:
        axes: With its points drawn.
        named: x, y and name of the points that are to have names, the most important first.
        points: x and y of all points.
    """
    figure = figure_of(axes)
    figure.draw_without_rendering()
    reach = _MARK * figure.dpi / 72
    taken = [Bbox.from_extents(x, y, x, y).padded(reach) for x, y in map(axes.transData.transform, points)]
    for x, y, name in named:
        for right, up, ha, va in _PLACES:
            text = axes.annotate(
                name, (x, y), xytext=(right * _AWAY, up * _AWAY), textcoords="offset points",
                ha=ha, va=va, fontsize=SMALL, color=INK,
            )  # fmt: skip
            text.set_in_layout(False)
            box = text.get_window_extent()
            if _inside(box, axes.bbox) and not box.count_overlaps(taken):
                taken.append(box)
                break
            text.remove()


def _inside(box: Bbox, frame: Bbox) -> bool:
    return frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
