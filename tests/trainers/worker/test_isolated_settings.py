"""What one trial sets in its worker does not reach the next: settings of Python, of libraries, of its own modules."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from goodfit.trainers import seeding
from goodfit.trainers.seeding import when_imported
from goodfit.trainers.worker.isolation import Isolation
from goodfit.trainers.worker.isolation.library_settings import LIBRARIES
from goodfit.trainers.worker.isolation.setting import Setting
from goodfit.trainers.worker.isolation.settings import Snapshot
from tests.trainers.worker.one_worker import HEAD, LOOP, Trials, alone, note

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


def test_a_process_group_that_a_trainer_leaves_is_ended(tmp_path: Path) -> None:
    group = f"torch.distributed.init_process_group('gloo', init_method='file://{tmp_path}/group' + str(trial.number), "
    trials = Trials(tmp_path, f"{HEAD}def train(trial):\n    {group}rank=0, world_size=1)\n{LOOP}")
    for number in range(2):
        assert not trials.run(number).worn


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

    alone(Isolation(own_process=False), work)
    assert handler in logging.root.handlers
    logging.root.removeHandler(handler)
    assert "MINE" not in os.environ


def test_settings_are_read_once_and_again_after_an_import_which_may_have_set_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[str] = []
    values = {"own": "as it was"}

    def read() -> str:
        reads.append(values["own"])
        return values["own"]

    setting = Setting("a setting", read, lambda value: values.update(own=value))
    monkeypatch.setattr("goodfit.trainers.worker.isolation.settings.PYTHON", [setting])
    alone(Isolation(), lambda: None)  # imports what a trial's turn itself needs
    reads.clear()
    isolation = Isolation()
    for _ in range(3):
        alone(isolation, lambda: values.update(own="a trial's"))
        assert values["own"] == "as it was"
    assert reads.count("as it was") == 1
    monkeypatch.setitem(sys.modules, "imported_between_trials", ModuleType("imported_between_trials"))
    values["own"] = "the module's"
    alone(isolation, lambda: values.update(own="a trial's"))
    assert values["own"] == "the module's"


def test_in_a_process_of_others_what_they_set_between_trials_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEIRS", "1")
    isolation = Isolation(own_process=False)
    alone(isolation, lambda: None)
    monkeypatch.setenv("THEIRS", "2")
    alone(isolation, lambda: os.environ.update(THEIRS="3"))
    assert os.environ["THEIRS"] == "2"


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


@pytest.mark.filterwarnings("ignore")
def test_mlflow_waits_for_no_library_after_the_trial_that_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.utils.import_hooks import get_post_import_hooks, register_post_import_hook

    isolation = Isolation()
    for _ in range(2):  # an emptied list would say that the library is imported, and the second call would fail
        alone(isolation, lambda: register_post_import_hook(print, "not_imported_yet"))
        assert get_post_import_hooks("not_imported_yet") is None


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
    monkeypatch.setattr(seeding._latecomers, "listeners", [])  # none of a trial that another test has left behind
    with when_imported(Snapshot(own_process=False).note_new, {"inner_library", "outer_library"}):
        import outer_library  # noqa: F401
    assert read == [[1]]
    for name in ("inner_library", "outer_library"):
        sys.modules.pop(name)


def test_after_trials_that_change_no_setting_there_is_none_to_put_back(tmp_path: Path) -> None:
    if seeding._latecomers in sys.meta_path:  # as in a worker before its first trial
        sys.meta_path.remove(seeding._latecomers)
    trials = Trials(tmp_path, f"{HEAD}def train(trial):\n{LOOP}")
    for number in range(2):
        trials.run(number)
    snapshot = trials.worker._isolation._snapshot
    assert snapshot is not None
    assert [setting.name for setting, value in snapshot._values if setting.read() != value] == []
