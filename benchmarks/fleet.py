"""The real servers of a run, all at once: from the first of them being looked for until the last answers, with templates there.

python -m benchmarks.fleet [NAME ...]
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prism_backends.jetstream import jetstream
from prism_backends.kafka.backend import kafka
from prism_backends.minio.backend import minio
from prism_backends.nats import nats
from prism_backends.postgres import postgres
from prism_backends.valkey import valkey
from prism_testkit.backend import Backend
from prism_testkit.fleet import Fleet

BACKENDS: dict[str, Backend[Any]] = {each.name: each for each in (valkey, postgres, nats, jetstream, kafka, minio)}
TURNS = 5
LIMIT_S = 1.5


def main() -> None:
    wanted = {name: BACKENDS[name] for name in sys.argv[1:] or BACKENDS}
    with tempfile.TemporaryDirectory() as folder:
        alone = {name: min(_taken([wanted[name]], Path(folder), f"{name}{turn}")[0] for turn in range(2)) for name in wanted}
        together = sorted(_taken(list(wanted.values()), Path(folder), str(turn))[0] for turn in range(TURNS))
        _, reasons = _taken(list(wanted.values()), Path(folder), "last")
    for name, taken_s in alone.items():
        print(f"{name:12}{taken_s:8.2f} s alone  {reasons[name] or 'usable'}")
    print(f"together    {together[0]:8.2f} s at best, {together[TURNS // 2]:.2f} s in the middle of {TURNS}, limit {LIMIT_S} s")


def _taken(backends: Sequence[Backend[Any]], state: Path, run: str) -> tuple[float, dict[str, str]]:
    fleet = Fleet(state, f"bench{run}")
    began = time.perf_counter()
    fleet.start(backends)
    taken_s = time.perf_counter() - began
    fleet.stop()
    return taken_s, {name: endpoint.reason for name, endpoint in fleet.endpoints.items()}


if __name__ == "__main__":
    main()
