"""Pages that scripts write are what the scripts would write now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_table_of_known_layers_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "known_layers_table"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
