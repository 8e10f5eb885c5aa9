"""The decorator that declares a wrong one of the ninth round's queues: a driver, or what is below a right one."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from . import ninth_mail as mail
from . import ninth_tubes as tubes
from .ninth_desk import connector

__all__ = ["RIGHT", "declaring", "ninth"]

HOME = f"{__package__}.catalogue"


def ninth(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Return the backend ``zoo-queue-ninth-<name>`` of a driver, a server of tubes or a spool."""
    store = settings.pop("store", None)
    if issubclass(wrong, tubes.TubeQueue | tubes.Server):
        driver: Any = wrong if issubclass(wrong, tubes.TubeQueue) else tubes.TubeQueue
        below = wrong if issubclass(wrong, tubes.Server) else store or tubes.Server
        clean: Any = tubes.clean
    else:
        driver = wrong if issubclass(wrong, mail.MailQueue) else mail.MailQueue
        below = wrong if issubclass(wrong, mail.Spool) else store or mail.Spool
        clean = mail.clean
    if driver is not wrong:
        driver = new_class(wrong.__name__, (driver,))
    settings = {"clean": clean, "traits": driver.traits, **settings}
    return Backend(name=f"zoo-queue-ninth-{name}", connect=connector(below, "ninth"), drivers=[driver], **settings)


RIGHT: tuple[Backend[Any], ...] = (ninth("tubes", tubes.TubeQueue), ninth("mail", mail.MailQueue))
"""The ninth round's queues without a mistake."""


def declaring(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``queue_``."""
    return declaring_family(into, prefix="queue_", make=ninth, home=HOME)
