"""Streams that several processes append to and read at once: one log, the same for all."""

from random import Random
from typing import Annotated

from prism_suites._processes import PROCESSES, STEPS, perform, seeds
from prism_suites._stream_racing import Recorder
from prism_testkit.case import Case
from prism_testkit.checkers.logs import Append, Read
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic
from prism_testkit.killing import Step
from prism_testkit.traits import Traits


def _steps(process: int, seed: int) -> list[Step]:
    random = Random(f"{seed} {process}")
    kinds = random.choices(("append", "read"), (3, 1), k=STEPS)
    return [(kind, ("s", b"%d.%d" % (process, step)) if kind == "append" else ("s",)) for step, kind in enumerate(kinds)]


@check("stream_basic.12", "stream_basic.2", "stream_basic.3", "stream_basic.4", "stream_basic.13")
@gauntlet(seeds)
async def processes_append_to_one_log(stream: Annotated[StreamBasic, Traits(sharing="processes")], case: Case, seed: int) -> None:
    """Every process reads the same records at the same offsets, and those that it or another one had appended before."""
    told = perform(case, "stream_basic.12", [_steps(number, seed) for number in range(PROCESSES)])
    told += perform(case, "stream_basic.12", [[("read", ("s",))]])
    log = Recorder("s")
    for call in told:
        if call.op == "append":
            log.events.append(Append(call.arguments[1], call.result, call.call, call.ret))
        else:
            records = tuple((record.offset, bytes(record.payload)) for record in call.result)
            log.events.append(Read(records, call.call, call.ret, 0, None))
    log.judge()
