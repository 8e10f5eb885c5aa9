"""What the configurations of all patterns have in common: every key is checked, and a wrong one is a `ConfigError` in words."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from prism_testkit.interfaces.errors import ConfigError

__all__ = ["PatternConfig"]


class PatternConfig(BaseModel):
    """Base of a pattern's configuration: frozen, no unknown keys, and `ConfigError` for whatever is wrong, all of it at once."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            found = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'config'}: {_said(e)}" for e in error.errors())
            raise ConfigError(f"{type(self).__name__}: {found}") from None


def _said(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such key"
    return f"{str(error['msg']).removeprefix('Value error, ')}, found {error['input']!r:.80}"
