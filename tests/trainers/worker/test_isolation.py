"""What one trial changes in its worker does not reach the next."""

from __future__ import annotations

import itertools
import logging
import os
import random
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from goodfit.testing.attempts import Line, assign, clock
from goodfit.trainers.messages import Ended, Pack
from goodfit.trainers.seeding import when_imported
from goodfit.trainers.worker.isolation import Isolation, fingerprint
from goodfit.trainers.worker.isolation.modules import is_users
from goodfit.trainers.worker.isolation.settings import LIBRARIES, Setting, Snapshot
from goodfit.trainers.worker.worker import Worker
from tests.training import IRIS

HEAD = "import os, sys, builtins\nimport numpy as np, torch\n"
LOOP = """
    for epoch in trial.epochs():
        trial.report(train={'loss': 1.0}, val={'accuracy': 0.5})
"""


class Trials:
    """One worker, and its trials of one trainer after each other; what each found is in `found`."""

    def __init__(self, folder: Path, text: str, **changes: Any) -> None:
        self.file = folder / "theirs.py"
        self.file.write_text(text)
        self.line = Line()
        self.worker = Worker(self.line, clock(), capture=False)
        self.folder, self.changes = folder, changes

    def run(self, number: int) -> Ended:
        assignment = assign(
            self.folder / f"t{number}", trial=number, trainer=f"{self.file}:train", epochs=1, **self.changes
        )
        self.worker.run(Pack((assignment,)))
        ended = self.line.messages[-1]
        assert isinstance(ended, Ended)
        assert str(ended.outcome) == "complete", ended.message
        return ended

    def notes(self) -> list[str]:
        return (self.folder / "notes.txt").read_text().splitlines()


def note(folder: Path, expression: str) -> str:
    """A line of a trainer that notes what it finds."""
    return f"    with open({str(folder / 'notes.txt')!r}, 'a') as file: file.write(repr({expression}) + '\\n')\n"


# fmt: off
CHANGES = [
    ("os.getcwd()", "os.chdir('/')"),
    ("sorted(os.environ)", "os.environ['MINE'] = '1'; os.environ.pop('PATH')"),
    ("os.umask(os.umask(0o22)) == 0o77", "os.umask(0o77)"),
    ("torch.get_default_dtype()", "torch.set_default_dtype(torch.float64)"),
    ("torch.get_num_threads() == 3", "torch.set_num_threads(3)"),
    ("torch.is_grad_enabled()", "torch.set_grad_enabled(False)"),
    ("torch.get_default_device()", "torch.set_default_device('meta')"),
    ("torch.is_inference_mode_enabled()", "torch.inference_mode().__enter__()"),
    ("torch.is_autocast_enabled('cpu')", "torch.set_autocast_enabled('cpu', True)"),
    ("torch.is_anomaly_enabled()", "torch.autograd.set_detect_anomaly(True)"),
    ("torch.are_deterministic_algorithms_enabled()", "torch.use_deterministic_algorithms(True)"),
    ("torch.backends.cudnn.benchmark", "torch.backends.cudnn.benchmark = True"),
    ("torch.get_float32_matmul_precision()", "torch.set_float32_matmul_precision('medium')"),
    ("str(torch.tensor(1 / 3))", "torch.set_printoptions(precision=1)"),
    ("len(torch.nn.modules.module._global_forward_hooks)",
     "torch.nn.modules.module.register_module_forward_hook(print)"),
    ("np.geterr()", "np.seterr(all='raise')"),
    ("str(np.float64(1 / 3) * np.ones(1))", "np.set_printoptions(precision=1)"),
    ("__import__('decimal').getcontext().prec", "__import__('decimal').getcontext().prec = 3"),
    ("__import__('pandas').get_option('display.precision')", "__import__('pandas').set_option('display.precision', 1)"),
    ("__import__('warnings').filters[:1]", "__import__('warnings').simplefilter('ignore', UserWarning)"),
    ("len(__import__('logging').root.handlers)",
     "__import__('logging').root.addHandler(__import__('logging').NullHandler())"),
    ("len(__import__('logging').getLogger('my.own').handlers)",
     "__import__('logging').getLogger('my.own').addHandler(__import__('logging').NullHandler())"),
    ("__import__('logging').getLogger('torch').level", "__import__('logging').getLogger('torch').setLevel(50)"),
    ("'/mine' in sys.path", "sys.path.insert(0, '/mine')"),
    ("'/mine' in sys.path", "sys.path = ['/mine', *sys.path]"),
    ("'--mine' in sys.argv", "sys.argv.append('--mine')"),
    ("sys.getrecursionlimit()", "sys.setrecursionlimit(5000)"),
    ("__import__('gc').isenabled()", "__import__('gc').disable()"),
    ("__import__('socket').getdefaulttimeout()", "__import__('socket').setdefaulttimeout(3)"),
    ("sys.stdout is sys.__stdout__", "sys.stdout = sys.__stdout__"),
    ("sys.gettrace() is None", "sys.settrace(lambda *_: None)"),
    ("torch.nn.functional.relu(torch.tensor(-1.0))", "torch.nn.functional.relu = lambda x: x"),
    ("torch.nn.Linear(1, 1).weight.item() == 7.0",
     "torch.nn.Linear.reset_parameters = lambda s: torch.nn.init.constant_(s.weight, 7.0)"),
    ("np.mean([1.0, 3.0])", "np.mean = lambda *_: 7.0"),
    ("__import__('time').time() == 7.0", "__import__('time').time = lambda: 7.0"),
    ("hasattr(builtins.print, '__self__')", "builtins.print = lambda *_, **__: None"),
    ("len(STORE)", "STORE.append(1)"),
    ("COUNT", "globals()['COUNT'] = COUNT + 1"),
    ("float(WEIGHTS.sum())", "WEIGHTS.add_(1)"),
    ("RANDOM.random()", "RANDOM.random()"),
    ("Net.made", "Net.made += 1"),
    ("NET.state_dict()['weight'].sum().item() == 0", "torch.nn.init.zeros_(NET.weight)"),
    ("hasattr(train, 'calls')", "train.calls = 1"),
    ("helper()", "helper(3)"),
    ("(SPACE.seen, ARGS.seen)", "SPACE.seen = ARGS.seen = 1"),
    ("int(SCALER.n_samples_seen_)", "SCALER.partial_fit([[2.0]])"),
    ("OPTIMIZER.param_groups[0]['lr']", "OPTIMIZER.param_groups[0]['lr'] = 7.0"),
    ("counter()", "counter()"),
    ("PARTIAL()", "PARTIAL.args[0].append(1)"),
    ("(next(CYCLE), next(ITERATOR), next(GENERATOR))", "None"),
    ("__private", "globals()['__private'] = 1"),
    ("Slotted.one.kept", "Slotted.one.kept = 1"),
    ("TALLY.note", "TALLY.note = 1"),
    ("METHOD()", "METHOD.__self__.append(1)"),
    ("helper.__code__.co_name", "helper.__code__ = (lambda value=None, kept=None: 7).__code__"),
    ("__import__('math').pi", "__import__('math').pi = 3"),
    ("(np.pi, torch.float32, torch.pi)", "np.pi = 3; torch.float32 = torch.float64; torch.pi = 3"),
    ("torch.distributions.Distribution._validate_args",
     "torch.distributions.Distribution.set_default_validate_args(False)"),
    ("torch.backends.opt_einsum.enabled", "torch.backends.opt_einsum.enabled = False"),
    ("torch.multiprocessing.get_sharing_strategy()", "torch.multiprocessing.set_sharing_strategy('file_system')"),
    ("torch.hub.get_dir()", "torch.hub.set_dir('/mine')"),
    ("__import__('csv').field_size_limit()", "__import__('csv').field_size_limit(7)"),
    ("__import__('resource').getrlimit(4)",
     "__import__('resource').setrlimit(4, (0, __import__('resource').getrlimit(4)[1]))"),
    ("sys.unraisablehook is sys.__unraisablehook__", "sys.unraisablehook = print"),
    ("__import__('signal').getitimer(0)[0] > 0", "__import__('signal').alarm(900)"),
    ("__import__('signal').getitimer(1)[0] > 0", "__import__('signal').setitimer(1, 900)"),
    ("__import__('gc').get_debug()", "__import__('gc').set_debug(32)"),
    ("__import__('tracemalloc').is_tracing()", "__import__('tracemalloc').start()"),
    ("__import__('decimal').DefaultContext.prec", "__import__('decimal').DefaultContext.prec = 3"),
    ("type(__import__('asyncio').get_event_loop_policy()).__name__",
     "__import__('asyncio').set_event_loop_policy(type('M', (__import__('asyncio').DefaultEventLoopPolicy,), {})())"),
    ("torch.backends.cuda.math_sdp_enabled()", "torch.backends.cuda.enable_math_sdp(False)"),
    ("torch.backends.cuda.cudnn_sdp_enabled()", "torch.backends.cuda.enable_cudnn_sdp(False)"),
    ("torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction",
     "torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False"),
    ("torch._C._get_nnpack_enabled()", "torch.backends.nnpack.set_flags(False)"),
    ("torch.backends.mha.get_fastpath_enabled()", "torch.backends.mha.set_fastpath_enabled(False)"),
    ("torch.__future__.get_swap_module_params_on_conversion()",
     "torch.__future__.set_swap_module_params_on_conversion(True)"),
    ("__import__('json').JSONEncoder.default.__name__",
     "__import__('json').JSONEncoder.default = lambda *_: 1"),
    ("__import__('socket').getaddrinfo.__name__", "__import__('socket').getaddrinfo = lambda *_: []"),
    ("__import__('sklearn').get_config()['transform_output']",
     "__import__('sklearn').set_config(transform_output='pandas')"),
    ("torch.default_generator is torch.random.default_generator", "torch.default_generator = torch.Generator()"),
]
# fmt: on
GLOBALS = """
STORE, COUNT, WEIGHTS, RANDOM = [], 0, torch.ones(3), np.random.default_rng(0)
NET = torch.nn.Linear(2, 1)
import argparse, collections, functools, itertools, types
from sklearn.preprocessing import StandardScaler
SPACE, ARGS = types.SimpleNamespace(seen=0), argparse.Namespace(seen=0)
SCALER = StandardScaler().fit([[1.0]])
OPTIMIZER = torch.optim.Adam([WEIGHTS.clone().requires_grad_()])
def made():
    count = [0]
    def counter():
        count[0] += 1
        return count[0]
    return counter
counter = made()
PARTIAL = functools.partial(list, [])
CYCLE, ITERATOR, GENERATOR = itertools.cycle([1, 2, 3]), iter([1, 2, 3]), (i for i in range(9))
__private = 0
class Base:
    __slots__ = "kept"
class Slotted(Base):
    __slots__ = ()
Slotted.one = Slotted()
Slotted.one.kept = 0
class Tally(dict):
    note = 0
TALLY = Tally()
class Bag:
    def __init__(self): self.items = []
    def append(self, item): self.items.append(item)
    def __call__(self): return len(self.items)
METHOD = Bag().__call__
class Net:
    made = 0
def helper(value=None, kept=[]):
    kept += [] if value is None else [value]
    return list(kept)
"""


@pytest.mark.parametrize(("look", "change"), CHANGES, ids=[change[:60] for _, change in CHANGES])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_trainers_change_is_seen_by_no_later_trial(tmp_path: Path, look: str, change: str) -> None:
    body = f"def train(trial):\n{note(tmp_path, look)}    {change}\n{LOOP}"
    trials = Trials(tmp_path, HEAD + GLOBALS + body)
    for number in range(3):
        assert not trials.run(number).worn
    first, second, third = trials.notes()
    assert first == second == third


def test_data_that_a_trainer_changes_in_place_are_loaded_anew(tmp_path: Path) -> None:
    look = "(float(trial.data.train.x.sum()), trial.data.train.y[:3].tolist())"
    change = "    x = trial.data.train.x\n    x *= 2\n    np.random.shuffle(trial.data.train.y)\n"
    trials = Trials(tmp_path, f"{HEAD}def train(trial):\n{note(tmp_path, look)}{change}{LOOP}", data=IRIS)
    for number in range(3):
        trials.run(number)
    assert len(set(trials.notes())) == 1


def test_data_that_nobody_changes_stay_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import goodfit.trainers.data

    loads: list[Any] = []
    load = goodfit.trainers.data.load
    monkeypatch.setattr("goodfit.trainers.data.load", lambda spec: loads.append(spec) or load(spec))
    trials = Trials(tmp_path, f"{HEAD}def train(trial):\n    trial.data.train.x.sum()\n{LOOP}", data=IRIS)
    for number in range(3):
        trials.run(number)
    assert len(loads) == 1


def test_what_a_module_sets_as_it_is_imported_holds_for_all_trials(tmp_path: Path) -> None:
    errors = np.geterr()
    text = f"{HEAD}torch.set_default_dtype(torch.float64)\nnp.seterr(all='raise')\nos.environ['MODULE'] = '1'\n"
    look = "(torch.get_default_dtype(), np.geterr()['divide'], os.environ['MODULE'])"
    trials = Trials(tmp_path, f"{text}def train(trial):\n{note(tmp_path, look)}{LOOP}")
    try:
        trials.run(0)
        trials.run(1)
    finally:
        torch.set_default_dtype(torch.float32)
        np.seterr(**errors)
        del os.environ["MODULE"]
    assert trials.notes() == ["(torch.float64, 'raise', '1')"] * 2


def test_modules_that_no_trial_changes_are_imported_once(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("VALUES = {'a': [1, 2]}\n")
    text = (
        f"{HEAD}import beside_it\n{note(tmp_path, '0').strip()}\ndef train(trial):\n    beside_it.VALUES['a']\n{LOOP}"
    )
    trials = Trials(tmp_path, text)
    for number in range(3):
        trials.run(number)
    assert trials.notes() == ["0"]


def test_a_module_beside_the_trainers_is_imported_anew_too(tmp_path: Path) -> None:
    (tmp_path / "beside_too.py").write_text("VALUES = {'a': [1, 2]}\n")
    look = note(tmp_path, "beside_too.VALUES")
    trials = Trials(
        tmp_path, f"{HEAD}def train(trial):\n    import beside_too\n{look}    beside_too.VALUES['a'].append(3)\n{LOOP}"
    )
    for number in range(3):
        trials.run(number)
    assert trials.notes() == ["{'a': [1, 2]}"] * 3


def test_a_trainers_installed_package_is_its_own_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package := tmp_path / "their_installed").mkdir()
    (package / "__init__.py").write_text("")
    (package / "state.py").write_text("SEEN = []\n")
    (package / "models.py").write_text(
        f"from their_installed.state import SEEN\ndef train(trial):\n{note(tmp_path, 'SEEN')}    SEEN.append(1)\n{LOOP}"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("goodfit.trainers.worker.isolation.modules._INSTALLED", (str(tmp_path),))
    line = Line()
    worker = Worker(line, clock(), capture=False)
    for number in range(3):
        reference = "their_installed.models:train"
        worker.run(Pack((assign(tmp_path / f"t{number}", trial=number, trainer=reference, epochs=1),)))
    assert (tmp_path / "notes.txt").read_text().splitlines() == ["[]"] * 3


def test_a_process_group_that_a_trainer_leaves_is_ended(tmp_path: Path) -> None:
    group = f"torch.distributed.init_process_group('gloo', init_method='file://{tmp_path}/group' + str(trial.number), "
    trials = Trials(tmp_path, f"{HEAD}def train(trial):\n    {group}rank=0, world_size=1)\n{LOOP}")
    for number in range(2):
        assert not trials.run(number).worn


def test_a_module_that_cannot_be_imported_twice_costs_the_worker(tmp_path: Path) -> None:
    once = f"path = {str(tmp_path / 'once')!r}\nassert not os.path.exists(path)\nopen(path, 'w').close()\nCOUNT = [0]\n"
    trials = Trials(tmp_path, f"{HEAD}{once}def train(trial):\n    COUNT[0] += 1\n{LOOP}")
    assert trials.run(0).worn
    log = (tmp_path / "t0" / "log.txt").read_text()
    assert "the worker is replaced after it: BadTrainer when the trainer's modules were imported a second" in log


def test_modules_that_an_installed_package_makes_are_not_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    made = types.ModuleType("torch.made_up")
    made.__file__ = "_made_up.py"  # as torch.ops and torch.classes say of themselves
    mine = types.ModuleType("theirs")
    mine.__file__ = "/home/ada/theirs.py"
    monkeypatch.setitem(sys.modules, "torch.made_up", made)
    monkeypatch.setitem(sys.modules, "theirs", mine)
    assert not any(is_users(module) for module in (made, sys.modules["torch.ops"], sys.modules["torch.classes"]))
    assert is_users(mine)


def test_a_thread_that_still_runs_costs_the_worker_and_one_of_a_library_does_not(tmp_path: Path) -> None:
    running = "import threading\nEND = threading.Event()\ndef run():\n    while not END.wait(0.01): pass\n"
    trials = Trials(
        tmp_path, f"{HEAD}{running}def train(trial):\n    threading.Thread(target=run, name='mine').start()\n{LOOP}"
    )
    try:
        assert trials.run(0).worn
    finally:
        for module in list(sys.modules.values()):
            if getattr(module, "END", None) is not None and isinstance(module.END, threading.Event):
                module.END.set()
        for thread in threading.enumerate():
            if thread.name == "mine":
                thread.join(5)
    assert "its thread mine still runs" in (tmp_path / "t0" / "log.txt").read_text()
    pool = "from concurrent.futures import ThreadPoolExecutor\nimport operator\n"
    (library := tmp_path / "library").mkdir()
    text = f"{HEAD}{pool}def train(trial):\n    ThreadPoolExecutor(2).submit(operator.add, 1, 2).result()\n{LOOP}"
    assert not Trials(library, text).run(0).worn


def test_each_trial_has_a_thread_of_its_own_with_the_contexts_of_the_worker() -> None:
    seen: list[Any] = []
    isolation = Isolation()
    with np.errstate(divide="raise"):
        isolation.run(lambda: seen.append((threading.current_thread(), np.geterr()["divide"])), "mlp")
    assert seen[0][0] is not threading.current_thread()
    assert seen[0][1] == "raise"


def test_a_setting_that_cannot_be_put_back_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = Snapshot()
    monkeypatch.setattr(os, "getpriority", lambda *_: 19)
    monkeypatch.setattr(os, "setpriority", lambda *_: (_ for _ in ()).throw(PermissionError("not permitted")))
    assert snapshot.restore() == ["the nice value cannot be put back: not permitted"]


def test_in_a_process_of_others_their_loggers_and_streams_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.NullHandler()

    def work() -> None:
        logging.root.addHandler(handler)
        os.environ["MINE"] = "1"

    Isolation(own_process=False).run(work, "mlp")
    assert handler in logging.root.handlers
    logging.root.removeHandler(handler)
    assert "MINE" not in os.environ


class Thing:
    def __init__(self) -> None:
        self.items = [1, {"a": np.zeros(3)}]


def test_a_fingerprint_changes_with_what_is_inside_and_else_not() -> None:
    def changed(value: Any, change: Any) -> bool:
        before = fingerprint(value)
        assert fingerprint(value) == before
        change(value)
        return fingerprint(value) != before

    assert changed([1, 2], lambda value: value.append(3))
    assert changed({"a": [np.ones(2)]}, lambda value: value["a"][0].__setitem__(0, 5))
    assert changed(np.arange(10), np.random.default_rng(0).shuffle)
    assert changed(np.arange(10)[::2], lambda value: value.__setitem__(1, 5))
    assert changed(np.array(["a", [1]], dtype=object), lambda value: value[1].append(2))
    assert changed(torch.ones(3, dtype=torch.bfloat16), lambda value: value.add_(1))
    assert changed(torch.Generator(), lambda value: torch.rand(1, generator=value))
    assert changed(torch.nn.Linear(1, 1), lambda value: torch.nn.init.zeros_(value.weight))
    assert changed(random.Random(0), lambda value: value.random())
    assert changed(np.random.RandomState(0), lambda value: value.rand())
    assert changed(pd.DataFrame({"a": [1, 2]}), lambda value: value.__setitem__("a", 0))
    assert changed(Thing(), lambda value: value.items[1]["a"].fill(1))
    assert changed(itertools.count(), next)
    itself: list[Any] = []
    itself.append(itself)
    assert changed(itself, lambda value: value.append(1))
    assert not changed([open, {1, 2}, threading.Lock(), Thing], lambda _: None)


def test_what_a_library_installs_to_find_modules_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """importlib_metadata takes the place of Python's own finder of packages as it is imported, once."""
    library, own = types.ModuleType("a_library"), types.ModuleType("my_own")
    library.__file__, own.__file__ = pytest.__file__, "/home/me/my_own.py"
    finders = [type("Finder", (), {"__module__": one.__name__})() for one in (library, own)]
    for one in (library, own):
        monkeypatch.setitem(sys.modules, one.__name__, one)
    before = list(sys.meta_path)
    Isolation().run(lambda: sys.meta_path.extend(finders), "mlp")
    after = list(sys.meta_path)
    sys.meta_path[:] = before
    assert after == [*before, finders[0]]


LATE = """
def train(trial):
    import transformers.utils.logging, mlflow.sklearn
    from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS
    found = (transformers.utils.logging.is_progress_bar_enabled(), AUTOLOGGING_INTEGRATIONS.get("sklearn"))
    transformers.utils.logging.disable_progress_bar()
    mlflow.sklearn.autolog(silent=True)
"""


@pytest.mark.filterwarnings("ignore")
def test_libraries_that_are_imported_while_a_trial_trains_are_put_back_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trials = Trials(tmp_path, LATE + note(tmp_path, "found") + LOOP)
    for number in range(2):
        trials.run(number)
    assert trials.notes() == ["(True, {})"] * 2


def test_settings_of_a_library_are_read_when_all_of_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """matplotlib imports numpy before it has its own settings."""
    (tmp_path / "inner_library.py").write_text("")
    (tmp_path / "outer_library.py").write_text("import inner_library\nVALUES = [1]\n")
    monkeypatch.syspath_prepend(tmp_path)
    read: list[list[int]] = []

    def settings() -> Iterator[Setting]:
        import outer_library

        read.append(list(outer_library.VALUES))
        yield Setting("VALUES", lambda: list(outer_library.VALUES), lambda value: None)

    monkeypatch.setattr(
        "goodfit.trainers.worker.isolation.settings.LIBRARIES", {**LIBRARIES, "outer_library": settings}
    )
    with when_imported(Snapshot(own_process=False).note_new, {"inner_library", "outer_library"}):
        import outer_library  # noqa: F401
    assert read == [[1]]
    for name in ("inner_library", "outer_library"):
        sys.modules.pop(name)
