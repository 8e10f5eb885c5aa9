"""``prism list``: backends, interfaces with their promises, patterns and suites. What is broken is listed with its reason."""

import argparse
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.cli._console import Parser, UsageError, say
from prism_testkit.cli._project import Project
from prism_testkit.interfaces import BESIDE, INTERFACES, interface_model
from prism_testkit.pattern import KINDS
from prism_testkit.promises import promises_of
from prism_testkit.registry import Offer, Registry
from prism_testkit.selection import closest
from prism_testkit.signatures import claimed, methods_of
from prism_testkit.suites import suite_modules
from prism_testkit.traits import Limits, Traits

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``prism list``."""
    made = Parser("list", "Say what there is: from the entry points of this environment and from conftest.py in this folder.")
    made.add_argument("what", nargs="?", help=f"one of {', '.join(_SECTIONS)}; all of them if left out")
    made.add_argument("names", nargs="*", help="only these; an interface is told with its promises, numbered as in reports")
    return made


def run(options: argparse.Namespace) -> int:
    """Print the sections. A broken registration is part of the answer, so the exit code is 0."""
    if options.what is not None and options.what not in _SECTIONS:
        raise UsageError(f"prism list: no {options.what!r}{closest(options.what, _SECTIONS)}; there are: {', '.join(_SECTIONS)}")
    project = Project.here()
    for number, section in enumerate([options.what] if options.what else _SECTIONS):
        if not options.what:
            say(("\n" if number else "") + section)
        for line in _SECTIONS[section](project, options.names):
            say(line if options.what else f"  {line}")
    return 0


def _chosen(names: Sequence[str], known: Sequence[str], what: str) -> list[str]:
    for name in names:
        if name not in known:
            raise UsageError(f"there is no {what} {name!r}{closest(name, known)}; there are: {', '.join(known) or 'none'}")
    return [name for name in known if name in names or not names]


# -- backends ------------------------------------------------------------------------------------------------------------------


def _backends(project: Project, names: Sequence[str]) -> Iterator[str]:
    found = project.found
    for name in names:
        if name not in project.backends:
            raise project.unknown(name)
    for name in [name for name in project.backends if name in names or not names]:
        backend = found.registry.backends.get(name)
        if backend is not None:
            yield from _backend(backend, found.registry)
        else:
            reason = found.refused.get(name) or found.missing.get(name, "it was not registered")
            first, *rest = reason.splitlines()
            yield f"{name:12} broken: {first}"
            yield from (f"{'':12} {line}" for line in rest)
    others = [reason for who, reason in found.refused.items() if who not in project.backends]
    others += [reason for who, reason in found.missing.items() if who not in project.backends]
    others += [str(error) for error in (project.conftest_error, project.hook_error) if error is not None]
    yield from (f"broken: {line}" for reason in others for line in reason.splitlines())


def _backend(backend: Backend[Any], registry: Registry) -> Iterator[str]:
    kind = "fake" if backend.fake else "real server" if backend.server is not None else "embedded"
    yield f"{backend.name:12} {kind:12} {registry.origins.get(backend.name, ('', ''))[1] or 'an object without a file'}"
    models = _by_model(registry.offers[backend.name])
    for model, offers in models.items():
        claims = ", ".join(offer.interface.removeprefix(f"{model}_") for offer in offers)
        yield f"{'':12} {model}: {claims}"
        own = [*_unusual(offers[0].traits, Traits()), *_unusual(offers[0].limits, Limits())]
        if own:
            yield f"{'':12} {model} claims {', '.join(own)}"
    for beside in BESIDE.keys() & registry.offers[backend.name].keys():
        having = [model for model, offers in models.items() if beside in claimed(offers[0].driver)]
        yield f"{'':12} {beside}: {', '.join(having)}"
    for warning in registry.warnings:
        if warning.startswith(f"{backend.name}: "):
            yield f"{'':12} note: {warning.removeprefix(f'{backend.name}: ')}"


def _by_model(offers: dict[str, Offer]) -> dict[str, list[Offer]]:
    models: dict[str, list[Offer]] = {}
    for identifier, offer in offers.items():
        if identifier in BESIDE:
            continue
        models.setdefault(interface_model(identifier), []).append(offer)
    return models


def _unusual(claim: Traits | Limits, default: Traits | Limits) -> Iterator[str]:
    for field in dataclasses.fields(claim):
        value = getattr(claim, field.name)
        if value != getattr(default, field.name):
            yield f"{field.name}={value!r}"


# -- interfaces ----------------------------------------------------------------------------------------------------------------


def _interfaces(project: Project, names: Sequence[str]) -> Iterator[str]:
    for name in _chosen(names, list(INTERFACES), "interface"):
        protocol = INTERFACES[name]
        promises = promises_of(protocol)
        summary = (protocol.__doc__ or "").partition("\n")[0]
        yield f"{name:22} {protocol.__name__:22} {len(promises):2} promises  {summary}"
        if names:
            yield f"{'':4}methods: {', '.join(methods_of(protocol))}"
            yield from (f"{'':4}{name}.{number}  {text}" for number, text in promises.items())


# -- patterns and suites -------------------------------------------------------------------------------------------------------


def _patterns(project: Project, names: Sequence[str]) -> Iterator[str]:
    registry = project.found.registry
    kinds = {name.partition(":")[0] for name in registry.patterns}
    known = sorted({*registry.patterns, *kinds}) if names else sorted(registry.patterns)
    for name in _chosen(names, known, "pattern"):
        if name in kinds:
            yield from _kind(name)
            continue
        made = registry.patterns[name].implementation
        yield f"{name:22} {made.__module__}.{made.__qualname__}"
        for slot in registry.needs[name].slots if names else ():
            ways = " | ".join("+".join(sorted(alternative)) for alternative in slot.alternatives)
            yield f"{'':4}{slot.name}{' (optional)' if slot.optional else ''}: {ways}"
    if not registry.patterns:
        yield "none is registered"


def _kind(name: str) -> Iterator[str]:
    for kind in KINDS.values():
        if kind.name == name:
            promises = promises_of(kind.protocol)
            summary = (kind.protocol.__doc__ or "").partition("\n")[0]
            yield f"{name:22} {kind.protocol.__name__:22} {len(promises):2} promises  {summary}"
            yield from (f"{'':4}{kind.promises}{number}  {text}" for number, text in promises.items())


def _suites(project: Project, names: Sequence[str]) -> Iterator[str]:
    modules: dict[str, str] = {}
    broken: list[str] = []
    for package, suite in sorted(project.found.registry.suites.items()):
        try:
            modules |= {name.rpartition(".")[2]: name for name in suite_modules(Registry(suites={package: suite})).values()}
        except Exception as error:  # whatever looking for a package raises, the other packages are listed
            broken.append(f"broken: {error}")
    broken += [f"broken: {why}" for name, why in project.found.missing.items() if name not in project.backends]
    for name in _chosen(names, sorted(modules), "suite"):
        yield f"{name:22} {modules[name]}"
    yield from broken


_SECTIONS: dict[str, Callable[[Project, Sequence[str]], Iterator[str]]] = {
    "backends": _backends,
    "interfaces": _interfaces,
    "patterns": _patterns,
    "suites": _suites,
}
