"""A user's script as a module that gives a trainer, without the searches that it starts itself at its top level.

Scripts for Optuna and Ray Tune often end with `study.optimize(...)` or `tuner.fit()`, and not below `if __name__ ==
"__main__":`. Whoever imports such a script for its objective would run the whole search, on each worker. So these
statements are left out, with those after them that use what they would have made, such as `print(study.best_params)`.
All else is run as it stands.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType

_MAKERS = frozenset({"create_study", "load_study", "Study", "Tuner"})  # what they give starts a search by _STARTS
_STARTS = frozenset({"optimize", "fit"})
_RUN = frozenset({"tune.run", "tune.run_experiments", "ray.tune.run", "ray.tune.run_experiments"})
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


class ScriptLoader(SourceFileLoader):
    """Loads a script without its own searches.

    Attributes:
        left_out: the lines of the statements that were not run.
    """

    left_out: tuple[int, ...] = ()

    def exec_module(self, module: ModuleType) -> None:
        source = self.get_data(self.path)
        if not any(word in source for word in (b".optimize(", b".fit(", b"tune.run")):
            super().exec_module(module)
            return
        code = self._without_searches(source)
        if code is None:
            super().exec_module(module)
        else:  # not by way of the file of compiled code beside the script, which is of all of it
            exec(code, vars(module))  # noqa: S102 - this is how a module is imported

    def _without_searches(self, source: bytes) -> CodeType | None:
        """The script compiled; None where it is left as it stands."""
        try:
            tree = ast.parse(source, self.path)
        except (SyntaxError, ValueError, RecursionError):
            return None  # the import says what is wrong with it
        kept = list(_kept(tree))
        if len(kept) == len(tree.body):
            return None
        self.left_out = tuple(one.lineno for one in tree.body if one not in kept)
        tree.body = kept
        return compile(tree, self.path, "exec", dont_inherit=True)


def lines_not_run(module: ModuleType) -> str | None:
    """What users should know of the statements that were left out of a script's module; None where there are none."""
    loader = module.__spec__.loader if module.__spec__ is not None else None
    if not isinstance(loader, ScriptLoader) or not loader.left_out:
        return None
    lines = ", ".join(map(str, loader.left_out))
    which = f"line {lines} of its script does" if len(loader.left_out) == 1 else f"lines {lines} of its script do"
    return f"{which} not run: a search of the script's own, and what uses it; this study is the search"


def _kept(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of a script that are run."""
    searches = _Searches(tree)
    searched: set[str] = set()  # names of what has been searched, and of what was made of that
    for statement in tree.body:
        if isinstance(statement, _DEFINITIONS) or _is_main(statement):
            yield statement
            continue
        made, used = _names(statement, ast.Store), _names(statement, ast.Load)
        if searches.starts(statement):
            searched |= made | searches.studies & used
        elif used & searched:
            searched |= made
        else:
            searched -= made
            yield statement


class _Searches:
    """What starts a search in a script.

    Attributes:
        studies: the names of studies and tuners, wherever in the script.
    """

    def __init__(self, tree: ast.Module) -> None:
        assigned = [one for one in ast.walk(tree) if isinstance(one, (ast.Assign, ast.AnnAssign, ast.NamedExpr))]
        self.studies = {
            name for one in assigned if one.value is not None and _makes(one.value) for name in _names(one, ast.Store)
        }
        self._functions: set[str] = set()
        functions = [one for one in tree.body if isinstance(one, ast.FunctionDef)]
        before = -1
        while before < len(self._functions):  # until those that call the others are among them
            before = len(self._functions)
            self._functions |= {one.name for one in functions if self.starts(one)}

    def starts(self, statement: ast.stmt) -> bool:
        """Whether a search is started in a statement, or by a function that it calls."""
        return any(self._is_start(node) for node in ast.walk(statement) if isinstance(node, ast.Call))

    def _is_start(self, call: ast.Call) -> bool:
        called = call.func
        if isinstance(called, ast.Name):
            return called.id in self._functions
        if not isinstance(called, ast.Attribute):
            return False
        if ast.unparse(called) in _RUN:
            return True
        of_study = _makes(called.value) or (isinstance(called.value, ast.Name) and called.value.id in self.studies)
        return called.attr in _STARTS and of_study


def _makes(value: ast.expr) -> bool:
    """Whether an expression is a call that makes a study or a tuner."""
    called = value.func if isinstance(value, ast.Call) else None
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    return name in _MAKERS


def _is_main(statement: ast.stmt) -> bool:
    """Whether it is `if __name__ == "__main__":`, which does not run anyway."""
    return isinstance(statement, ast.If) and "__name__" in _names(statement.test, ast.Load)


def _names(node: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, context)}
