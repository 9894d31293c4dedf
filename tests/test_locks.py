"""Locks between processes."""

import hashlib
import os
import tempfile

import pytest

from actsearch._locks import making_alone


def test_a_link_in_the_shared_folder_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "precious").write_text("kept")
    database = tmp_path / "mlflow.db"
    name = hashlib.sha256(str(database).encode()).hexdigest()[:16]
    (tmp_path / f"actsearch-{os.getuid()}-{name}.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic links"), making_alone(database):
        pass
    assert (tmp_path / "precious").read_text() == "kept"
