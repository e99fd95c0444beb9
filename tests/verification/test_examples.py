"""The user's own examples."""

from pathlib import Path

import numpy as np
import pytest

from reconstruct.errors import ReadError
from reconstruct.verification.examples import read_examples


def test_arrays_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    arrays = {f"{k}{i}": np.full((2, 1), i) for i in (10, 2, 1, 0, *range(3, 10)) for k in "xy"}
    np.savez(tmp_path / "e.npz", **arrays)
    xs, ys = read_examples(str(tmp_path / "e.npz"))
    assert [int(x[0, 0]) for x in xs] == [int(y[0, 0]) for y in ys] == list(range(11))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x0": np.ones(1)}, "has no examples"),
        ({"x0": np.ones((0, 2)), "y0": np.ones((0, 1))}, "has no rows"),
        ({"inputs": np.ones(1), "outputs": np.ones(1)}, "has no examples"),
        ({"x0": np.ones(1), "y0": np.array([{}], dtype=object)}, "no .npz of examples"),
    ],
    ids=["no outputs", "no rows", "other names", "pickled"],
)
def test_what_is_no_file_of_examples(tmp_path: Path, arrays: dict[str, np.ndarray], says: str) -> None:
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(ReadError, match=says):
        read_examples(str(tmp_path / "e.npz"))


@pytest.mark.parametrize("content", [None, b"", b"text", b"PK\x03\x04"])
def test_what_is_no_npz(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "e.npz").write_bytes(content)
    with pytest.raises(ReadError, match=r"no \.npz of examples" if content is not None else "there is no file"):
        read_examples(str(tmp_path / "e.npz"))
