import pytest

from wafer_core.whole_files import whole_file, write_whole


def test_the_newer_takes_the_place_of_the_older_and_nothing_lies_about(tmp_path):
    write_whole(tmp_path / "new" / "file", b"old")
    write_whole(tmp_path / "new" / "file", b"new")
    assert (tmp_path / "new" / "file").read_bytes() == b"new"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_what_fails_leaves_what_was_there(tmp_path):
    write_whole(tmp_path / "file", b"old")

    def interrupted():
        with whole_file(tmp_path / "file") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_nobody_sees_half_a_file(tmp_path):
    write_whole(tmp_path / "file", b"old")
    with whole_file(tmp_path / "file") as file:
        file.write(b"half")
        file.flush()
        assert (tmp_path / "file").read_bytes() == b"old"


def test_who_may_read_it_is_what_the_system_says_of_new_files(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_whole(tmp_path / "whole", b"")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode
