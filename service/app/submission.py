"""A study that comes from elsewhere: what it may name, whether it can run, and its place in the queue.

Nothing that a study file from the network says is imported, opened or followed before it was admitted here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.search_spaces.document import MAX_CHARACTERS
from goodfit.search_spaces.flaws import dotted
from goodfit.service import errors
from goodfit.service.app.code import renamed
from goodfit.trainers.environment import SERVICE, take

if TYPE_CHECKING:
    from goodfit.search_spaces.flaws import KeyPath
    from goodfit.service.spec import StudySpec

SPEC_CHARACTERS = MAX_CHARACTERS  # of a study file
FILES_CHARACTERS = 1024 * 1024  # of the files that travel with it
FILES = 200
CHECKED_BYTES = 50 * 1024 * 1024  # larger data are looked at by the runner alone
CODE_SECONDS = 120.0  # that a study's own code has to be imported

DEPTH, NAME_BYTES = 20, 200  # of the folders in a file's path, and of each name in it
_NO_CODE = (
    "{!r} is code of the study's own, and this server runs none; use an installed trainer, "
    "or ask for a server that was started with --allow-code"
)
Say = Callable[["KeyPath", str], None]


@dataclass(frozen=True, slots=True)
class Submission:
    """What somebody hands in."""

    spec: str  # the text of a study file
    overrides: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)  # modules that the study brings: path -> text
    priority: int = 0
    fresh: bool = False
    file: str = "the study"  # how messages name it
    left: tuple[str, ...] = ()  # files beside its code that the code names and that do not come along
    hidden: tuple[str, ...] = ()  # modules beside its code whose names installed packages or Python's own modules have


@dataclass(frozen=True, slots=True)
class Rules:
    """What a study from the network may name."""

    roots: tuple[Path, ...] = ()  # data lie under one of these
    allow_code: bool = False  # it may bring its own code


def admitted(submission: Submission, rules: Rules) -> StudySpec:
    """The spec of a submission that keeps to the rules and can run.

    Raises:
        InputError: it does not, or cannot; says why.
    """
    if len(submission.spec) > SPEC_CHARACTERS:
        raise errors.InputError(f"the study file has more than {SPEC_CHARACTERS} characters; shorten it")
    _check_files(submission, rules)
    if submission.files:
        return _admitted_elsewhere(submission, rules)
    with tempfile.TemporaryDirectory(prefix="goodfit-submission-") as folder:
        return read_submission(submission, rules, Path(folder))


def admit_edit(spec: StudySpec, rules: Rules) -> None:
    """Refuse an edit whose space names what no study from elsewhere may; StudyFileError."""
    from goodfit.service.spec.space_edits import as_written

    problems: list[errors.Problem] = []

    def say(path: KeyPath, text: str) -> None:
        problems.append(errors.Problem(0, f"--set {dotted(path)}", text))

    _Gate(rules, frozenset()).admit({"space": as_written(spec.space)}, say)
    if problems:
        raise errors.StudyFileError(f"study {spec.name}", problems)


def read_submission(submission: Submission, rules: Rules, folder: Path) -> StudySpec:
    """As `admitted`, in this process: a study's own code in the folder is imported here."""
    from goodfit.service.app.preflight import check
    from goodfit.service.spec import read_foreign

    _check_names(folder, submission.files)
    gate = _Gate(rules, frozenset(submission.files))
    spec = read_foreign(submission.spec, submission.file, folder, submission.overrides, gate.admit, _moved(submission))
    if _is_checked(spec) and not spec.requirements:
        check(spec)
    return _without(spec, folder.resolve())


class _Gate:
    """Looks at what a study says before anything of it is followed."""

    def __init__(self, rules: Rules, files: frozenset[str]) -> None:
        self._rules, self._files = rules, files

    def admit(self, values: dict[str, Any], say: Say) -> None:
        """Say what the rules do not allow; make the data's paths absolute."""
        if packages := values.get("requirements"):
            self._requirements(say)
        if isinstance(trainer := values.get("trainer"), str):
            self._trainer(trainer, say, brought=bool(packages))
        if isinstance(space := values.get("space"), str):
            self._space(space, say)
        data = values.get("data")
        if isinstance(data, dict):
            values["data"] = data = dict(data)
            self._data(data, say)
        if isinstance(search := values.get("search"), Mapping):
            self._earlier(search.get("warm_start"), say)
        for section in ("space", "fixed"):
            if isinstance(parameters := values.get(section), Mapping):
                self._parameters(section, parameters, say)

    def _earlier(self, starts: object, say: Say) -> None:
        """Refuse sources that are files or storages: no path or address of a study is followed here."""
        from goodfit.service.spec.warm_start import is_elsewhere

        for index, start in enumerate(starts if isinstance(starts, (list, tuple)) else [starts]):
            if is_elsewhere(start):
                say(("search", "warm_start", index), f"{start!r} is not read on a server; submit the study by `goodfit "
                    "submit`, which sends what is in it, or name a study of the server")  # fmt: skip

    def _requirements(self, say: Say) -> None:
        if not self._rules.allow_code:
            say(("requirements",), "names packages to install, and this server runs no code of a study's own; use what "
                "is installed there, or ask for a server that was started with --allow-code")  # fmt: skip

    def _trainer(self, reference: str, say: Say, *, brought: bool) -> None:
        from goodfit.trainers.code import code_file
        from goodfit.trainers.registry import BUILT_IN, names

        if reference in BUILT_IN or reference in names() or reference in installed_trainers():
            return
        if ".py:" in reference:
            self._code(("trainer",), reference, say)
        elif ":" in reference and code_file(reference, self._files) is not None:
            if not self._rules.allow_code:
                say(("trainer",), _NO_CODE.format(reference))
        elif ":" in reference and not (brought and self._rules.allow_code):
            say(("trainer",), f"{reference!r} is no installed trainer, and no other module is imported here; "
                + errors.did_you_mean(reference, names()))  # fmt: skip
        # any other name is refused by the registry, with the nearest

    def _space(self, source: str, say: Say) -> None:
        from goodfit import search_spaces

        if ".py:" in source:
            self._code(("space",), source, say)
        elif source not in search_spaces.library():
            say(("space",), f"{source!r} is not in the server's library; write the parameters into the study file, or "
                + errors.did_you_mean(source, search_spaces.library()))  # fmt: skip

    def _data(self, data: dict[str, Any], say: Say) -> None:
        from goodfit.service.spec.data import adds_kind
        from goodfit.trainers.data import DATASETS

        source = data.get("source")
        if isinstance(source, str) and (source not in DATASETS or adds_kind(data.get("kind"))):
            if ".py:" in source:
                self._code(("data", "source"), source, say)
            else:
                data["source"] = self._rooted(("data", "source"), source, say)
        augment = data.get("augment")
        if isinstance(augment, dict):
            data["augment"] = augment = dict(augment)
            if isinstance(synonyms := augment.get("synonyms"), str):
                augment["synonyms"] = self._rooted(("data", "augment", "synonyms"), synonyms, say)
            if isinstance(translate := augment.get("translate"), str):
                self._code(("data", "augment", "translate"), translate, say)

    def _parameters(self, section: str, parameters: Mapping[str, Any], say: Say) -> None:
        """A Gymnasium id `module:Name` imports that module; and no parameter names a file."""
        for name, value in parameters.items():
            if name == "environment" and ":" in json.dumps(_texts(value)):
                say((section, name), "gives a module to import; only installed environments are used here")
            if name in ("augment.synonyms", "augment.translate"):
                say((section, name), "names a file, and a trial's parameters cannot; write it under data.augment")

    def _code(self, path: KeyPath, reference: str, say: Say) -> None:
        file, _, _ = reference.rpartition(":")
        if not self._rules.allow_code:
            say(path, _NO_CODE.format(reference))
        elif file not in self._files:
            say(path, f"{file!r} is not among the files that came with the study; send it along, by its path there")

    def _rooted(self, path: KeyPath, written: str, say: Say) -> str:
        """The data's place under one of the roots; what is written, where there is none."""
        if not self._rules.roots:
            say(path, f"{written!r} is a path, and this server has no data but the built-in sets; name one of those")
            return written
        found = next((place for root in self._rules.roots if (place := _below(root, written)) is not None), None)
        if found is None:
            say(path, f"there is no {written!r} under this server's data roots; give a path that is relative to one")
            return written
        if (outside := _leak(found, self._rules.roots)) is not None:
            say(path, f"{written!r} has a link to outside of the data roots ({outside}); take it out")
        return str(found)


def _below(root: Path, written: str) -> Path | None:
    """Where a path leads, if that is under a root and there."""
    try:
        top = root.resolve()
        place = (top / written).resolve()
        return place if place.is_relative_to(top) and place.exists() else None
    except (OSError, ValueError, RuntimeError):  # a name too long, a NUL in it, links that go round
        return None


def _leak(place: Path, roots: Sequence[Path]) -> str | None:
    """The first link in a folder that leads out of the roots."""
    if not place.is_dir():
        return None
    tops = [root.resolve() for root in roots]
    for folder, folders, files in os.walk(place):
        for name in (*folders, *files):
            item = Path(folder, name)
            if item.is_symlink() and not any(item.resolve().is_relative_to(top) for top in tops):
                return name
    return None


def _texts(value: object) -> object:
    """The values of a parameter without its documentation."""
    if isinstance(value, Mapping):
        return [_texts(item) for key, item in value.items() if key != "doc"]
    if isinstance(value, (list, tuple)):
        return [_texts(item) for item in value]
    return str(value)


def installed_trainers() -> set[str]:
    """The installed trainers, by module:name."""
    from goodfit.trainers.registry import BUILT_IN, ENTRY_POINTS

    return {*BUILT_IN.values(), *(f"{point.module}:{point.attr}" for point in entry_points(group=ENTRY_POINTS))}


def _check_files(submission: Submission, rules: Rules) -> None:
    if submission.files and not rules.allow_code:
        raise errors.InputError(
            f"{min(submission.files)} came with the study, and this server runs no code of a study's own; use an "
            "installed trainer and write the space into the file, or ask for a server started with --allow-code"
        )
    for name in submission.files:
        if not is_plain(name):
            raise errors.InputError(f"{name!r} is not a plain file name such as my_net.py or nets/blocks.py")
    if sum(map(len, submission.files.values())) > FILES_CHARACTERS:
        raise errors.InputError(f"the files that came with the study have more than {FILES_CHARACTERS} characters")


def _check_names(folder: Path, files: Iterable[str]) -> None:
    """Refuse files that would not be used: an import would give the installed package of their name."""
    from goodfit.trainers.code import find_code

    places = {folder / name for name in files}
    hidden = places & find_code(f"{place}:" for place in places).named_alike.keys()
    used = find_code(f"{place}:" for place in places - hidden).files.keys()
    if sent := sorted(file.relative_to(folder).as_posix() for file in hidden - used):
        raise errors.InputError(
            f"{', '.join(sent)}: a package of that name is installed on the server's workers and goes before it; "
            "give the file another name"
        )


def _moved(submission: Submission) -> set[str]:
    """The keys of code that came with the study, as the client writes them anew; not those that --set gave as well."""
    given = [text.partition("=")[::2] for text in submission.overrides]
    times = Counter(key for key, _ in given)
    return {key for key, value in given if times[key] == 1 and value.strip('"').rpartition(":")[0] in submission.files}


def is_plain(name: str) -> bool:
    """Whether a name is that of a Python file below the study's own folder, as any file system takes it."""
    parts = name.split("/")
    return (
        name.endswith(".py")
        and len(parts) <= DEPTH + 1
        and name.isprintable()
        and "\\" not in name
        and all(part and not part.startswith(".") and len(part.encode()) <= NAME_BYTES for part in parts)
    )


def _is_checked(spec: StudySpec) -> bool:
    """Whether the data are looked at now; large ones take too long."""
    if spec.data is None:
        return True
    place = Path(spec.data.source)
    return not place.is_absolute() or (place.is_file() and place.stat().st_size <= CHECKED_BYTES) or place.is_dir()


def _without(spec: StudySpec, folder: Path) -> StudySpec:
    """The spec with the paths of files that travel with it relative to wherever they will lie."""
    below = renamed(spec, lambda reference: reference.removeprefix(f"{folder}/"))
    modules = tuple(os.path.relpath(place, folder) for place in spec.modules)
    return below.model_copy(update={"modules": modules})


def _admitted_elsewhere(submission: Submission, rules: Rules) -> StudySpec:
    """As `admitted`, in a process of its own: a study's own code is not imported in this one."""
    from goodfit.service.spec import StudySpec

    with tempfile.TemporaryDirectory(prefix="goodfit-submission-") as place:
        folder = Path(place)
        code = folder / "code"
        code.mkdir()
        for name, text in submission.files.items():
            (code / name).parent.mkdir(parents=True, exist_ok=True)
            (code / name).write_bytes(text.encode("utf-8", "backslashreplace"))
        question = {"submission": asdict(submission), "roots": [str(root) for root in rules.roots]}
        (folder / "question.json").write_text(json.dumps(question), encoding="utf-8")
        kept = dict(os.environ)
        take(kept, SERVICE)
        command = [sys.executable, "-P", "-m", "goodfit.service.app.submission_process", str(folder)]
        try:
            done = subprocess.run(  # noqa: S603 - our own command line
                command, cwd=code, env=kept, capture_output=True, text=True, timeout=CODE_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise errors.TrainerError(f"the study's code was not imported within {CODE_SECONDS:.0f} s") from None
        answer = folder / "answer.json"
        if not answer.exists():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise errors.TrainerError(f"the process that looked at the study's code ended ({done.returncode}): {last}")
        found = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in found:
        raise errors.from_dict(found)
    return StudySpec.from_dict(found["spec"])
