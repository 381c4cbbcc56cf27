"""What is generated when the site is built: the start page from README.md, the commands from themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/goodfit/goodfit/blob/main/"
README, COMMANDS = "<!-- the readme -->", "<!-- the commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs' hook: put in what a page has a marker for, and lead links out of docs/ to the repository."""
    if README in markdown:
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        markdown = markdown.replace(
            README, re.sub(r"\]\(docs/", "](", re.sub(r"\]\((?!docs/|http|#)", "](../", readme))
        )
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, "\n".join(commands()))
    return markdown.replace("](../", f"]({REPOSITORY}")


def commands() -> Iterator[str]:
    """Every command with its arguments and options, in Markdown."""
    from goodfit.service.cli.base import cli, load_commands

    load_commands()
    group: Any = typer.main.get_command(cli)
    yield from _options(group)
    yield from _members(group, "goodfit")


def _members(group: Any, name: str) -> Iterator[str]:
    for key, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _members(command, f"{name} {key}")
            continue
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        words = " ".join([f"{name} {key}", *(one.metavar or one.name.upper() for one in arguments)])
        yield f"\n## {name} {key}\n\n```console\n$ {words}\n```\n\n{command.help or ''}\n"
        yield from _options(command)


def _options(command: Any) -> Iterator[str]:
    rows = [one for one in command.params if one.param_type_name == "option" and not one.hidden and one.name != "help"]
    if not rows:
        return
    yield "\n| option | what it does |\n|---|---|"
    for one in rows:
        names = ", ".join(f"`{name}`" for name in [*one.opts, *one.secondary_opts])
        value = "" if one.is_flag else f" `{one.metavar or one.name.upper()}`"
        yield f"| {names}{value} | {(one.help or '').replace('|', chr(92) + '|')} |"
