"""Object storage over S3, without a server: names, what is written of a version, clocks, threads, and addresses."""

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from email.utils import formatdate

import pytest
from awaiting import HANGS_S, expect
from hypothesis import given
from hypothesis import strategies as st

import prism_testkit as prism
from prism_backends.objects import Description
from prism_backends.s3 import S3Client
from prism_backends.s3.names import beginning_of, name_of, path_of
from prism_backends.s3.places import bucket_of, prefix_of
from prism_backends.s3.serverclock import ServerClock
from prism_backends.s3.versions import HEADER, new_version, read_header
from prism_backends.s3.wire import Refused, Wire, insisting, translated
from prism_testkit.interfaces import errors

URL = "http://user:secret-word@127.0.0.1:1"


def on_a_loop(scenario: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Make a plain test of a scenario."""

    def test() -> None:
        asyncio.run(asyncio.wait_for(scenario(), HANGS_S))  # type: ignore[arg-type]

    test.__name__, test.__qualname__, test.__module__ = scenario.__name__, scenario.__qualname__, scenario.__module__
    return test


# Names


@given(name=st.binary(min_size=1, max_size=512), other=st.binary(min_size=1, max_size=512))
def test_a_name_comes_back_and_stands_below_no_other(name: bytes, other: bytes) -> None:
    path = path_of(name)
    assert name_of(path) == name
    assert len(path) <= 828
    assert all(0 < len(segment) <= 255 for segment in path.split("/"))
    assert not f"{path_of(other)}/".startswith(f"{path}/") or other == name
    assert path_of(other + name).startswith(beginning_of(other))


def test_a_long_name_and_the_one_it_begins_with_are_not_in_each_others_way() -> None:
    whole, longer = path_of(bytes(125)), path_of(bytes(126))
    assert len(whole) == 200
    assert longer.startswith(f"{whole}-/")
    assert beginning_of(bytes(125)) == whole


@pytest.mark.parametrize("path", ["", "zz", "-/00", "00-/00", "0" * 201])
def test_what_is_no_path_of_a_name_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"is not|substring not found"):
        name_of(path + "!")


def test_a_namespace_of_somebody_else_has_a_place_too() -> None:
    wire = Wire(URL, ServerClock(prism.RealClock()))
    namespace = "prism0123456700000000001"
    assert (bucket_of(wire, namespace), prefix_of(namespace)) == ("prism01234567", f"{namespace}/")
    places = {(bucket_of(wire, name), prefix_of(name)) for name in ("orders", "Orders", "é/..", "")}
    assert len(places) == 4
    for bucket, prefix in places:
        assert 3 <= len(bucket) <= 63
        assert not prefix_of(namespace).startswith(prefix)
    assert bucket_of(Wire(f"{URL}/mine", ServerClock(prism.RealClock())), namespace) == "mine"


# Versions


@given(
    content_type=st.none() | st.text(max_size=3000),
    metadata=st.dictionaries(st.text(min_size=1, max_size=40), st.text(max_size=40), max_size=12),
    deadline_s=st.just(math.inf) | st.floats(1, 1e18),
    data=st.binary(max_size=20),
)
def test_what_is_known_of_a_version_comes_back(
    content_type: str | None, metadata: dict[str, str], deadline_s: float, data: bytes
) -> None:
    version = replace(new_version(17, Description(content_type, None, metadata), len(data)), deadline_s=deadline_s)
    headers, tail = version.sealed()
    body = data + tail
    assert sum(len(name) + len(text) for name, text in headers.items()) < 1900
    got = read_header({**headers, "etag": '"e"'}, len(body))
    assert body[: got.size] == data
    whole = got if got.is_described else got.described(body[got.size :])
    assert whole.metadata() == version.metadata()
    assert whole.etag == '"e"'


def test_two_writes_of_the_same_are_told_apart_by_what_is_stored() -> None:
    version = new_version(17, Description())
    assert version.sealed()[1] != version.sealed()[1]


@pytest.mark.parametrize("text", ["", "1,2", "1,a,b,,16,", "1,a,1,,16,e", "1,a,1,x,16,"])
def test_what_no_driver_wrote_is_called_so(text: str) -> None:
    with pytest.raises(errors.CorruptPayload):
        read_header({HEADER: text}, 16).metadata()


# Clocks


class _Clock(prism.RealClock):
    def __init__(self, now_s: float) -> None:
        self.at_s = now_s

    def now_s(self) -> float:
        return self.at_s


def _heard(clock: _Clock, server: ServerClock, ahead_s: float, *later_s: float) -> None:
    for seconds in later_s:
        clock.at_s += seconds
        server.heard(formatdate(math.floor(clock.at_s + ahead_s), usegmt=True), clock.at_s - 0.01)


def test_a_clock_that_answers_agree_with_is_trusted() -> None:
    clock = _Clock(1_000_000.25)
    server = ServerClock(clock)
    _heard(clock, server, 0.0, 0.0, 0.7, 0.9, 5.0)
    assert server.earliest_s() == server.latest_s() == clock.at_s


@pytest.mark.parametrize("ahead_s", [-3600.0, -2.5, 2.5, 86_400.3])
def test_of_a_clock_that_answers_contradict_nothing_expires_early(ahead_s: float) -> None:
    clock = _Clock(1_000_000.25)
    server = ServerClock(clock)
    for _ in range(30):
        _heard(clock, server, ahead_s, 0.77)
        assert server.earliest_s() <= clock.at_s + ahead_s <= server.latest_s() + 1e-6
    assert server.latest_s() - server.earliest_s() < 0.2  # as more answers are heard
    clock.at_s -= 500.0  # it was set
    _heard(clock, server, ahead_s + 500.0, 0.0)
    assert server.earliest_s() <= clock.at_s + ahead_s + 500.0 <= server.latest_s() + 1e-6


def test_an_answer_without_a_date_tells_nothing() -> None:
    clock = _Clock(5.0)
    server = ServerClock(clock)
    server.heard("", 4.0)
    assert server.earliest_s() == 5.0


# Threads


@on_a_loop
async def test_a_write_that_is_cancelled_has_ended() -> None:
    client = S3Client(URL, prism.RealClock())
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(HANGS_S)
        done.set()

    call = asyncio.create_task(client.change("test", work))
    await asyncio.to_thread(begun.wait, HANGS_S)
    call.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
        call.cancel()
    assert not call.done()
    go_on.set()
    await asyncio.wait([call])
    assert call.cancelled()
    assert done.is_set()
    await client.close()


@on_a_loop
async def test_a_look_that_is_cancelled_is_left_to_itself() -> None:
    client = S3Client(URL, prism.RealClock())
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(HANGS_S)
        done.set()
        raise OSError("nobody wants to know")

    call = asyncio.create_task(client.look("test", work))
    await asyncio.to_thread(begun.wait, HANGS_S)
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    assert not done.is_set()
    go_on.set()
    await client.close()


@on_a_loop
async def test_what_waits_for_a_thread_is_never_begun_if_it_is_cancelled() -> None:
    client = S3Client(URL, prism.RealClock())
    go_on, did = threading.Event(), []
    busy = [asyncio.create_task(client.look("test", lambda: go_on.wait(HANGS_S))) for _ in range(16)]
    call = asyncio.create_task(client.change("test", lambda: did.append(1)))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])
    go_on.set()
    await asyncio.wait(busy)
    await client.close()
    assert did == []
    await expect(errors.Closed, client.look("test", lambda: None))


# Errors


@pytest.mark.parametrize(("status", "times", "called"), [(499, 2, 3), (499, 9, 4), (503, 2, 1)])
def test_what_a_server_gave_up_is_asked_for_again_a_few_times(status: int, times: int, called: int) -> None:
    calls = 0

    def work() -> str:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise Refused("ClientDisconnected", status)
        return "done"

    if called > times:
        assert insisting(work) == "done"
    else:
        with pytest.raises(Refused):
            insisting(work)
    assert calls == called


@pytest.mark.parametrize(
    "url", ["", "minio", "redis://user:secret-word@host", "http://", "http://user:secret-word/@host", "http://[secret-word"]
)
def test_an_address_that_is_none_is_refused_and_not_told(url: str) -> None:
    with pytest.raises(errors.ConfigError, match="the address of a server is") as caught:
        Wire(url, ServerClock(prism.RealClock()))
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError("read"), errors.OperationTimeout),
        (ConnectionResetError("reset"), errors.BackendUnavailable),
        (Refused("AccessDenied", 403), errors.AccessDenied),
        (Refused("", 403), errors.AccessDenied),
        (Refused("XMinioStorageFull", 400), errors.QuotaExceeded),
        (Refused("SlowDown", 429), errors.BackendUnavailable),
    ],
)
def test_what_a_request_raises_becomes_the_shared_error(error: Exception, kind: type[errors.PrismError]) -> None:
    got = translated(error, "acme: put 'b' 'k'")
    assert type(got) is kind
    assert str(got).startswith("acme: put 'b' 'k': ")


@on_a_loop
async def test_a_server_that_is_not_there_is_away() -> None:
    client = S3Client(URL, prism.RealClock())
    error = await expect(errors.BackendUnavailable, client.look("acme: get", lambda: client.wire.request("GET", "b", "k")))
    assert "secret-word" not in f"{error} {error.__cause__!r}"
    await client.close()
