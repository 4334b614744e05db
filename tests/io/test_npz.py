import numpy as np
import pytest

from histokit.errors import DataError
from histokit.io.npz import read_array, read_npz

NUMBERS = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)


def test_arrays_are_mapped_and_archives_read(tmp_path):
    np.save(tmp_path / "a.npy", NUMBERS)
    found = read_array(tmp_path / "a.npy")
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, NUMBERS)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", x=NUMBERS, y=NUMBERS[0])
        archive = read_npz(tmp_path / "a.npz")
        assert sorted(archive) == ["x", "y"]
        np.testing.assert_array_equal(archive["x"], NUMBERS)


@pytest.mark.parametrize("read", [read_array, read_npz])
def test_python_objects_are_refused(tmp_path, read):
    path = tmp_path / "a.npz"
    if read is read_npz:
        np.savez(path, x=np.array([{}], object))
    else:
        path = tmp_path / "a.npy"
        np.save(path, np.array([{}], object))
    with pytest.raises(DataError, match="never read"):
        read(path)


@pytest.mark.parametrize("cut", [0, 4, 60, 150])
@pytest.mark.parametrize("read", [read_array, read_npz])
def test_truncated_files_are_told(tmp_path, read, cut):
    path = tmp_path / ("a.npz" if read is read_npz else "a.npy")
    if read is read_npz:
        np.savez_compressed(path, x=NUMBERS)
    else:
        np.save(path, NUMBERS)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"a\.np"):
        read(path)
