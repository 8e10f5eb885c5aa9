"""Names that a file system, a URL or a line protocol takes for one another."""

import posixpath
from collections.abc import Iterator

__all__ = ["paths", "urls"]

_RESERVED_ENDS = (".", " ", "~", ":", "::$DATA", ".lnk", ".txt", ".gz", "~1", ".swp", ",v", ".part", ".DS_Store")


def paths(name: str, max_name: int) -> Iterator[str]:
    """The same path with other slashes, with ``.`` and ``..``, from the root, from home, on a drive; and normalised."""
    yield from (posixpath.normpath(name), name.rstrip("/"), name.lstrip("/"), posixpath.basename(name), posixpath.dirname(name))
    yield from (name.replace("/", other) for other in ("//", "\\", "/./", "/x/../", ":", "_", "\u2044", "%2F", "."))
    yield from (name.replace("\\", "/"), name.replace("/./", "/"), name.replace("//", "/"))
    yield from (
        f"{name}/",
        f"/{name}",
        f"./{name}",
        f"{name}/.",
        f"{name}/..",
        f"../{name}",
        f"x/../{name}",
        f"{name}/x/..",
        f"{name}//",
    )
    yield from (
        f"{name}\\",
        f"\\{name}",
        f".\\{name}",
        f"..\\{name}",
        f"{name}/x",
        f"{name}\\x",
        f"{name}//x",
        f"{name}/./x",
        f"{name}/y/../x",
    )
    yield from (
        f"~/{name}",
        f"C:{name}",
        f"C:\\{name}",
        f"//./{name}",
        f"\\\\?\\{name}",
        f".{name}",
        f"..{name}",
        f"-{name}",
        f"/{name}/",
    )
    yield from (f"%2e%2e/{name}", f"{name}/%2e", f"{name}%2Fx")
    yield from (name + end for end in _RESERVED_ENDS)
    stem, dot, extension = name.rpartition(".")
    if dot and stem:
        yield from (stem, f"{stem}.{extension.upper()}", f"{stem}.x")


def urls(name: str, max_name: int) -> Iterator[str]:
    """The name with a query, a fragment, parameters, a scheme or a host; and without."""
    yield from (name.partition(mark)[0] for mark in "?#;&")
    for mark in "?#;&":
        yield from (f"{name}{mark}", f"{name}{mark}x", f"{name}{mark}x=1")
    yield from (
        f"http://{name}",
        f"http://h/{name}",
        f"//h/{name}",
        f"file:{name}",
        f"mailto:{name}",
        f"user@{name}",
        f"{name}:80",
        f"{name}:",
    )
    yield from (
        f"?{name}",
        f"#{name}",
        f"{name}=",
        f"{name}=1",
        f"{name}[]",
        f"{name}[0]",
        f"{name}.0",
        f"{name}&{name}",
        f"{name},{name}",
    )
    yield from (
        f"{name} x",
        f"{name} 1",
        f"{name}\tx",
        f"{name} HTTP/1.1",
        f"{name}\r\nx: y",
        f"{name}\r\nDEL {name}",
        f"{name}: x",
        f" {name}: x",
    )
