"""No credential of a URL is in a masked text, however it is spelt there."""

import json
from urllib.parse import quote

import pytest

from prism_testkit.servers import ServerUnavailable, mask
from prism_testkit.servers.masking import describe

SECRETS = ["hunter2", "p@ss/w:rd", "a b+c%", "quo'te\"s", "back\\slash", "ünï\u00e9", "new\nline", "x"]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_password_is_masked_in_every_spelling(secret: str) -> None:
    url = f"redis://somebody:{quote(secret, safe='')}@host:6379/0"
    for text in (secret, quote(secret), repr(secret), ascii(secret), json.dumps(secret), url, f"cannot connect to {url} now"):
        masked = mask(text, url)
        assert secret not in masked
        assert quote(secret, safe="") not in masked
        assert "***" in masked


def test_a_password_that_is_not_quoted_as_it_should_be_is_masked() -> None:
    assert "p@ss/w" not in mask("refused p@ss/w", "redis://:p@ss/w@host:6379/0")


def test_a_token_in_the_place_of_a_user_is_masked() -> None:
    assert mask("bad token s3cret-token", "nats://s3cret-token@host") == "bad token ***"


def test_a_password_among_the_options_is_masked() -> None:
    assert "s3cret" not in mask("AUTH s3cret", "unix:///run/redis.sock?db=0&password=s3cret")


def test_another_url_in_the_text_is_masked() -> None:
    assert mask("see amqp://guest:guest2@there/x", "redis://here") == "see amqp://***@there/x"


def test_what_holds_no_secret_stays() -> None:
    assert mask("cannot reach redis://host:6379/0 as a@b", "redis://host:6379/0") == "cannot reach redis://host:6379/0 as a@b"


def test_an_error_is_described_by_class_and_masked_text() -> None:
    assert describe(ValueError("no s3cret"), "redis://:s3cret@host") == "ValueError: no ***"
    assert describe(ValueError()) == "ValueError"


def test_the_error_says_which_why_and_what_to_do() -> None:
    error = ServerUnavailable("redis", "nothing there", "install it")
    assert str(error) == "redis: nothing there; install it"
    assert str(ServerUnavailable("redis", "nothing there")) == "redis: nothing there"
