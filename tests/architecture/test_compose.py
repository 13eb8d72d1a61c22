"""docker-compose.yml and Dockerfile against the code: there is no container engine in CI, so every name is looked up.

Each check is a function that returns sentences about what is wrong, so that spoiled cases below can show it working.
"""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec

import pytest
import yaml

from pipeline.settings.loading import load_settings
from pipeline.supervisor.postgresql_server import SETTINGS, find_binaries
from pipeline.supervisor.redis_server import find_redis
from tests.support.paths import ROOT

SETTINGS_SOURCE = (ROOT / "pipeline" / "settings" / "loading.py").read_text()
KNOWN_ELSEWHERE = {"postgres": {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE"}}
QUEUES = {"hot", "bulk", "deliver_hot", "deliver", "pull", "webhooks", "fetch", "ops"}


def load() -> dict:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture
def compose() -> dict:
    return load()


def ours(compose: dict) -> dict[str, dict]:
    return {name: service for name, service in compose["services"].items() if "build" in service}


def words(command: list[str]) -> list[str]:
    """The program with its arguments; a `sh -c` line is taken apart."""
    if command[:2] == ["sh", "-c"]:
        line = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", re.sub(r"\$\$\([^)]*\)", "VALUE", command[2]))
        parts = line.replace('"', "").split()
        while parts and (parts[0] == "exec" or "=" in parts[0]):
            parts.pop(0)
        return parts
    return [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word) for word in command]


def problems_of_command(name: str, command: list[str]) -> list[str]:
    program, *arguments = words(command)
    if program == "afluente":
        return problems_of_afluente(name, arguments)
    if program == "celery":
        return problems_of_celery(name, arguments)
    if program == "python" and arguments[0] == "-m":
        return problems_of_module(name, arguments[1], arguments[2:])
    return [f"{name}: {program} is none of our programs"]


def problems_of_afluente(name: str, arguments: list[str]) -> list[str]:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    if "afluente" not in scripts:
        return [f"{name}: pyproject.toml declares no script afluente"]
    shown = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments, "--help"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [] if shown.returncode == 0 else [f"{name}: `afluente {' '.join(arguments)}`: {shown.stderr.strip()}"]


def problems_of_module(name: str, module: str, arguments: list[str]) -> list[str]:
    if find_spec(module) is None or find_spec(f"{module}.__main__") is None:
        return [f"{name}: there is no module {module} that can be run"]
    shown = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    return [
        f"{name}: {module} knows no option {option}"
        for option in arguments
        if option.startswith("--") and not re.search(rf"{option}\b", shown)
    ]


def problems_of_celery(name: str, arguments: list[str]) -> list[str]:
    import click
    from celery.bin.celery import celery
    from celery.bin.worker import worker

    if arguments[0] != "-A" or find_spec(arguments[1]) is None:
        return [f"{name}: {arguments[1]} is not a module with the Celery app"]
    command, options = arguments[2], arguments[3:]
    if command == "flower":
        import flower.options  # noqa: F401 - defines them
        from tornado.options import options as known

        return [f"{name}: flower knows no {o}" for o in options if o.partition("=")[0].lstrip("-") not in known]
    found = {"worker": worker}.get(command) or celery.commands.get(command)
    if found is None:
        return [f"{name}: celery knows no command {command}"]
    options_known = {flag for parameter in found.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [
        f"{name}: celery {command} knows no {o}" for o in options if o.startswith("-") and o not in options_known
    ]
    assert isinstance(found, click.Command)
    return unknown


def problems_of_environment(compose: dict) -> list[str]:
    found = []
    for name, service in compose["services"].items():
        for variable in service.get("environment", {}):
            known = variable in KNOWN_ELSEWHERE.get(name, set()) or f'"{variable}"' in SETTINGS_SOURCE
            if not known:
                found.append(f"{name}: nothing reads {variable}")
    return found


def problems_of_secrets(compose: dict) -> list[str]:
    found = []
    declared = set(compose["secrets"])
    used = set()
    for name, service in compose["services"].items():
        mounted = set(service.get("secrets", []))
        used |= mounted
        found += [f"{name}: the secret {secret} is not declared" for secret in mounted - declared]
        text = yaml.safe_dump({key: service.get(key) for key in ("environment", "command", "healthcheck")})
        for secret in set(re.findall(r"/run/secrets/(\w+)", text)) - mounted:
            found.append(f"{name}: reads /run/secrets/{secret}, which it does not mount")
        found += [
            f"{name}: {variable} holds a secret in clear"
            for variable, value in service.get("environment", {}).items()
            if re.search("PASSWORD|SECRET|KEY|URL|AUTH", variable) and not str(value).startswith("/run/secrets/")
        ]
    return found + [f"no service uses the secret {secret}" for secret in declared - used]


def test_each_part_gets_the_secrets_that_it_needs_and_no_others(compose):
    services = ours(compose)
    assert {name: set(services[name]["secrets"]) for name in ("beat", "flower")} == {
        "beat": {"broker_url"}, "flower": {"broker_url", "flower_auth"},
    }  # fmt: skip
    assert {name for name, service in services.items() if "api_keys" in service["secrets"]} == {"receiver"}
    for name in ("beat", "flower"):
        assert not [value for value in services[name]["environment"].values() if "database" in value or "keys" in value]


@pytest.mark.parametrize("program", ["beat", "flower"])
@pytest.mark.long
def test_beat_and_flower_start_with_the_broker_alone(compose, program, tmp_path, redis_url):
    """With the variables that the compose file gives them, their paths put into a folder of the test."""
    (tmp_path / "broker_url").write_text(redis_url)
    (tmp_path / "afluente.yaml").write_text("{}")
    given = ours(compose)[program]["environment"]
    environment = {
        name: value.replace("/run/secrets", str(tmp_path))
        .replace("/company", str(tmp_path))
        .replace("/data", str(tmp_path))
        for name, value in given.items()
    }
    options = ["--address=127.0.0.1", "--port=0"] if program == "flower" else ["--loglevel", "INFO"]
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "pipeline.app", program, *options],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(8)
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=20)
    assert "Traceback" not in said, said


def problems_of_health(compose: dict) -> list[str]:
    found = []
    for name, service in ours(compose).items():
        check = service.get("healthcheck", {}).get("test")
        command = " ".join(words(service["command"]))
        if check is None:
            continue
        if " worker " in command:
            node = re.search(r"-n (\S+)@%h", command).group(1)
            expected = f"{service['environment']['AFLUENTE_DATA']}/run/{node}.ready"
            if check != ["CMD", "test", "-f", expected]:
                found.append(f"{name}: the node {node} marks {expected}, the check looks at {check[-1]}")
            continue
        address = re.search(r"http://127\.0\.0\.1:(\d+)(/[\w/]+)", " ".join(check))
        port = re.search(r"--port[ =](\d+)", command).group(1)
        if address.group(1) != port:
            found.append(f"{name}: listens on {port}, the check asks {address.group(1)}")
        if address.group(2) not in health_paths(name):
            found.append(f"{name}: has no route {address.group(2)}")
    return found


def health_paths(name: str) -> set[str]:
    if name == "console":
        from pipeline.console.app import create_app as create_console

        return {route.path for route in create_console(load_settings({})).routes}
    if name == "flower":
        from flower.urls import handlers

        return {str(handler[0]).rstrip("$").lstrip("^") for handler in handlers if isinstance(handler, tuple)}
    from pipeline.intake.receiver.http import create_app

    return {route.path for route in create_app(load_settings({"AFLUENTE_CONFIG": ""})).routes}


def problems_of_ports(compose: dict) -> list[str]:
    found = []
    for name, service in compose["services"].items():
        for published in service.get("ports", []):
            listening = re.search(r"--port[ =](\d+)", " ".join(words(service["command"])))
            if listening is None or published.rsplit(":", 1)[1] != listening.group(1):
                found.append(f"{name}: publishes {published} and does not listen there")
            if name != "receiver" and not published.startswith("127.0.0.1:"):
                found.append(f"{name}: {published} is open to the network")
    return found


def problems_of_queues(compose: dict) -> list[str]:
    import celeryconfig

    known = {queue.name for queue in celeryconfig.task_queues}
    served: list[str] = []
    for service in ours(compose).values():
        match = re.search(r"-Q (\S+)", " ".join(words(service["command"])))
        served += match.group(1).split(",") if match else []
    found = [f"no worker takes from {queue}" for queue in sorted(known - set(served))]
    found += [f"there is no queue {queue}" for queue in sorted(set(served) - known)]
    return found + [f"several services take from {queue}" for queue in sorted(set(served)) if served.count(queue) > 1]


@pytest.mark.long
def test_every_command_exists_with_its_options(compose):
    assert [p for name, service in ours(compose).items() for p in problems_of_command(name, service["command"])] == []


def test_every_variable_is_read_by_somebody(compose):
    assert problems_of_environment(compose) == []


def test_secrets_come_by_file_and_reach_who_reads_them(compose):
    assert problems_of_secrets(compose) == []


def test_health_checks_ask_what_the_code_answers(compose):
    assert problems_of_health(compose) == []
    without = {name for name, service in compose["services"].items() if "healthcheck" not in service}
    assert without == {"migrate", "beat"}


def test_ports_are_listened_on_and_only_the_receiver_may_be_public(compose):
    assert problems_of_ports(compose) == []


def test_every_queue_has_one_worker_service_of_its_own(compose):
    assert problems_of_queues(compose) == []


def test_each_worker_service_is_named_after_its_queue(compose):
    for name, service in ours(compose).items():
        if name.startswith("worker-"):
            command = " ".join(words(service["command"]))
            assert f"-Q {name.removeprefix('worker-').replace('-', '_')} " in command
            assert f"-n {name.removeprefix('worker-')}@%h" in command


def test_the_program_that_supervises_runs_the_same_programs_with_the_same_options(compose):
    from pipeline.lanes import NODES

    assert {queue for _, queues, _ in NODES for queue in queues} == QUEUES
    source = (ROOT / "pipeline" / "supervisor" / "programs.py").read_text()
    for option in ("--without-gossip", "--without-mingle", "--max_tasks=10000"):
        assert option in source
        assert option in (ROOT / "docker-compose.yml").read_text()


def test_things_start_after_what_they_need(compose):
    services = compose["services"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services, name
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed], f"{name} waits for the health of {needed}"
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert "redis" not in services["receiver"]["depends_on"], "leads are taken while Redis is away"


def test_redis_takes_the_options_given_and_never_evicts(compose, tmp_path):
    command = words(compose["services"]["redis"]["command"])
    line = " ".join(command)
    assert "--maxmemory-policy noeviction" in line
    assert "--maxmemory " in line, "without a limit it never refuses, and takes the machine's memory"
    assert "--appendonly yes" in line
    options = [*command[1:], "--port", "0", "--dir", str(tmp_path), "--unixsocket", str(tmp_path / "s")]
    options[options.index("--save") + 1 : options.index("--save") + 1] = [""]  # the empty word that taking apart drops
    server = subprocess.Popen(
        [str(find_redis()), *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        for line in server.stdout:
            if "Ready to accept" in line or "ready to accept" in line:
                break
        else:
            pytest.fail("the options are not understood")
    finally:
        server.terminate()
        server.communicate(timeout=10)


def test_postgresql_takes_the_settings_given_and_logs_no_values(compose, services):
    command = compose["services"]["postgres"]["command"]
    given = dict(option.split("=") for option in command[2::2])
    for private in ("log_min_error_statement", "log_error_verbosity", "log_min_messages"):
        assert given[private] == SETTINGS[private]
    assert given["max_locks_per_transaction"] == SETTINGS["max_locks_per_transaction"]
    import psycopg2

    from pipeline.settings.installation import socket_folder

    connection = psycopg2.connect(host=str(socket_folder(services.data)), user="postgres")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM pg_settings WHERE name = ANY(%s)", (list(given),))
            assert {row[0] for row in cursor.fetchall()} == set(given)
    finally:
        connection.close()
    assert (find_binaries() / compose["services"]["postgres"]["healthcheck"]["test"][1]).exists()


def test_the_major_version_is_the_embedded_ones(compose):
    shown = subprocess.run(
        [find_binaries() / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    major = re.search(r"(\d+)[.]", shown).group(1)
    assert compose["services"]["postgres"]["image"].startswith(f"postgres:{major}.")


def test_every_variable_of_the_example_file_is_used_and_given_a_default():
    example = dict(
        line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if line and line[0] != "#"
    )
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text()))
    assert example == used


def test_the_image_copies_what_exists_and_holds_all_the_code_needs():
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (?!--)(.*) \S+$", dockerfile, re.MULTILINE) for word in line.split()]
    assert [path for path in copied if not (ROOT / path).exists()] == []
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(allowed) == sorted(copied)
    assert {"pipeline", "connectors", "mappings", "celeryconfig.py", "constraints.txt"} <= set(copied)


def test_the_image_runs_the_wheel_and_what_a_company_mounts_and_no_source_of_ours():
    _, build, image = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    assert re.search(r"^RUN \S+/pip install .*-c constraints\.txt \.$", build, re.MULTILINE), "not an editable install"
    assert re.findall(r"^COPY (.*)$", image, re.MULTILINE) == ["--from=packages /opt/venv /opt/venv"]
    home = re.search(r"AFLUENTE_HOME=(\S+)", image).group(1)
    assert "PYTHONSAFEPATH=1" in image
    for name, service in ours(load()).items():
        assert service["environment"]["AFLUENTE_HOME"] == home, name
        assert [volume for volume in service["volumes"] if volume.endswith(f":{home}:ro")], name


@pytest.mark.long
def test_the_image_runs_a_python_that_the_project_supports_and_not_as_root():
    dockerfile = (ROOT / "Dockerfile").read_text()
    version = re.search(r"FROM python:(\d+)\.(\d+)", dockerfile).groups()
    least = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert tuple(map(int, version)) >= tuple(map(int, least.removeprefix(">=").split(".")))
    assert re.search(r"^USER afluente$", dockerfile, re.MULTILINE)
    command = yaml.safe_load(re.search(r"^CMD (.*)$", dockerfile, re.MULTILINE).group(1))
    assert problems_of_command("CMD", command) == []
    port = re.search(r"^EXPOSE (\d+)$", dockerfile, re.MULTILINE).group(1)
    assert command[command.index("--port") + 1] == port


def spoil(change) -> dict:
    compose = copy.deepcopy(load())
    change(compose["services"])
    return compose


@pytest.mark.long
def test_spoiled_files_are_caught():
    """Each check has seen a case that must fail it."""

    def replace(service: str, old: str, new: str):
        def change(services: dict) -> None:
            services[service]["command"] = [word.replace(old, new) for word in services[service]["command"]]

        return change

    def command_problems(compose: dict) -> list[str]:
        return [p for name, service in ours(compose).items() for p in problems_of_command(name, service["command"])]

    assert command_problems(spoil(replace("migrate", "migrate", "upgrade")))
    assert command_problems(spoil(replace("receiver", "pipeline.intake", "pipeline.inbox")))
    assert command_problems(spoil(replace("receiver", "--port", "--listen")))
    assert command_problems(spoil(replace("worker-hot", "--without-mingle", "--without-mangle")))
    assert command_problems(spoil(replace("worker-hot", "pipeline.app", "pipeline.application")))
    assert command_problems(spoil(replace("beat", "beat", "drum")))
    assert command_problems(spoil(replace("flower", "--max_tasks", "--most_tasks")))
    assert problems_of_queues(spoil(replace("worker-pull", "pull", "push")))
    assert problems_of_queues(spoil(lambda services: services.pop("worker-ops")))
    assert problems_of_health(spoil(replace("receiver", "8080", "9090")))
    assert problems_of_health(spoil(replace("worker-hot", "hot@%h", "warm@%h")))
    assert problems_of_ports(spoil(replace("flower", "5555", "5556")))
    assert problems_of_ports(spoil(lambda services: services["flower"].update(ports=["5555:5555"])))

    def set_variable(name: str, value: str):
        return lambda services: services["receiver"]["environment"].update({name: value})

    assert problems_of_environment(spoil(set_variable("AFLUENTE_DATABSE_URL_FILE", "/run/secrets/database_url")))
    assert problems_of_secrets(spoil(set_variable("AFLUENTE_SECRET_KEYS", "in clear")))
    assert problems_of_secrets(spoil(lambda services: services["receiver"]["secrets"].remove("api_keys")))

    def wrong_path(services: dict) -> None:
        services["receiver"]["healthcheck"]["test"][-1] = "http://127.0.0.1:8080/health/fine"

    assert problems_of_health(spoil(wrong_path))


def test_the_settings_of_the_containers_load(tmp_path, compose):
    values = {
        "database_url": "postgresql://afluente:secret@postgres:5432/afluente",
        "broker_url": "redis://:secret@redis:6379/0",
        "secret_keys": "VGhlIGZpcnN0IGtleSBvZiB0aGUgdGVzdHMsIDMyIGI",
        "api_keys": "forms:ingest:key",
    }
    environment = {}
    for name, value in compose["services"]["receiver"]["environment"].items():
        secret = str(value).removeprefix("/run/secrets/")
        if secret in values:
            (tmp_path / secret).write_text(values[secret] + os.linesep)
            environment[name] = str(tmp_path / secret)
        else:
            environment[name] = str(value)
    (tmp_path / "afluente.yaml").write_text("{}\n")
    environment["AFLUENTE_HOME"] = str(tmp_path)
    environment["AFLUENTE_CONFIG"] = str(tmp_path / "afluente.yaml")
    settings = load_settings(environment)
    assert not settings.is_embedded_database
    assert not settings.is_embedded_broker
    assert settings.broker_url == values["broker_url"]
    assert [key.name for key in settings.api_keys] == ["forms"]
