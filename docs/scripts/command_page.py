"""The reference of the command line, from the program itself."""

from collections.abc import Iterator
from typing import Any

import click
import typer

from actsearch.cli.app import app

_COMMON = "Options"


def command_page() -> str:
    """Returns the page with every command, its arguments and its options."""
    group: Any = typer.main.get_command(app)
    context = click.Context(group, info_name="actsearch")
    parts = [
        "# Commands",
        "`actsearch COMMAND --help` shows the same in a terminal; `actsearch --install-completion` completes commands, "
        "spaces and activations in your shell.",
        "Exit status: 0; 1 if no execution completed; 2 for wrong use; 3 with --fail-unless-better if nothing is "
        "better; 4 if MLflow is missing data of the search; 130 if interrupted.",
    ]
    for name, command in group.commands.items():
        parts += _command(name, command, click.Context(command, parent=context, info_name=name))
    return "\n\n".join(parts) + "\n"


def _command(name: str, command: Any, context: click.Context) -> Iterator[str]:
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    usage = " ".join(f"[{_metavar(a)}]" if not a.required else _metavar(a) for a in arguments)
    yield f"## actsearch {name}"
    yield (command.help or "").strip()
    yield f"```text\n{context.command_path} {usage} [OPTIONS]\n```"
    if arguments:
        rows = [f"| `{_metavar(each)}` | {_cell(each.help)} |" for each in arguments]
        yield "\n".join(["| argument | is |", "|---|---|", *rows])
    panels: dict[str, list[Any]] = {}
    for option in shown:
        if option.param_type_name == "option" and option.name != "help":
            panels.setdefault(getattr(option, "rich_help_panel", None) or _COMMON, []).append(option)
    for panel, options in panels.items():
        rows = [f"| `{', '.join(o.opts)}` | {_cell(o.help)} | {_default(o)} |" for o in options]
        yield "\n".join([f"| {panel} | | default |", "|---|---|---|", *rows])


def _metavar(argument: Any) -> str:
    return str(argument.name).upper()


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")


def _default(option: Any) -> str:
    """Returns what is shown as the default; nothing for flags and for options that are simply not given."""
    if isinstance(option.show_default, str):
        return option.show_default
    if option.is_flag or option.default is None or option.show_default is False:
        return ""
    return f"`{option.default}`"
