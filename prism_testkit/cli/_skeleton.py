"""The text of a new backend: a module that runs at once, and whose failures say, method by method, what to write."""

import inspect
import json
import textwrap
from collections.abc import Iterator

from prism_testkit.interfaces import BESIDE, INTERFACES, interface_model
from prism_testkit.promises import promise_text, promises_of
from prism_testkit.registry import environment_name
from prism_testkit.signatures import methods_of

__all__ = ["MODELS", "conftest_text", "module_text"]

MODELS = tuple(dict.fromkeys(interface_model(identifier) for identifier in INTERFACES if identifier not in BESIDE))
"""What a skeleton can be of: one driver class serves one data model."""

_NAMES = ("queue", "target", "topic", "name", "stream", "group", "consumer", "bucket", "key")
_PAYLOADS = ("value", "payload", "data")
"""Parameters that are checked first, so that a refusal comes before any effect."""

_OTHERS = {
    "prefix": ("check_prefix", ""),
    "headers": ("check_headers", ""),
    "user_metadata": ("check_headers", ", room=1024"),
    "limit": ("check_limit", ""),
    "ttl_s": ("check_seconds", ""),
    "delay_s": ("check_seconds", ""),
    "visibility_s": ("check_seconds", ""),
    "timeout_s": ("check_timeout", ""),
}
"""Other parameters: which check there is of them, and what more it is told."""

# What to write, the promise that is broken first, and how it reads for the dict that an embedded skeleton keeps its data in.
_ADVICE = {
    "set": (1, "store `value` under `key`, replacing what was there", "self._data[key] = value"),
    "get": (2, "return the value of `key`, or None if it is missing", "return self._data.get(key)"),
    "delete": (4, "remove `key` and say whether it was present", "return self._data.pop(key, None) is not None"),
    "exists": (5, "say whether `key` is present", "return key in self._data"),
}


def conftest_text(name: str, module: str) -> str:
    """Return the conftest that registers the backend of ``module``."""
    return f'''"""Registers the backend {name!r} with prism-testkit: pytest --prism-backend={name}"""

import prism_testkit as prism

from {module} import backend


@prism.hookimpl
def prism_register_backends(registry):
    registry.add(backend)
'''


def module_text(name: str, module: str, server: bool, model: str = MODELS[0]) -> str:
    """Return the module: ``backend``, a driver class of one data model, and what it might claim later, commented out."""
    offered = [identifier for identifier in INTERFACES if interface_model(identifier) == model]
    stem = "".join(part.capitalize() for part in module.removeprefix("prism_").split("_"))
    driver = stem + INTERFACES[offered[0]].__name__.removesuffix("Basic")
    parts = [
        _header(name, driver, server, offered),
        _SERVER_PARTS if server else _EMBEDDED_PARTS,
        _class(driver, module, server, offered),
        _backend(name, driver, server),
    ]
    return "\n\n".join(part.strip("\n") + "\n" for part in parts)


def _header(name: str, driver: str, server: bool, offered: list[str]) -> str:
    more = "import asyncio\nfrom urllib.parse import urlsplit\n\n" if server else ""
    protocols = "".join(f"    {name},\n" for name in sorted(INTERFACES[identifier].__name__ for identifier in offered))
    return f'''"""The backend {name!r}.

    pytest --prism-backend={name}      runs every suite that fits what {driver} claims; failures say what to write next
    prism check {name}                 says what is missing for each interface
    prism list interfaces {offered[0]}    prints what is promised
"""

{more}from contextlib import asynccontextmanager

import prism_testkit as prism
from prism_testkit.interfaces import (  # noqa: F401  what is not claimed yet is there to be claimed
{protocols})

NAME = "{name}"
'''


_EMBEDDED_PARTS = '''
@asynccontextmanager
async def connect(place):
    """Yield what every driver gets: a connection, a pool. Here a dict of namespaces, which all clients of one place share.

    `place.directory` is a private folder for files, `place.clock` the clock to ask for the time.
    """
    yield place.shared


async def clean(client, prefix):
    """Remove every namespace that begins with `prefix`."""
    for namespace in [found for found in client if found.startswith(prefix)]:
        del client[namespace]
'''

_SERVER_PARTS = '''
@asynccontextmanager
async def connect(place):
    """Yield what every driver gets: a client of `place.url`, or a pool. It may hold a password: never print it."""
    raise NotImplementedError(
        "write connect in this module: open your client library's connection to place.url, yield it, close it afterwards"
    )
    yield


async def clean(client, prefix):
    """Remove every namespace that begins with `prefix`: of a case, of a run, of a run that was killed."""
    raise NotImplementedError("write clean in this module: remove every key of every namespace that begins with prefix")


async def ready(url):
    """Raise until the server is usable. Here: until it listens; better: until it answers your client's ping."""
    address = urlsplit(url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.close()


def command(binary, directory, port):
    """Return how the server is started: in the foreground, on that port of 127.0.0.1, all its files in `directory`."""
    return [binary, "--port", str(port), "--dir", str(directory)]
'''


def _class(driver: str, module: str, server: bool, offered: list[str]) -> str:
    basic, *flavours = offered
    claims = [f"    # {INTERFACES[flavour].__name__}," for flavour in flavours]
    state = "self._client, self._namespace = client, namespace" if server else "self._data = client.setdefault(namespace, {})"
    blocks = [*_methods(basic, basic, driver, module, server)]
    for flavour in flavours:
        lines = "\n\n".join(_methods(flavour, basic, driver, module, server)).splitlines()
        title = f"    # -- {INTERFACES[flavour].__name__}: uncomment this with the claim above"
        blocks += ["\n".join([title, *map(_commented, lines)])]
    return "\n".join(
        [
            f"class {driver}(",
            "    # To claim more, uncomment it, and its methods below.",
            *claims,
            f"    {INTERFACES[basic].__name__},",
            "):",
            "    def __init__(self, client, namespace):",
            f"        {state}",
            "",
            "\n\n".join(blocks),
        ]
    )


def _commented(line: str) -> str:
    return f"    # {line[4:]}" if line.strip() else "    #"


def _methods(identifier: str, basic: str, driver: str, module: str, server: bool) -> Iterator[str]:
    known = methods_of(INTERFACES[basic])
    kinds = methods_of(INTERFACES[identifier])
    for method in INTERFACES[identifier].__dict__:
        if method in kinds and (identifier == basic or method not in known):
            yield _method(identifier, method, kinds[method], f"{driver}.{method} in {module}.py", server)


def _method(identifier: str, method: str, kind: str, where: str, server: bool) -> str:
    wanted = getattr(INTERFACES[identifier], method)
    parameters = inspect.signature(wanted).parameters.values()
    bare = inspect.Signature([parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters])
    lines = ["    @asynccontextmanager"] if kind == "context" else []
    lines += [f"    async def {method}{bare}:"]
    lines += [f"        {line}" for line in _checks(method, [p.name for p in parameters if p.default is not None])]
    lines += [f"        {line}" for line in _other_checks(method, [p.name for p in parameters])]
    lines += ["        raise NotImplementedError(", *_advice(identifier, method, where, server), "        )"]
    return "\n".join([*lines, "        yield"] if kind != "coroutine" else lines)


def _checks(method: str, parameters: list[str]) -> Iterator[str]:
    names = [name for name in parameters if name in _NAMES]
    for name in names:
        yield f'prism.check_name({name}, "{method}", NAME)'
    for payload in (name for name in parameters if name in _PAYLOADS and names):
        yield f'{payload} = prism.check_payload({payload}, "{method}", NAME, {names[-1]})'


def _other_checks(method: str, parameters: list[str]) -> Iterator[str]:
    for name in (name for name in parameters if name in _OTHERS):
        check, more = _OTHERS[name]
        kept = "" if check == "check_prefix" else f"{name} = "  # which returns bytes, and most want text
        yield f'{kept}prism.{check}({name}, "{method}", NAME{more})'


def _advice(identifier: str, method: str, where: str, server: bool) -> Iterator[str]:
    """Yield the literals of one message: what to write where, the promise, and the line that does it over a dict."""
    number, what, code = _ADVICE.get(method, (0, "", "")) if identifier == MODELS[0] + "_basic" else (0, "", "")
    if not what:
        sentence = (getattr(INTERFACES[identifier], method).__doc__ or "").partition("\n")[0].rstrip(".")
        what = sentence[:1].lower() + sentence[1:]
    promise = f"{identifier}.{number}" if number else _about(identifier, method)
    yield from _literals(f"write {where}: {what}. ")
    yield from _literals(f"{promise}: {promise_text(promise)} ")
    if code and not server:
        yield from _literals(f"With a dict: {code}")


def _literals(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, 96, drop_whitespace=False, break_long_words=False):
        yield f"            {json.dumps(line, ensure_ascii=False)}"


def _about(identifier: str, method: str) -> str:
    """Return the first promise that names the method, else the first of the interface."""
    numbers = promises_of(INTERFACES[identifier])
    return next((f"{identifier}.{n}" for n, text in numbers.items() if f"`{method}`" in text), f"{identifier}.{min(numbers)}")


def _backend(name: str, driver: str, server: bool) -> str:
    if not server:
        return f"backend = prism.Backend(name=NAME, connect=connect, drivers=[{driver}], clean=clean)\n"
    return f'''# PRISM_{environment_name(name)}_URL, if it is set, names a server that is used, and none is started.
server = prism.Server(
    url="tcp://127.0.0.1:{{port}}",
    ready=ready,
    command=command,
    binary="{name}-server",  # looked up on PATH, then where a distribution puts it
    # wheel="package:path/inside",  # where pip can install the server
    # image="{name}:1",  # its container
    # version=version,  # async def version(url): the server's version; raises if it is a server of another kind
)

backend = prism.Backend(
    name=NAME,
    connect=connect,
    drivers=[{driver}],
    clean=clean,
    server=server,
    # traits=prism.Traits(durability="process"),  # claim what survives SIGKILL, and it is checked
)
'''
