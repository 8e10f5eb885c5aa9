"""Runs every benchmark, one after another: ``python -m benchmarks [NAME ...]``."""

import importlib
import sys

NAMES = (
    *("per_example", "tap", "step", "slopes", "checkers", "claim_check"),
    *("nats", "postgres", "redis", "minio", "fleet", "collection", "startup", "acceptance"),
)

if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        print(f"== {name}", flush=True)
        sys.argv[1:] = []
        importlib.import_module(f"benchmarks.{name}").main()
