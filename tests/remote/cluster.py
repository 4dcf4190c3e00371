"""A build service for tests: BuildGrid on PostgreSQL, and workers of Hermes, all real and on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.remote.network import Network

ROOT = Path(__file__).parent.parent.parent
POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql/bin"))
BUILDGRID = Path(os.environ.get("HERMES_BUILDGRID", Path.home() / ".cache/hermes-test/buildgrid-0.4.4"))
"""A virtual environment with BuildGrid, which ``make buildgrid`` makes."""

_HERMES = (sys.executable, "-m", "hermes")
_LISTEN = "0A"
"""TCP_LISTEN of the kernel's net/tcp_states.h."""
_CONFIG = """\
server: [!channel {{address: "{host}:{port}", insecure-mode: true}}]
thread-pool-size: 64
connections:
  - !sql-connection &sql
    connection-string: "postgresql+psycopg2://bgd@/postgres?host={folder}/pg"
    pool-size: 20
    max-overflow: 40
    pool-pre-ping: true
storages: [!disk-storage &cas {{path: {folder}/cas}}]
caches: [!lru-action-cache &ac {{storage: *cas, max-cached-refs: 100000, allow-updates: true, cache-failed-actions: false}}]
schedulers:
  - !sql-scheduler &jobs
    sql: *sql
    storage: *cas
    action-cache: *ac
    property-set: !dynamic-property-set {{match-property-keys: [OSFamily, ISA, hermes, hermes-ids], wildcard-property-keys: [container-image]}}
    assigners: [!priority-age-assigner {{name: a, count: 2, interval: 0.05, jitter-factor: 0.02, failure-backoff: 0.2}}]
    bot-session-keepalive-timeout: 10
    session-expiry-timer-interval: 1
    poll-interval: 0.2
instances:
  - name: ""
    services: [!action-cache {{cache: *ac}}, !execution {{scheduler: *jobs}}, !cas {{storage: *cas}}, !bytestream {{storage: *cas}}]
"""
_TABLES = (
    "import sys; from sqlalchemy import create_engine; from buildgrid.server.sql.models import Base; "
    "Base.metadata.create_all(create_engine(sys.argv[1]))"
)


def reason_against() -> str:
    """Say why there can be no cluster here; nothing if there can."""
    if os.geteuid() != 0:
        return "only root starts PostgreSQL as another user"
    if not (POSTGRES / "initdb").exists():
        return "the Debian package postgresql is not installed"
    if not (BUILDGRID / "bin/bgd").exists():
        return "there is no BuildGrid: make buildgrid"
    return ""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _listens(process: int, port: int) -> bool:
    """Tell whether something listens at a port of TCP, in the network of a process."""
    lines = [
        line
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{process}/net/{name}").read_text().splitlines()[1:]
    ]
    return any((row := line.split())[1].endswith(f":{port:04X}") and row[3] == _LISTEN for line in lines)


class Cluster:
    """See the module. `start` and `stop` may be called again.

    With a ``network`` the server is its host ``server``, and each worker the host of its name.
    """

    def __init__(self, folder: Path, network: Network | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self._network = network
        self._host = network.addresses["server"] if network else "127.0.0.1"
        self.url = f"grpc://{self._host}:{self.port}"
        self.restarts = 0
        self.workers: list[subprocess.Popen[bytes]] = []
        self._server: subprocess.Popen[bytes] | None = None
        folder.chmod(0o755)

    def prepare(self) -> None:
        """Start PostgreSQL with an empty database."""
        data = self.folder / "pg"
        data.mkdir()
        shutil.chown(data, "postgres")
        self._postgres(
            "initdb",
            "-D",
            f"{data}/data",
            *["-A", "trust", "-U", "bgd", "-N", "--no-locale", "-E", "UTF8", "--no-instructions"],
        )
        quick = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off"
        options = f"-k {data} -c listen_addresses='' {quick}"
        self._postgres("pg_ctl", "-D", f"{data}/data", "-w", "-l", f"{data}/log", "-o", options, "start")
        connection = f"postgresql+psycopg2://bgd@/postgres?host={data}"
        subprocess.run([BUILDGRID / "bin/python", "-c", _TABLES, connection], check=True)
        (self.folder / "server.yml").write_text(
            _CONFIG.format(host=self._host, port=self.port, folder=self.folder)
        )

    def start(self) -> None:
        """Start the server."""
        with open(self.folder / "server.log", "ab") as log:
            self._server = subprocess.Popen(
                [*self._on("server"), BUILDGRID / "bin/bgd", "server", "start", self.folder / "server.yml"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if _listens(self._server.pid, self.port):
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "server.log").read_text()[-2000:])

    def kill_server(self) -> None:
        """End the server as a crash does."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def worker(
        self, name: str, *options: str, env: dict[str, str] | None = None, user: str | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a worker with a store of its own, which it finds again; by default as this user."""
        home = self.folder / f"worker-{name}"
        home.mkdir(exist_ok=True)
        if user:
            shutil.chown(home, user, user)
        with open(self.folder / f"{name}.log", "ab") as log:
            one = subprocess.Popen(
                [*self._on(name), *_HERMES, "worker", self.url, "--name", name, "--jobs", "1", *options],
                env={**os.environ, "HERMES_HOME": str(home), **(env or {})},
                stdout=log,
                stderr=log,
                cwd="/",
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )
        self.workers.append(one)
        return one

    def wait_for(self, name: str) -> None:
        """Wait until a worker has said that it takes work."""
        end = time.monotonic() + 60
        while self.url not in self.log(name):
            assert time.monotonic() < end, self.log(name)
            time.sleep(0.05)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def stop(self) -> None:
        """End all."""
        for one in self.workers:
            if one.poll() is None:
                one.send_signal(signal.SIGKILL)
        for one in self.workers:
            one.wait()
        self.kill_server()
        self._postgres("pg_ctl", "-D", f"{self.folder}/pg/data", "-m", "immediate", "stop")

    def blobs(self) -> dict[str, Path]:
        """The files of the storage."""
        return {one.name: one for one in (self.folder / "cas").rglob("*") if one.is_file()}

    def query(self, statement: str) -> str:
        """Return what the service's database answers, as text."""
        command = [POSTGRES / "psql", "-h", self.folder / "pg", "-U", "bgd", "-Atc", statement, "postgres"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def _on(self, name: str) -> list[str]:
        return self._network.on(name) if self._network else []

    def _postgres(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            ["runuser", "-u", "postgres", "--", POSTGRES / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the server keeps what it inherits
            stderr=subprocess.DEVNULL,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, (program, arguments)
