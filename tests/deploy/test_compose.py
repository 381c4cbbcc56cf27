"""docker-compose.yml, Dockerfile and what goes with them: valid, closed to the outside, without secrets."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy import compose, plan

ROOT = plan.ROOT


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return compose.load(plan.COMPOSE)


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_compose_file_is_valid_by_the_published_schema() -> None:
    done = tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_refuses_a_key_that_compose_does_not_know(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(plan.COMPOSE.read_text().replace("restart: unless-stopped", "restarts: unless-stopped"))
    assert tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(wrong)).returncode == 1


def test_the_dockerfile_is_clean_by_hadolint() -> None:
    done = tool("hadolint", "Dockerfile")
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_the_api_and_the_pages_are_published_and_on_127_0_0_1_alone(document: dict[str, Any]) -> None:
    published = {name: service.get("ports", []) for name, service in document["services"].items()}
    assert {name for name, ports in published.items() if ports} == {"goodfit", "mlflow", "ray-head"}
    for ports in published.values():
        for port in ports:
            assert str(port).startswith("127.0.0.1:"), port
    for service in document["services"].values():
        assert "network_mode" not in service
        assert "privileged" not in service


def test_each_service_is_watched_restarted_and_limited(document: dict[str, Any]) -> None:
    for name, service in document["services"].items():
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}, name
            assert "healthcheck" in document["services"][other]


def volumes(service: dict[str, Any]) -> list[str]:
    """What it mounts: names of volumes and paths; "" for a volume without name."""
    found = service.get("volumes", [])
    return [one.get("source", "") if isinstance(one, dict) else str(one).split(":")[0] for one in found]


def test_every_volume_that_is_used_is_declared(document: dict[str, Any]) -> None:
    used = {volume for service in document["services"].values() for volume in volumes(service)}
    named = {volume for volume in used if re.fullmatch(r"[a-z-]+", volume)}
    assert named == set(document["volumes"])


def test_no_folder_of_the_host_is_made_by_the_engine_which_is_root(document: dict[str, Any]) -> None:
    for name, service in document["services"].items():
        for one in service.get("volumes", []):
            if isinstance(one, dict) and one["type"] == "bind":
                assert one["bind"] == {"create_host_path": False}, name
                assert one["read_only"] is True
            elif not isinstance(one, dict):
                source = str(one).split(":")[0]
                assert source in document["volumes"] or (ROOT / source).exists(), name


def test_one_service_builds_the_image_that_the_others_use(document: dict[str, Any]) -> None:
    """Several builds of one tag would give each service another image at each `make up`, and restart them all."""
    services = document["services"]
    ours = {name for name, service in services.items() if service["image"].startswith("goodfit:")}
    assert [name for name, service in services.items() if "build" in service] == ["goodfit"]
    assert len({services[name]["image"] for name in ours}) == 1
    for name in ours - {"goodfit"}:
        assert services[name]["pull_policy"] == "never", name  # no registry has it


def test_how_many_workers_there_are_is_a_setting_that_each_up_keeps(document: dict[str, Any]) -> None:
    for name, variable in (("ray-worker", "RAY_WORKERS"), ("ray-worker-gpu", "RAY_GPU_WORKERS")):
        replicas = document["services"][name]["deploy"]["replicas"]
        assert compose.fill(replicas, {}) == "1"
        assert compose.fill(replicas, {variable: "8"}) == "8"


def test_the_containers_write_to_volumes_and_to_memory_alone(document: dict[str, Any]) -> None:
    for name, service in document["services"].items():
        assert service["read_only"] is True, name
        targets = [str(one).split(":")[0] for one in service["tmpfs"]]
        assert "/tmp" in targets, name
        if service["image"].startswith("goodfit:"):
            assert {"type": "volume", "target": "/data/scratch"} in service["volumes"], name
            assert "exec" in service["tmpfs"][0].split(":")[1].split(",")  # studies' code is unpacked there
    assert "/var/run/postgresql" in document["services"]["postgres"]["tmpfs"]
    environment = " ".join(line for line in dockerfile() if line.startswith("ENV"))
    assert "TMPDIR=/data/scratch" in environment
    assert re.search(r"\bHOME=/tmp\b", environment)
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
        assert f"{name}=/tmp/" in environment


def test_a_node_without_its_head_is_unhealthy(document: dict[str, Any]) -> None:
    for name in ("ray-worker", "ray-worker-gpu"):
        assert (compose.service(document, name, {}).health or ())[-2:] == ("localhost:6380", "ray-head:6379")
    assert (compose.service(document, "ray-head", {}).health or ())[-2:] == ("localhost:6380", "localhost:6379")


def read_by_programs() -> set[str]:
    """The variables that Goodfit reads, and some of those that Ray, MLflow and libpq do."""
    code = "".join(path.read_text() for room in ("service", "trainers") for path in (ROOT / room).rglob("*.py"))
    ours = set(re.findall(r"\b(?:GOODFIT|MLFLOW|RAY|AWS)_[A-Z_]+[A-Z]\b", code))
    return ours | {"RAY_TMPDIR", "RAY_AUTH_TOKEN", "MLFLOW_HOST", "PGHOST", "PGPASSWORD", "POSTGRES_PASSWORD", "TMPDIR"}


def test_what_a_shell_has_set_for_its_own_programs_does_not_reach_the_containers(document: dict[str, Any]) -> None:
    names = read_by_programs()
    assert {"GOODFIT_HOME", "GOODFIT_ARTIFACTS", "GOODFIT_DATABASE", "RAY_ADDRESS", "MLFLOW_TRACKING_URI"} <= names
    shell = dict.fromkeys(names, "/home/ada/elsewhere")
    for name in document["services"]:
        assert compose.service(document, name, shell) == compose.service(document, name, {}), name


def test_the_gpu_worker_is_a_profile_of_its_own(document: dict[str, Any]) -> None:
    worker = compose.service(document, "ray-worker-gpu", {})
    assert worker.profiles == ("gpu",)
    assert "--num-gpus=1" in worker.command
    assert all("gpu" not in service.get("profiles", []) for name, service in document["services"].items() if name != worker.name)  # fmt: skip  # noqa: E501


def test_mlflow_is_one_worker_without_jobs_on_a_database_of_its_own(document: dict[str, Any]) -> None:
    mlflow = compose.service(document, "mlflow", {})
    goodfit = compose.service(document, "goodfit", {})
    assert "--workers=1" in mlflow.command
    assert mlflow.environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert mlflow.environment["MLFLOW_BACKEND_STORE_URI"].endswith("@postgres:5432/mlflow")
    assert goodfit.environment["GOODFIT_DATABASE"].endswith("@postgres:5432/goodfit")


def test_the_ray_nodes_know_what_the_service_knows_but_for_its_database(document: dict[str, Any]) -> None:
    worker, gpu, goodfit = (
        compose.service(document, name, {}).environment for name in ("ray-worker", "ray-worker-gpu", "goodfit")
    )
    assert worker == gpu
    assert worker.items() <= goodfit.items()
    own = {"GOODFIT_DATABASE", "GOODFIT_DATABASE_PASSWORD_FILE", "GOODFIT_ALLOW_CODE", "GOODFIT_TRUSTED_PROXIES"}
    assert goodfit.keys() - worker.keys() == own
    head = compose.service(document, "ray-head", {})
    assert "--num-cpus=0" in head.command
    assert head.environment["RAY_AUTH_MODE"] == "token"


def test_secrets_are_files_that_each_container_gets_only_if_it_needs_them(document: dict[str, Any]) -> None:
    given = {name: set(service.get("secrets", [])) for name, service in document["services"].items()}
    assert given == {
        "postgres": {"postgres_password", "goodfit_database_password", "mlflow_database_password"},
        "mlflow": {"mlflow_database_password"},
        "ray-head": {"ray_auth_token"},
        "ray-worker": {"ray_auth_token"},
        "ray-worker-gpu": {"ray_auth_token"},
        "goodfit": {"ray_auth_token", "goodfit_database_password"},
    }
    assert document["secrets"] == {name: {"file": f"secrets/{name}"} for name in set().union(*given.values())}
    for name in document["services"]:
        service = compose.service(document, name, {})
        for variable, value in service.environment.items():
            if re.search("PASSWORD|TOKEN", variable):
                assert value.removeprefix("/run/secrets/") in given[name], (name, variable)
        assert not re.search("://[^/]*:[^/]*@", " ".join([*service.command, *service.environment.values()])), name
    assert {name for name, one in document["services"].items() if "env_file" in one} == {"goodfit", "mlflow"}
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {".env", "s3.env", "secrets/", ".stack/"} <= set(ignored)


def dockerfile() -> list[str]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_image_has_stages_and_runs_as_nobody_special() -> None:
    lines = dockerfile()
    last = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]
    users = [line.split()[1] for line in last if line.startswith("USER ")]
    assert users == ["10001:10001"]
    assert last.index("USER 10001:10001") > max(n for n, line in enumerate(last) if line.startswith(("RUN", "COPY")))


def test_the_image_is_for_a_cpu_unless_built_otherwise() -> None:
    assert "ARG TORCH_BACKEND=cpu" in dockerfile()


def test_a_change_of_our_own_code_leaves_the_layer_of_the_libraries_as_it_is() -> None:
    stages = [stage.splitlines() for stage in re.split(r"(?m)^(?=FROM )", "\n".join(dockerfile())) if stage]
    libraries, own, runtime = stages
    assert not any(re.match(r"COPY (service|trainers|search_spaces)", line) for line in libraries)
    assert own[0] == "FROM libraries AS own"
    copied = [line for line in runtime if line.startswith("COPY --from")]
    assert copied == ["COPY --from=libraries /opt/goodfit /opt/goodfit", "COPY --from=own /opt/own /opt/own"]
    assert "--target /opt/own" in own[-1]


def test_what_the_image_is_made_from_has_an_exact_version(document: dict[str, Any]) -> None:
    bases = [line.split()[1] for line in dockerfile() if line.startswith("FROM ")]
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base) for base in bases if base != "libraries")
    assert re.fullmatch(r"postgres:\d+\.\d+-\w+", document["services"]["postgres"]["image"])
    [uv] = re.findall(r'"(uv==[\d.]+)"', (ROOT / "Dockerfile").read_text())
    assert uv in (ROOT / "constraints.txt").read_text().splitlines()


def test_installs_use_a_cache_and_leave_none_in_the_image() -> None:
    for line in dockerfile():
        if re.search(r"\b(pip|uv) (pip )?install\b", line):
            assert line.startswith("RUN --mount=type=cache,target=/root/.cache/"), line


def test_the_image_says_what_it_is() -> None:
    [label] = [line for line in dockerfile() if line.startswith("LABEL")]
    for name in ("title", "description", "licenses", "source", "version"):
        assert f"org.opencontainers.image.{name}=" in label


def test_only_what_the_image_needs_reaches_its_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = {
        word.rstrip("/")
        for line in dockerfile()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert {rule[1:].rstrip("/") for rule in rules if rule.startswith("!")} == copied
    for name in copied:
        assert (ROOT / name).exists()


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("a", "a"),
        ("${A}", "1"),
        ("x${A:-2}y", "x1y"),
        ("${B:-2}", "2"),
        ("${B:-}", ""),
        ("${B:-a:b,c*}", "a:b,c*"),
        ("${A:?say}", "1"),
        ("$$A", "$A"),
    ],
)
def test_variables_are_filled_in_as_compose_does(text: str, filled: str) -> None:
    assert compose.fill(text, {"A": "1"}) == filled


@pytest.mark.parametrize("text", ["${B}", "${B:?say}", "$A", "${A", "$(id)"])
def test_what_has_no_value_or_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(compose.ComposeError):
        compose.fill(text, {"A": "1"})


def test_an_unknown_service_is_named_with_those_there_are(document: dict[str, Any]) -> None:
    with pytest.raises(compose.ComposeError, match="no service nats; there are: postgres"):
        compose.service(document, "nats", {})
