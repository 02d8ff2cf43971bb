"""Nothing half-written under a final name, and errors that name the file."""

import errno

import pytest

from signaltok.files import atomic_file, atomic_folder, write_text


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "before")
    with pytest.raises(RuntimeError, match="interrupted"), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("interrupted")
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_said_in_words(tmp_path):
    path = tmp_path / "a.bin"
    write_text(path, "before")
    expected = pytest.raises(OSError, match=r"no space left while writing .*a\.bin; free some space")
    with expected as caught, atomic_file(path) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.errno == errno.ENOSPC
    assert path.read_text() == "before"


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "folder"
    with atomic_folder(target) as folder:
        (folder / "one").write_text("1")
    with pytest.raises(RuntimeError), atomic_folder(target) as folder:
        (folder / "two").write_text("2")
        raise RuntimeError
    assert [p.name for p in target.iterdir()] == ["one"]
    with atomic_folder(target) as folder:
        (folder / "three").write_text("3")
    assert [p.name for p in target.iterdir()] == ["three"]
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(ValueError, match="x is a file"), atomic_folder(tmp_path / "x"):
        pass
