"""docker-compose.yml, Dockerfile and what goes with them: valid, closed to the outside, without secrets."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy import compose, plan, secret_file

ROOT = plan.ROOT
SECRETS = {"POSTGRES_PASSWORD": "p" * 48, "MLFLOW_DB_PASSWORD": "m" * 48, "RAY_AUTH_TOKEN": "r" * 48}


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


def test_every_volume_that_is_used_is_declared(document: dict[str, Any]) -> None:
    used = {str(one).split(":")[0] for service in document["services"].values() for one in service.get("volumes", [])}
    named = {volume for volume in used if re.fullmatch(r"[a-z-]+", volume)}
    assert named == set(document["volumes"])


def test_the_gpu_worker_is_a_profile_of_its_own(document: dict[str, Any]) -> None:
    worker = compose.service(document, "ray-worker-gpu", SECRETS)
    assert worker.profiles == ("gpu",)
    assert "--num-gpus=1" in worker.command
    assert all("gpu" not in service.get("profiles", []) for name, service in document["services"].items() if name != worker.name)  # fmt: skip  # noqa: E501


def test_mlflow_is_one_worker_without_jobs_on_a_database_of_its_own(document: dict[str, Any]) -> None:
    mlflow = compose.service(document, "mlflow", SECRETS)
    goodfit = compose.service(document, "goodfit", SECRETS)
    assert "--workers=1" in mlflow.command
    assert mlflow.environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert mlflow.environment["MLFLOW_BACKEND_STORE_URI"].endswith("@postgres:5432/mlflow")
    assert goodfit.environment["GOODFIT_DATABASE"].endswith("@postgres:5432/goodfit")
    assert SECRETS["POSTGRES_PASSWORD"] not in mlflow.environment["MLFLOW_BACKEND_STORE_URI"]


def test_the_ray_nodes_and_the_service_know_the_same(document: dict[str, Any]) -> None:
    nodes = [
        compose.service(document, name, SECRETS).environment for name in ("ray-worker", "ray-worker-gpu", "goodfit")
    ]
    assert nodes[0] == nodes[1] == nodes[2]
    head = compose.service(document, "ray-head", SECRETS)
    assert "--num-cpus=0" in head.command
    assert head.environment["RAY_AUTH_MODE"] == "token"


def test_no_password_stands_on_a_command_line(document: dict[str, Any]) -> None:
    for name in document["services"]:
        service = compose.service(document, name, SECRETS)
        assert not any(secret in part for secret in SECRETS.values() for part in service.command), name


def test_secrets_have_no_value_in_any_file_and_no_default() -> None:
    text = plan.COMPOSE.read_text()
    example = (ROOT / ".env.example").read_text()
    for name in SECRETS:
        assert re.search(rf"^{name}=$", example, re.MULTILINE), name
        assert set(re.findall(rf"\$\{{{name}[^}}]*\}}", text)) == {f"${{{name}:?run make .env}}"}
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {".env", "s3.env", ".stack/"} <= set(ignored)


def test_every_variable_of_the_example_is_one_of_the_compose_file() -> None:
    text = plan.COMPOSE.read_text()
    for name in re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE):
        assert f"${{{name}:" in text, name


def test_a_file_of_secrets_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    made = tmp_path / ".env"
    assert secret_file.main([str(ROOT / ".env.example"), str(made)]) == 0
    first = made.read_text()
    assert made.stat().st_mode & 0o777 == 0o600
    words = dict(re.findall(r"^([A-Z_]+)=(\w+)$", first, re.MULTILINE))
    assert set(words) == set(SECRETS)
    assert len(set(words.values())) == len(words)
    assert all(re.fullmatch(r"[0-9a-f]{48}", word) for word in words.values())
    assert secret_file.main([str(ROOT / ".env.example"), str(made)]) == 0
    assert made.read_text() == first


def dockerfile() -> list[str]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_image_has_stages_and_runs_as_nobody_special() -> None:
    lines = dockerfile()
    assert sum(line.startswith("FROM ") for line in lines) == 2
    last = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]
    users = [line.split()[1] for line in last if line.startswith("USER ")]
    assert users == ["10001:10001"]
    assert last.index("USER 10001:10001") > max(n for n, line in enumerate(last) if line.startswith(("RUN", "COPY")))


def test_the_image_is_for_a_cpu_unless_built_otherwise() -> None:
    assert "ARG TORCH_BACKEND=cpu" in dockerfile()


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
        compose.service(document, "nats", SECRETS)
