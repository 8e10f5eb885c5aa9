"""The configuration of a claim check."""

import json
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from prism_patterns.config import PatternConfig

__all__ = ["ClaimCheckConfig"]

Name = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]


class ClaimCheckConfig(PatternConfig):
    """``threshold``: bytes; a payload over it is claimed. ``bucket`` and ``prefix``: where the objects lie, as
    ``<prefix>/<claim>``.

    ``compression`` and ``checksum`` are of the objects; everybody who uses one bucket and prefix must agree on them and on
    ``max_age_s``. ``claim_check_field``: the header that refers to a claim. ``cleanup``: ``on_ack`` removes a claim
    ``retention_after_ack_s`` after everybody acked it, or by its age; ``sweep`` by its age alone; ``retain`` never. A claim's
    age is over ``max_age_s + grace_period_s`` later than its upload; the grace must exceed the longest upload and the skew of
    clocks. ``consumers``: those whose ack a claim waits for; empty: any one.
    """

    threshold: int = Field(default=1024 * 1024, ge=0)
    bucket: Name = "claim-check"
    prefix: Name = "claims"
    compression: Literal["none", "gzip", "zstd"] = "none"
    checksum: Literal["sha256"] = "sha256"
    claim_check_field: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "prism-claim-check"
    cleanup: Literal["on_ack", "retain", "sweep"] = "sweep"
    max_age_s: Seconds = 86_400.0
    retention_after_ack_s: Seconds = 300.0
    grace_period_s: Seconds = 3_600.0
    consumers: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name, text in (("bucket", self.bucket), ("prefix", self.prefix)):
            if len(json.dumps(text, ensure_ascii=False).encode(errors="replace")) > _LONGEST[name]:
                raise ValueError(f"{name} is over {_LONGEST[name]} bytes in JSON, which leaves no room for the rest of a reference")
        if self.prefix.endswith("/"):
            raise ValueError("prefix ends with a slash, which is added anyway")
        if len(set(self.consumers)) < len(self.consumers):
            raise ValueError("consumers names somebody twice")
        return self


_LONGEST = {"bucket": 640, "prefix": 300}
