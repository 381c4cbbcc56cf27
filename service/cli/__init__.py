"""The command line: parse, call, print. Nothing is decided here but words and exit codes.

Exit codes: 0 done, 1 the study or the command failed, 2 the input was wrong, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

# What takes time to import is imported in functions: so a Ctrl-C in the first tenths of a second is caught, too.

_WITH_VALUE = ("--home", "--server")
_FLAGS = ("--json",)
# Objects between two collections: none of what imports make is garbage, and looking for it takes a tenth of the time.
GARBAGE = 50_000


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of `goodfit`."""
    gc.set_threshold(GARBAGE)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for a terminal that has not all letters
    try:
        code = run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        print("goodfit: interrupted before anything was started", file=sys.stderr)
        code = 130
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; whatever it prints is readable."""
    from goodfit.trainers.readable import readable_streams

    with readable_streams():
        return _run(arguments)


def _run(arguments: list[str]) -> int:
    import typer

    from goodfit.service.cli.base import cli_of, load_commands
    from goodfit.service.errors import GoodfitError

    load_commands()
    words = global_first(arguments) or ["--help"]

    try:
        # A command returns None; typer returns the code of an Exit, and makes an Exit(130) of a Ctrl-C.
        code = cli_of(_command(words))(words, prog_name="goodfit", standalone_mode=False) or 0
    except GoodfitError as error:
        print(f"goodfit: {error}", file=sys.stderr)
        return error.exit_code
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)  # of the command that was meant; none where no word was one
        command = "goodfit" if context is None else context.command_path
        print(f"goodfit: {error.format_message().rstrip('.')}; see `{command} --help`", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BrokenPipeError:  # `goodfit trials | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - a bug of ours: kept in a log, reported in two lines
        print(f"goodfit: this is a bug in Goodfit: {type(error).__name__}: {error}", file=sys.stderr)
        print(f"goodfit: the traceback is in {_log(arguments)}; report it with that file", file=sys.stderr)
        return 1
    if code == 130:
        print("goodfit: interrupted", file=sys.stderr)
    return int(code)


def global_first(arguments: list[str]) -> list[str]:
    """Move --home, --server and --json to the front, so that they may stand anywhere."""
    first: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in _WITH_VALUE:
            first += [word, *([value] if (value := next(words, None)) is not None else [])]
        elif word in _FLAGS or word.startswith(tuple(f"{name}=" for name in _WITH_VALUE)):
            first.append(word)
        else:
            rest.append(word)
    return first + rest


def _command(words: list[str]) -> str:
    """The first word after the options that every command takes."""
    rest = iter(words)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, "")
        elif word not in _FLAGS and not word.startswith(tuple(f"{name}=" for name in _WITH_VALUE)):
            return word
    return ""


def _log(arguments: list[str]) -> Path:
    """Keep the traceback of the error being handled: in the home where it has such, else here."""
    from goodfit.service.cli.base import settings

    for folder in (settings().log_folder, Path.cwd(), Path(tempfile.gettempdir())):
        path = folder / f"goodfit-fault-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        with contextlib.suppress(OSError):
            path.write_text(f"goodfit {' '.join(arguments)}\n\n{traceback.format_exc()}", "utf-8", "backslashreplace")
            return path
    return Path(os.devnull)
