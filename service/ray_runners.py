"""Runners on Ray: each a detached actor that lives on when whoever started it is gone.

Their names say whose they are: runner-STUDY-FENCE, mirror-STUDY. What they run is handed in, and
what they are told (secrets may be among it) goes to them as arguments: Ray shows the names and the
runtime environments of actors to whoever looks at the cluster. Beside ray_executor/ the only
module that knows Ray.
"""

from __future__ import annotations

import contextlib
import os
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from goodfit.service.errors import ClusterLost
from goodfit.service.ray_executor.ray_words import from_ray, to_ray
from goodfit.service.records import Lease, Study

NAMESPACE = "goodfit"
RUNNER, MIRROR = "runner", "mirror"
WIDEST = 300  # characters of what pip says
ELSEWHERE = {"goodfit-role": "!service"}  # not on a node that ends with the service's own process

Serve = Callable[[Study, Lease], None]
Catch = Callable[[Study], None]


class RayRunners:
    """The Runners on the Ray cluster that this process is connected to.

    Args:
        serve: runs a study with a lease to its end; importable wherever Ray runs.
        catch_up: sends MLflow what it lacks of a study; likewise.
        environment: variables that they get.
        packages: Ray's runtime environment with the packages that a study requires; None: it requires none.
    """

    def __init__(
        self,
        serve: Serve,
        catch_up: Catch,
        environment: Mapping[str, str] | None = None,
        packages: Callable[[Study], dict[str, Any] | None] = lambda _: None,
    ) -> None:
        import ray

        self._ray = ray
        self._serve, self._catch_up = serve, catch_up
        self._environment = dict(environment or {})
        self._packages = packages
        self._host: Any = ray.remote(_Host)
        self._starting: dict[Any, int] = {}  # a call that is answered when the runner is up -> its study

    def nodes(self) -> list[Mapping[str, float]]:
        with self._connected():
            nodes: list[dict[str, Any]] = self._ray.nodes()  # type: ignore[no-untyped-call]
            return [from_ray(node["Resources"]) for node in nodes if node["Alive"]]

    def start(self, study: Study, lease: Lease) -> None:
        with self._connected():
            up = self._launch(f"{RUNNER}-{study.id}-{lease.fence}", study, self._serve, study, lease)
            if up is not None:
                self._starting[up] = study.id

    def failed(self) -> dict[int, str]:
        found: dict[int, str] = {}
        with self._connected():
            waiting = list(self._starting)
            for up in self._ray.wait(waiting, num_returns=len(waiting), timeout=0)[0] if waiting else ():
                study_id = self._starting.pop(up)
                try:
                    self._ray.get(up)
                except self._ray.exceptions.RuntimeEnvSetupError as error:
                    found[study_id] = f"its requirements cannot be installed: {_reason(error)}"
                except self._ray.exceptions.RayError:
                    continue  # it was up and has ended
        return found

    def end_older(self, study_id: int, fence: int) -> None:
        with self._connected():
            for name, of, held in self._names(RUNNER):
                if of == study_id and held < fence:
                    with contextlib.suppress(ValueError):  # it is gone
                        self._ray.kill(self._ray.get_actor(name, NAMESPACE), no_restart=True)

    def running(self) -> set[int]:
        with self._connected():
            return {study_id for _, study_id, _ in self._names(RUNNER)}

    def mirror(self, study: Study) -> None:
        with self._connected():
            self._launch(f"{MIRROR}-{study.id}", study, self._catch_up, study)

    def mirroring(self) -> set[int]:
        with self._connected():
            return {study_id for _, study_id, _ in self._names(MIRROR)}

    def request(self, amounts: Sequence[Mapping[str, float]]) -> None:
        from ray.autoscaler.sdk import request_resources

        whole = [{name: max(1, round(number)) for name, number in to_ray(one).items()} for one in amounts]
        with self._connected():
            request_resources(bundles=whole)

    def _names(self, kind: str) -> Iterator[tuple[str, int, int]]:
        """The names of the living actors of a kind, with their studies and fences (0: none)."""
        for found in self._ray.util.list_named_actors(all_namespaces=True):
            name = found["name"]
            first, *numbers = name.split("-")
            if found["namespace"] == NAMESPACE and first == kind and numbers and all(map(str.isdigit, numbers)):
                yield name, int(numbers[0]), int(numbers[-1]) if len(numbers) > 1 else 0

    def _launch(self, name: str, study: Study, work: Callable[..., None], *arguments: object) -> Any:
        """Start an actor that does the work and ends; a call that it answers when it is up, None: it is there."""
        options = self._host.options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            num_cpus=0,
            max_restarts=0,
            label_selector=ELSEWHERE,
            runtime_env=self._packages(study),
        )
        try:
            return options.remote(self._environment, work, *arguments).is_up.remote()
        except ValueError:  # Ray's: one of that name is there
            return None

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        """Say in Goodfit's words that Ray is away."""
        try:
            yield
        except (self._ray.exceptions.RayError, ConnectionError, RuntimeError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ClusterLost(f"the Ray cluster is lost: {first}") from error


class _Host:
    """The actor: works in a thread of its own, so that it depends on no call of anybody, and ends with the work."""

    def __init__(self, environment: Mapping[str, str], work: Callable[..., None], *arguments: object) -> None:
        os.environ.update(environment)
        threading.Thread(target=self._run, args=(work, arguments), name="goodfit-runner", daemon=True).start()

    def is_up(self) -> None:
        """Answers, and so says that it is."""

    def _run(self, work: Callable[..., None], arguments: Sequence[object]) -> None:
        import ray

        try:
            work(*arguments)
        finally:
            ray.kill(ray.get_runtime_context().current_actor)


def _reason(error: Exception) -> str:
    """What pip said last, in a line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    wrong = [line for line in lines if line.startswith("ERROR")]
    return textwrap.shorten(
        (wrong or lines or ["no word from Ray"])[-1 if not wrong else 0], WIDEST, placeholder=" ..."
    )
