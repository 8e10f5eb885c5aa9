"""How the harness starts an Apache Kafka of its own: one node that is broker and controller, made by a recipe."""

from collections.abc import Sequence
from pathlib import Path
from shutil import copytree

import prism_testkit as prism
from prism_backends.kafka.java import QUICK, Java, class_path, find_java
from prism_backends.kafka.recipe import recipe
from prism_backends.kafka.settings import AOT, AOT_OF, JARS, LOGS, PORT, SETTINGS, TEMPLATE, environment, overrides
from prism_backends.kafka.wire import broker
from prism_testkit.interfaces import errors

__all__ = ["server", "start_up"]

_RELEASES = {21: "3.9", 25: "4.0", 27: "4.1"}
"""By the level of the metadata that a cluster has which was formatted by that release: MetadataVersion.java."""


async def _ready(url: str) -> None:
    """Raise until a group can be joined: the topic that its coordinator needs is made when it is first asked for."""
    async with broker(url) as connection:
        await connection.require_group()


async def _version(url: str) -> str:
    async with broker(url) as connection:
        level = await connection.metadata_version()
    if not level:
        raise errors.ConfigError("it speaks Kafka's protocol, but is no Apache Kafka: it names no metadata.version")
    return _RELEASES.get(level, f"metadata.version {level}")


def _command(binary: str, directory: Path, port: int) -> Sequence[str]:
    java, home = find_java(), Path(binary)
    options = [*QUICK, *start_up(java, home), "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    main = ["-cp", class_path(home / JARS), "kafka.Kafka", str(directory / SETTINGS)]
    return [str(java.path), *options, *main, *overrides(directory / LOGS, str(port), "{port2}")]


def start_up(java: Java, home: Path) -> list[str]:
    """Return the option that reads the start-up cache, if there is one of this Java."""
    try:
        fits = (home / AOT_OF).read_text() == java.identity
    except OSError:
        fits = False
    return [f"-XX:AOTCache={home / AOT}"] if fits else []


async def _prepare(binary: str, directory: Path) -> None:
    copytree(Path(binary) / TEMPLATE, directory, dirs_exist_ok=True)


server = prism.Server(
    url="kafka://127.0.0.1:{port}",
    ready=_ready,
    version=_version,
    command=_command,
    prepare=_prepare,
    ports=2,
    image=f"apache/kafka:{recipe.version}",
    container_port=PORT,
    container_env=environment("{port}"),
    recipe=recipe,
)
