"""Tables of text as HTML, for objects that notebooks display: escaped text only, no style sheet."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape


def html_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """Formats a table with a row of headers. Text is escaped; `Markup` is not.

    Args:
        headers: Names of the columns.
        rows: Cells of each row, one per header.

    Example:

    >>> print(html_table(["name"], [["a < b"]]))
    <table><thead><tr><th>name</th></tr></thead><tbody><tr><td>a &lt; b</td></tr></tbody></table>
    """
    head = _joined("<th>{}</th>", headers)
    body = Markup("").join(Markup("<tr>{}</tr>").format(_joined("<td>{}</td>", row)) for row in rows)
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def html_heading(text: str) -> Markup:
    """Formats a line in bold."""
    return Markup("<p><b>{}</b></p>").format(text)


def html_list(items: Iterable[str]) -> Markup:
    """Formats a bulleted list."""
    return Markup("<ul>{}</ul>").format(_joined("<li>{}</li>", items))


def _joined(element: str, texts: Iterable[str]) -> Markup:
    return Markup("").join(Markup(element).format(escape(text)) for text in texts)
