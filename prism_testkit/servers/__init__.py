"""How a real server comes to be and goes: given by URL, started as a process of ours, in a container.

    sweep(state)                                           # what killed runs left
    server = await start("valkey", backend.server, state=state, run_id=run)
    ...
    await server.stop()

One record a server lies under ``state/servers``; it is written before there is anything to clean up, so that a later run can
clean what a run that was killed with SIGKILL left.
"""

from prism_testkit.servers.fetching import fetch
from prism_testkit.servers.locate import Located, locate
from prism_testkit.servers.masking import mask
from prism_testkit.servers.records import Record, records
from prism_testkit.servers.running import RunningServer
from prism_testkit.servers.starting import start, start_private
from prism_testkit.servers.sweeping import leftovers, sweep
from prism_testkit.servers.unavailable import ServerUnavailable

__all__ = [
    "Located",
    "Record",
    "RunningServer",
    "ServerUnavailable",
    "fetch",
    "leftovers",
    "locate",
    "mask",
    "records",
    "start",
    "start_private",
    "sweep",
]
