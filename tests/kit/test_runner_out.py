"""Where the runner of a kit leaves its answers: whole in one move, or as they were."""

import os
import resource
import stat
from contextlib import contextmanager

import pytest

from wafer_core.kit.vectors import die_list


@pytest.fixture
def lot(tmp_path, small_lot):
    path = tmp_path / "lot.csv"
    path.write_bytes(die_list(small_lot))
    return path


@contextmanager
def full_disk():
    """Let no file grow beyond 64 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_answers_that_do_not_fit_leave_those_of_before(lot, recognise, capsys):
    out = lot.with_name("out.csv")
    out.write_text("of before")
    with full_disk():
        assert recognise.main([str(lot), "--out", str(out)]) == 2
    assert out.read_text() == "of before"
    assert {path.name for path in lot.parent.iterdir() if path.is_file()} == {"lot.csv", "out.csv"}
    assert capsys.readouterr().err == f"--out {out} cannot be written: file too large.\n"


def test_a_link_stays_a_link_and_a_missing_folder_is_named(lot, recognise, capsys):
    real, link = lot.with_name("real.csv"), lot.with_name("link.csv")
    real.write_text("of before")
    link.symlink_to(real)
    assert recognise.main([str(lot), "--out", str(link)]) == 0
    assert link.is_symlink()
    assert real.read_text().startswith("lot,wafer,")
    out = lot.with_name("nowhere") / "out.csv"
    assert recognise.main([str(lot), "--out", str(out)]) == 2
    assert f"--out {out} cannot be written: no such file or directory." in capsys.readouterr().err


def test_a_pipe_is_written_to_where_it_is(lot, recognise):
    pipe = lot.with_name("pipe")
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert recognise.main([str(lot), "--out", str(pipe)]) == 0
    assert os.read(reading, 1 << 16).startswith(b"lot,wafer,")
    os.close(reading)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
