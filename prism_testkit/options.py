"""The options of a run, read from the command line, then from the ini file, then the defaults."""

import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.bindings import Combine
from prism_testkit.checks import Level
from prism_testkit.plugin import COMBINE, LEVELS, SERVERS
from prism_testkit.selection import BackendSelection, split

__all__ = ["Options", "whole_run"]


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    backends: BackendSelection
    patterns: list[str]
    suites: list[str]
    require: list[str]
    combine: Combine
    level: Level
    server: str | None
    images: list[str]
    ini_images: list[str]
    strict: bool
    keep_servers: bool
    seed: int
    json: Path | None
    replay: Path | None
    hang_s: float

    @classmethod
    def read(cls, config: pytest.Config) -> "Options":
        """Read them; raise ``pytest.UsageError`` naming the option and what it may be."""
        words = split(_value(config, "backend") or [])
        for name in ("backend", "pattern", "suite", "require"):
            if config.getoption(f"prism_{name}") is not None and not split(config.getoption(f"prism_{name}")):
                raise pytest.UsageError(f"--prism-{name}: nothing is named (an empty variable of the shell?)")
        return cls(
            backends=BackendSelection(tuple(words or ["embedded"])),
            patterns=split(_value(config, "pattern") or []),
            suites=split(_value(config, "suite") or []),
            require=split(_value(config, "require") or []),
            combine=_choice(config, "combine", COMBINE),
            level=_choice(config, "level", LEVELS),
            server=_choice(config, "server", (*SERVERS, "")) or None,
            images=split(config.getoption("prism_image") or []),
            ini_images=split(config.getini("prism_image") or []),
            strict=bool(_value(config, "strict")),
            keep_servers=bool(_value(config, "keep_servers")),
            seed=_seed(config),
            json=_path(config, _value(config, "json")),
            replay=_existing(config, config.getoption("prism_replay")),
            hang_s=_seconds(config.getini("prism_hang_s")),
        )


def whole_run(config: pytest.Config, seed: int) -> str:
    """Return the command that runs the same again, with the same seed and in the same order."""
    sent: Any = getattr(config, "workerinput", {})  # of a worker of pytest-xdist
    words = [*sent.get("mainargv", ["", *config.invocation_params.args])[1:]]
    if not any(word.startswith("--prism-seed") for word in words):
        words.append(f"--prism-seed={seed}")
    order = (
        sent.get("randomly_seed", config.getoption("randomly_seed", None)) if config.pluginmanager.hasplugin("randomly") else None
    )
    if order is not None and not any("randomly" in word for word in words):
        words.append(f"--randomly-seed={order}")
    return shlex.join(["pytest", *map(str, words)])


def _value(config: pytest.Config, name: str) -> Any:
    given = config.getoption(f"prism_{name}")
    return config.getini(f"prism_{name}") if given is None else given


def _choice(config: pytest.Config, name: str, choices: tuple[str, ...]) -> Any:
    value = _value(config, name)
    if value not in choices:
        raise pytest.UsageError(f"ini option prism_{name}: expected one of {', '.join(filter(None, choices))}, found {value!r}")
    return value


def _path(config: pytest.Config, value: str | None) -> Path | None:
    return config.invocation_params.dir / value if value else None


def _existing(config: pytest.Config, value: str | None) -> Path | None:
    """Take a path from where pytest was called, else from the root, which is where the commands that are printed count from."""
    here = _path(config, value)
    return config.rootpath / value if here is not None and value and not here.exists() else here


def _seed(config: pytest.Config) -> int:
    sent = getattr(config, "workerinput", {}).get("prism", {}).get("seed")
    if sent is not None:
        return int(sent)
    value = _value(config, "seed")
    if value in (None, ""):
        return secrets.randbelow(2**32)
    try:
        return int(value)
    except ValueError:
        raise pytest.UsageError(f"ini option prism_seed: expected a whole number, found {value!r}") from None


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise pytest.UsageError(f"ini option prism_hang_s: expected seconds above 0, found {value!r}")
    return seconds
