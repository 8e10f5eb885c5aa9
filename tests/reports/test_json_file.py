"""The report on disk is whole at every moment, valid, and costs next to nothing to offer."""

import json
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from report_samples import reports, result

from prism_testkit.outcomes import Outcome
from prism_testkit.reports import json_file
from prism_testkit.reports.json_file import JsonFile
from prism_testkit.results import Report


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000.0
        monkeypatch.setattr(json_file, "time", SimpleNamespace(monotonic=lambda: self.now_s, time=time.time))


def read(path: Path) -> Report:
    return Report.model_validate_json(path.read_bytes())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(report=reports)
def test_what_is_written_is_read_back_equal(tmp_path: Path, report: Report) -> None:
    JsonFile(tmp_path / "report.json").finish(report)
    assert read(tmp_path / "report.json") == report
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_an_offer_is_never_complete_and_a_finish_is_what_it_says(tmp_path: Path) -> None:
    file = JsonFile(tmp_path / "report.json")
    report = Report(complete=True, exit_code=0, results=[result()])
    file.offer(report)
    assert read(file.path) == report.model_copy(update={"complete": False})
    assert report.complete
    file.finish(report)
    assert read(file.path) == report


def test_offers_are_written_once_an_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    file = JsonFile(tmp_path / "report.json", min_interval_s=1.0)
    written = []
    for number in range(25):
        file.offer(Report(seed=number))
        written.append(read(file.path).seed)
        clock.now_s += 0.1
    assert sorted(set(written)) == [0, 10, 20]
    file.finish(Report(seed=25))
    assert read(file.path).seed == 25


def test_writing_never_takes_more_than_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    file = JsonFile(tmp_path / "report.json")
    slowly = Report.model_dump_json

    def dump(self: Report, **options: int) -> str:
        clock.now_s += 2.0
        return slowly(self, **options)

    monkeypatch.setattr(Report, "model_dump_json", dump)
    file.offer(Report(seed=1))
    for seconds, seed in ((39.0, 1), (1.5, 3)):
        clock.now_s += seconds
        file.offer(Report(seed=3))
        assert read(file.path).seed == seed


def test_an_offer_out_of_turn_serialises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    file = JsonFile(tmp_path / "report.json")
    file.offer(Report())
    monkeypatch.setattr(Report, "model_dump_json", lambda self, **_: pytest.fail("serialised out of turn"))
    monkeypatch.setattr(Report, "model_copy", lambda self, **_: pytest.fail("copied out of turn"))
    for _ in range(1_000):
        file.offer(Report(complete=True))


def test_a_reader_never_sees_half_a_report(tmp_path: Path) -> None:
    file = JsonFile(tmp_path / "report.json", min_interval_s=0.0)
    small, large = Report(), Report(results=[result(check=f"check{n}") for n in range(300)])
    file.finish(small)
    done = threading.Event()
    seen: list[int] = []

    def look() -> None:
        while not done.is_set():
            try:
                seen.append(len(json.loads(file.path.read_text())["results"]))
            except ValueError:
                seen.append(-1)

    reader = threading.Thread(target=look)
    reader.start()
    rounds = 0
    while rounds < 50 or not {0, 300} <= set(seen):
        file.finish(large)
        file.finish(small)
        rounds += 1
    done.set()
    reader.join()
    assert set(seen) == {0, 300}


def test_a_failed_write_leaves_the_old_report_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    file = JsonFile(tmp_path / "report.json")
    file.finish(Report(seed=1))

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        file.offer(Report(seed=2))
        assert file.problem == f"{file.path}: the report could not be written: No space left on device"
        with pytest.raises(OSError, match="No space left"):
            file.finish(Report(seed=2))
    assert read(file.path).seed == 1
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    clock.now_s += 60
    file.offer(Report(seed=3))
    assert file.problem == ""
    assert read(file.path).seed == 3


def test_text_that_no_json_can_hold_does_not_cost_the_report(tmp_path: Path) -> None:
    file = JsonFile(tmp_path / "report.json")
    file.finish(Report(problems=["a \ud800 b"], results=[result(Outcome.ERROR, reason="\udfff")], seed=5))
    report = read(file.path)
    assert report.problems == ["a \\ud800 b"]
    assert report.results == [result(Outcome.ERROR, reason="\\udfff")]
    assert report.seed == 5


def test_a_good_path_passes_and_nothing_is_left(tmp_path: Path) -> None:
    JsonFile(tmp_path / "report.json").check_writable()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "report.json"
    with pytest.raises(ValueError, match="does not exist") as caught:
        JsonFile(path).check_writable()
    assert str(path) in str(caught.value)


def test_only_a_regular_file_is_replaced(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a regular file"):
        JsonFile(tmp_path).check_writable()
    with pytest.raises(ValueError, match="not a regular file"):
        JsonFile(os.devnull).check_writable()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a regular file"):
        JsonFile(tmp_path / "pipe").check_writable()


def test_a_directory_that_takes_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ValueError, match=r"report\.json: cannot be written: Permission denied"):
        JsonFile(tmp_path / "report.json").check_writable()


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in (".re[p]ort.json.0a.tmp", ".re[p]ort.json.0b.tmp", ".report.json.0c.tmp"))
    for path in (old, young, other):
        path.write_text("{")
    for path in (old, other):
        os.utime(path, (time.time() - 3_600, time.time() - 3_600))
    JsonFile(tmp_path / "re[p]ort.json").check_writable()
    assert sorted(tmp_path.iterdir()) == sorted([young, other])


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    JsonFile(tmp_path / "link.json").finish(Report(seed=4))
    assert (tmp_path / "link.json").is_symlink()
    assert read(tmp_path / "real.json").seed == 4


def test_permissions_are_ordinary(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    JsonFile(tmp_path / "report.json").finish(Report())
    assert (tmp_path / "report.json").stat().st_mode == (tmp_path / "plain").stat().st_mode
