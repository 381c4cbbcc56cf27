"""What is generated: the start page from README.md, the commands from themselves, a study file's keys from its schema.

The tables of keys stand in study_file.md itself, for readers without the site: `make reference` writes them, a test
compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/goodfit/goodfit/blob/main/"
README, COMMANDS = "<!-- the readme -->", "<!-- the commands -->"
KEYS = re.compile(r"(<!-- keys of (\w+) -->\n\n).*?(?=\n<!-- end -->)", re.DOTALL)
BOUNDS = {
    "minimum": "{:,} or more", "exclusiveMinimum": "above {:,}",
    "maximum": "{:,} or less", "exclusiveMaximum": "below {:,}",
}  # fmt: skip
TYPES = {
    "boolean": "true or false", "integer": "whole number", "number": "number", "string": "text", "array": "list",
    "object": "mapping",
}  # fmt: skip


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs' hook: put in what a page has a marker for, and lead links out of docs/ to the repository."""
    if README in markdown:
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        markdown = markdown.replace(
            README, re.sub(r"\]\(docs/", "](", re.sub(r"\]\((?!docs/|http|#)", "](../", readme))
        )
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, "\n".join(commands()))
    return with_keys(markdown).replace("](../", f"]({REPOSITORY}")


def with_keys(markdown: str) -> str:
    """A page with its tables of keys as the schema has them that `goodfit schema` prints."""
    if not KEYS.search(markdown):
        return markdown
    from goodfit.service.spec import json_schema

    schema = json_schema()
    return KEYS.sub(lambda found: found[1] + "\n".join(_keys(found[2], schema)) + "\n", markdown)


def _keys(section: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """The table of a section; StudyFile is the top level."""
    part = schema["$defs"].get(section, schema)
    yield "| key | meaning | values | default |\n|---|---|---|---|"
    for key, one in part["properties"].items():
        about = one.get("description") or schema["$defs"][one["$ref"].rpartition("/")[2]]["description"]
        default = "needed" if key in part.get("required", ()) else _default(one.get("default"))
        values = f"[section](#{key})" if "$ref" in one or "discriminator" in one else _values(one)
        yield f"| `{key}` | {about} | {values} | {default} |"


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value in (None, []) else f"{value:,g}" if isinstance(value, float) else str(value)


def _values(one: Mapping[str, Any]) -> str:
    """What a key takes, in words."""
    either = [one["else"], one["then"]] if "if" in one else one.get("anyOf", one.get("oneOf", ()))
    forms = [form for form in either if form.get("type") != "null"]
    if forms:
        return " or ".join(dict.fromkeys(map(_values, forms)))
    if "$ref" in one:
        return f"[section](#{one['$ref'].rpartition('/')[2].lower()})"
    if "enum" in one or "const" in one:
        return ", ".join(f"`{word}`" for word in one.get("enum", [one.get("const")]))
    bounds = [text.format(one[bound]) for bound, text in BOUNDS.items() if bound in one]
    return ", ".join([TYPES[one["type"]], *bounds])


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


if __name__ == "__main__":
    page = Path(__file__).with_name("study_file.md")
    page.write_text(with_keys(page.read_text(encoding="utf-8")), encoding="utf-8")
