"""What is seen in a figure."""

from unittest.mock import patch

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

TOLERANCE = 1.0  # pixels


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """The texts that are drawn, and where; ticks outside of the axes are not."""
    found: list[Text] = []
    draw = Text.draw

    def note(self: Text, renderer: object) -> None:
        if self.get_visible() and self.get_text().strip():
            found.append(self)
        draw(self, renderer)

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    with patch.object(Text, "draw", note):
        canvas.draw()
    return [(text.get_text(), text.get_window_extent()) for text in found]


def words(figure: Figure) -> list[str]:
    """The texts that are drawn."""
    return [text for text, _ in drawn_texts(figure)]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that cover each other."""
    texts = [(text, box.padded(-TOLERANCE)) for text, box in drawn_texts(figure)]
    return [
        (text, other)
        for i, (text, box) in enumerate(texts)
        for other, its_box in texts[i + 1 :]
        if box.overlaps(its_box) and box.height > 0 and its_box.height > 0
    ]


def cut_off(figure: Figure) -> list[str]:
    """Texts that leave the figure."""
    frame = figure.bbox.padded(TOLERANCE)
    return [
        text
        for text, box in drawn_texts(figure)
        if box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1
    ]
