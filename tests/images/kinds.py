"""What the image of each server holds, and how it begins: so that what suits the official image suits this one."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from prism_backends.kafka.java import QUICK, class_path, find_java
from prism_backends.kafka.server import start_up
from prism_backends.kafka.settings import JARS

from .root import BIN, Root

__all__ = ["KINDS", "Changes", "Kind"]

Changes = Sequence[str]
"""Lines of a Containerfile."""
Kind = Callable[[str], tuple[Root, Changes]]
"""(what `locate` found) -> what the image holds, and how it begins."""

_HERE = Path(__file__).parent
_SHELL = Path("/bin/sh")
_ENTRY = "/entry"
_POSTGRES = 999
"""The number of its user, which is that of the official image."""
_PGDATA = "/var/lib/postgresql/data"
_ZONES = Path("/usr/share/zoneinfo")
_ACCOUNTS = f"root:x:0:0::/root:{_SHELL}\npostgres:x:{_POSTGRES}:{_POSTGRES}::/var/lib/postgresql:{_SHELL}\n"


def _entry(*words: str) -> str:
    return f"ENTRYPOINT {json.dumps(words)}"


def _program(options: Sequence[str] = (), folder: str = "/data") -> Kind:
    """Return the kind of a program that needs nothing but a folder; its options come before those of the container."""

    def kind(binary: str) -> tuple[Root, Changes]:
        root = Root()
        root.program(Path(binary))
        root.folder(folder, 0o777)
        root.folder("/root", 0o700)
        return root, [_entry(f"{BIN}/{Path(binary).name}", *options), "ENV HOME=/root", f"WORKDIR {folder}"]

    return kind


def _postgres(binary: str) -> tuple[Root, Changes]:
    """A tree beside the program, a shell for what initdb runs, and a user, for it refuses to be run by root."""
    root, programs = _with_shell("postgres.sh"), Path(binary).resolve().parent
    for name in ("postgres", "initdb"):
        root.program(programs / name)
    libraries, shared = (_told(programs / "pg_config", what) for what in ("--pkglibdir", "--sharedir"))
    root.tree(libraries, _is_for_builders)
    root.libraries(path for path in libraries.glob("*.so") if not _is_for_builders(path))
    root.tree(shared, lambda path: "man" in path.parts or "doc" in path.parts)
    for zone in filter(Path.is_file, (_ZONES / "UTC", _ZONES / "Etc/UTC", _ZONES / "GMT")):
        root.file(zone)  # that of a distribution has none of its own
    root.text("/etc/passwd", _ACCOUNTS)
    for name, mode in ((_PGDATA, 0o700), ("/var/run/postgresql", 0o755)):
        root.folder(name, mode, _POSTGRES)
    return root, [_entry(_ENTRY), "USER postgres", f"ENV PGDATA={_PGDATA}", f"ENV PATH={BIN}:/bin", "STOPSIGNAL SIGINT"]


def _is_for_builders(path: Path) -> bool:
    """Say whether it is for who compiles extensions, or compiles queries with the libraries of a compiler."""
    return path.suffix == ".a" or path.name.startswith("llvmjit") or bool({"pgxs", "bitcode", "pkgconfig"} & {*path.parts})


def _told(program: Path, option: str) -> Path:
    try:
        return Path(subprocess.run([program, option], capture_output=True, text=True, check=True).stdout.strip())
    except (OSError, subprocess.CalledProcessError) as error:
        raise OSError(f"{program} does not tell {option}: {error}") from error


def _kafka(home: str) -> tuple[Root, Changes]:
    """The Java of this machine, the jars, and the start-up cache, which fits both in these places only."""
    root, java = _with_shell("kafka.sh"), find_java()
    runtime = java.path.parent.parent
    root.program(java.path)
    root.tree(runtime)
    root.libraries(path for path in runtime.rglob("*.so"))
    root.tree(Path(home) / JARS)
    cache = start_up(java, Path(home))
    for option in cache:
        root.file(Path(option.partition("=")[2]))
    for name in ("/opt/kafka/config", "/var/lib/kafka/data", "/etc/kafka/docker", "/mnt/shared/config"):
        root.folder(name, 0o777)
    options = [option for option in QUICK if not option.startswith("-Xmx")]
    env = {
        "JAVA": str(java.path),
        "CLASSES": class_path(Path(home) / JARS),
        "OPTIONS": " ".join([*options, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]),
        "CACHE": " ".join(cache),
    }
    return root, [_entry(_ENTRY), *(f"ENV {name}={json.dumps(value)}" for name, value in env.items())]


def _with_shell(script: str) -> Root:
    root = Root()
    root.file(_SHELL)
    root.libraries([_SHELL])
    root.text(_ENTRY, (_HERE / script).read_text(encoding="utf-8"), 0o755)
    return root


# What the official images set too: they take connections from outside.
_OPEN = ("--bind", "0.0.0.0", "--protected-mode", "no", "--dir", "/data")

KINDS: Mapping[str, Kind] = {
    "kafka": _kafka,
    "minio": _program(),
    "nats": _program(),
    "postgres": _postgres,
    "redis": _program(_OPEN),
    "seaweedfs": _program(),
    "valkey": _program(_OPEN),
}
"""By the name of the server, whatever its release."""
