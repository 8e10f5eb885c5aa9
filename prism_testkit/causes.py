"""What broke a case, in words: from the exception that came out of it and the calls that were seen."""

import asyncio
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prism_testkit.hints import hint_of
from prism_testkit.interfaces import BESIDE
from prism_testkit.outcomes import Hung, Violation
from prism_testkit.records import CaseRecord
from prism_testkit.reports.compared import compared
from prism_testkit.reports.text import said
from prism_testkit.stuck import Deadlock, Livelock

__all__ = ["Cause", "cause_of", "judge"]

_HARNESS = Path(__file__).parent
_ASYNCIO = Path(asyncio.__file__).parent


@dataclass(frozen=True, slots=True)
class Cause:
    """What a failure says of it. ``beside``: it happened before or after the check, of which it says nothing."""

    message: str
    expected: str | None = None
    got: str | None = None
    trace: str = ""
    hint: str = ""
    beside: bool = False


def cause_of(error: BaseException) -> BaseException:
    """Take one exception out of a group: a violation if there is one."""
    while isinstance(error, BaseExceptionGroup):
        inner = error.exceptions
        error = next((e for e in inner if isinstance(e, Violation)), inner[0])
    return error


def judge(error: BaseException, record: CaseRecord, interfaces: Sequence[str], check: str = "") -> Cause:
    """Say what broke a case; ``interfaces`` are those that its slots are bound to, ``check`` is the file of the check."""
    hint = hint_of(error, record.entries, interfaces, check)
    if isinstance(error, Violation):
        if error.expected is None and error.got is None:
            return Cause(error.message, hint=hint)
        return Cause(error.message, *compared(error.expected, error.got), hint=hint)
    pending = record.pending() or "the backend"
    if isinstance(error, Hung):
        waited = str(error).removeprefix("no progress for ")
        return Cause(f"{pending} did not return within {waited} of real time", trace=_trace(error), hint=hint)
    if isinstance(error, Deadlock | Livelock):
        return Cause(f"{pending} never returned: {error}", hint=hint)
    if isinstance(error, AssertionError):
        return Cause(str(error).strip() or "an assertion of the check does not hold", trace=_trace(error), hint=hint)
    around = getattr(error, "prism_around", "")
    call = record.raised_by(error)
    if around and not call:
        # A check of beginnings and endings judges these calls, too.
        beside = hasattr(error, "prism_beside") and not hasattr(error, "prism_promise") and BESIDE.keys().isdisjoint(interfaces)
        return Cause(f"{around} raised {said(error)}", trace=_trace(error), hint=hint, beside=beside)
    return Cause(f"{f'{call} raised' if call else 'the check met'} {said(error)}", trace=_trace(error), hint=hint)


def _trace(error: BaseException) -> str:
    """Return the innermost frames that are neither the harness's nor asyncio's."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not Path(f.filename).is_relative_to(_HARNESS)]
    return "".join(traceback.format_list([f for f in frames if not Path(f.filename).is_relative_to(_ASYNCIO)][-4:]))
