"""Who is here: backends, patterns and suites, and what each backend offers. A wrong registration costs itself, not the run."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prism_testkit.backend import Backend, Server
from prism_testkit.interfaces import BESIDE, INTERFACES, interface_model
from prism_testkit.pattern import KINDS, Pattern, Suite, methods_missing
from prism_testkit.promises import promise_text
from prism_testkit.signatures import claimed, mismatches, unclaimed
from prism_testkit.slots import Needs, SlotError, needs_of
from prism_testkit.traits import Limits, Traits

__all__ = ["NAME", "Offer", "RegistrationError", "Registry", "environment_name", "server_url"]

NAME = re.compile(r"[a-z][a-z0-9@-]*")
"""What a backend may be called."""


class RegistrationError(Exception):
    """What was registered cannot be used; the message names who, what, expected and found. ``name`` is its own, if it has one."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class Offer:
    """One interface as one backend offers it: by which driver class, with which claims.

    What stands beside a data model (`BESIDE`) several drivers may have; the offer is that of one of them.
    """

    interface: str
    driver: Any
    traits: Traits
    limits: Limits


@dataclass
class Registry:
    """Filled by the hooks. A backend or pattern that is refused is in ``refused`` where that is given, so that it costs itself and
    not what its hook adds after it; else, and for what has no name of its own, ``add`` raises `RegistrationError`."""

    backends: dict[str, Backend[Any]] = field(default_factory=dict)
    patterns: dict[str, Pattern] = field(default_factory=dict)
    suites: dict[str, Suite] = field(default_factory=dict)
    offers: dict[str, dict[str, Offer]] = field(default_factory=dict)
    needs: dict[str, Needs] = field(default_factory=dict)
    """For each pattern what its implementation is made from."""
    warnings: list[str] = field(default_factory=list)
    origins: dict[str, tuple[str, str]] = field(default_factory=dict)
    """For each backend and pattern ``("module", name)`` or ``("file", path)``, from which another process can import it again."""
    seen: dict[str, Backend[Any]] = field(default_factory=dict)
    """Every backend that was handed to `add`, those that were refused included; the first of a name."""
    adding: str = ""
    """Who is registering, for messages."""
    origin: tuple[str, str] = ("", "")
    refused: dict[str, str] | None = None

    def add(self, thing: object) -> None:
        """Register a Backend, Pattern or Suite, or refuse it for anything wrong with it."""
        try:
            self._add(thing)
        except RegistrationError as error:
            if self.refused is None or not error.name:
                raise
            self.refused[error.name] = str(error)

    def _add(self, thing: object) -> None:
        if isinstance(thing, Backend):
            self._add_backend(thing)
        elif isinstance(thing, Pattern):
            self._add_pattern(thing)
        elif isinstance(thing, Suite):
            if thing.package in self.suites:
                raise RegistrationError(f"{self.adding}: the suite {thing.package!r} is registered twice")
            self.suites[thing.package] = thing
        else:
            raise RegistrationError(f"{self.adding}: expected a Backend, Pattern or Suite, found {type(thing).__name__}: {thing!r}")

    def _add_pattern(self, pattern: Pattern) -> None:
        name = pattern.full_name
        if not NAME.fullmatch(pattern.kind) or not NAME.fullmatch(pattern.name):
            raise RegistrationError(f"{self.adding}: pattern: expected kind and name like {NAME.pattern}, found {name!r}")
        self.origins.setdefault(name, self.origin)
        if not isinstance(pattern.implementation, type):
            raise RegistrationError(f"{self.adding}: pattern {name!r}: expected a class, found {pattern.implementation!r}", name)
        try:
            needs = needs_of(pattern.implementation)
        except SlotError as error:
            raise RegistrationError(f"{self.adding}: pattern {name!r} is refused: {error}", name) from error
        kind = next((known for known in KINDS.values() if known.name == pattern.kind), None)
        missing = methods_missing(pattern.implementation, kind.protocol) if kind is not None else []
        if kind is not None and missing:
            where = f"{pattern.implementation.__module__}.{pattern.implementation.__qualname__}"
            why = f"is refused: {where}: expected the methods of {kind.protocol.__name__}, found no {', '.join(missing)}"
            raise RegistrationError(f"{self.adding}: pattern {name!r} {why}", name)
        if name in self.patterns:
            raise RegistrationError(f"{self.adding}: the pattern {name!r} is registered twice", name)
        self.patterns[name] = pattern
        self.needs[name] = needs

    def _add_backend(self, backend: Backend[Any]) -> None:
        name = backend.name
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise RegistrationError(f"{self.adding}: backend name: expected {NAME.pattern}, found {name!r}")
        self.seen.setdefault(name, backend)
        self.origins.setdefault(name, self.origin)
        for other in self.backends:
            if environment_name(other) == environment_name(name):
                both = f"{name!r}" if other == name else f"{name!r} and {other!r} (both PRISM_{environment_name(name)}_URL)"
                raise RegistrationError(f"{self.adding}: the backend {both} is registered twice", name)
        offers, problems = self.examine(backend)
        if problems:
            raise RegistrationError(f"{self.adding}: backend {name!r} is refused:\n" + "\n".join(f"  {p}" for p in problems), name)
        self.backends[name] = backend
        self.offers[name] = offers

    def examine(self, backend: Backend[Any]) -> tuple[dict[str, Offer], list[str]]:
        """Return what a backend offers and every reason to refuse it, each with where, expected and found; register nothing."""
        problems = list(_backend_problems(backend))
        offers = dict(self._offers(backend, problems))
        problems += _waiver_problems(backend, offers)
        return offers, problems

    def _offers(self, backend: Backend[Any], problems: list[str]) -> Iterator[tuple[str, Offer]]:
        models: dict[str, str] = {}
        for driver in backend.drivers:
            if not isinstance(driver, type):
                problems.append(f"drivers: expected a class, found {type(driver).__name__}: {driver!r}")
                continue
            where = f"{driver.__module__}.{driver.__qualname__}"
            ids = claimed(driver)
            self.warnings += [
                f"{backend.name}: {where} has every method of {INTERFACES[i].__name__} but does not inherit it: not claimed"
                for i in unclaimed(driver)
            ]
            if not ids:
                problems.append(
                    f"{where}: expected a class that inherits an interface such as KeyValueBasic, found bases {_bases(driver)}"
                )
                continue
            found = {interface_model(i) for i in ids if i not in BESIDE}
            if not found:
                problems.append(f"{where}: expected a data model beside {', '.join(ids)}, found bases {_bases(driver)}")
            if len(found) > 1:
                problems.append(f"{where}: expected one data model a class, found {', '.join(sorted(found))}")
            for model in found:
                if models.setdefault(model, where) != where:
                    problems.append(f"{where}: expected one driver class for {model}, found {models[model]} too")
            problems += dict.fromkeys(text for i in ids for text in mismatches(driver, INTERFACES[i]))
            traits, limits = getattr(driver, "traits", backend.traits), getattr(driver, "limits", backend.limits)
            if not isinstance(traits, Traits):
                # What the driver took over from the backend is reported there.
                problems += [f"{where}.traits: expected Traits(...), found {traits!r}"] if hasattr(driver, "traits") else []
                continue
            if not isinstance(limits, Limits):
                # What the driver took over from the backend is reported there.
                problems += [f"{where}.limits: expected Limits(...), found {limits!r}"] if hasattr(driver, "limits") else []
                continue
            for identifier in ids:
                yield identifier, Offer(identifier, driver, traits, limits)


def environment_name(backend: str) -> str:
    """Return the middle of ``PRISM_<NAME>_URL``: upper case, every other character an underscore."""
    return re.sub(r"[^A-Z0-9]", "_", backend.upper())


def server_url(backend: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the address given for a backend's server, or the empty string."""
    return environ.get(f"PRISM_{environment_name(backend)}_URL", "")


def _bases(driver: type) -> str:
    return ", ".join(base.__name__ for base in driver.__bases__)


def _backend_problems(backend: Backend[Any]) -> Iterator[str]:
    if not callable(backend.connect):
        yield f"connect: expected a function of a Place that returns an async context manager, found {backend.connect!r}"
    if not backend.drivers:
        yield "drivers: expected at least one driver class, found none"
    for name, kind in (("traits", Traits), ("limits", Limits)):
        if not isinstance(getattr(backend, name), kind):
            yield f"{name}: expected {kind.__name__}(...), found {getattr(backend, name)!r}"
    if backend.server is not None and not isinstance(backend.server, Server):
        yield f"server: expected Server(...) or None, found {backend.server!r}"
    if backend.clock not in (None, "virtual", "real"):
        yield f"clock: expected 'virtual', 'real' or None, found {backend.clock!r}"


def _waiver_problems(backend: Backend[Any], offers: Mapping[str, Offer]) -> Iterator[str]:
    for waiver in backend.waivers:
        interface = waiver.promise.rpartition(".")[0]
        if interface in INTERFACES and not promise_text(waiver.promise):
            yield f"waivers: {waiver.promise!r} is no promise of {interface}"
        elif interface in INTERFACES and interface not in offers:
            yield f"waivers: {waiver.promise!r} is waived, but {interface} is not claimed"
