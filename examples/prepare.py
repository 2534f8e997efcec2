"""Prepare a folder that wants tidying: copies of photos and invoices, and one archive that is too large.

python examples/prepare.py /tmp/downloads
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

OVERSIZED_BYTES = 3_000_000
"""From this size a file of the prepared folder is oversized."""

FILES = {
    "photos/beach.jpg": ("beach", 400_000),
    "photos/beach (copy).jpg": ("beach", 400_000),
    "phone/IMG_0042.jpg": ("beach", 400_000),
    "photos/mountain.jpg": ("mountain", 350_000),
    "invoices/2024-03.pdf": ("march", 60_000),
    "invoices/2024-04.pdf": ("april", 60_000),
    "invoice.pdf": ("march", 60_000),
    "backup/old-laptop.tar": ("laptop", 5_000_000),
    "notes.txt": ("notes", 1_200),
}
"""What lies in the folder: by path, from which word its content is made, and how long it is."""


def prepare(folder: Path) -> Path:
    """Write the files, each a second younger than the one before, and return the folder."""
    for age, (name, (word, size)) in enumerate(reversed(FILES.items())):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((f"{word} " * (size // (len(word) + 1) + 1)).encode()[:size])
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    return folder


if __name__ == "__main__":
    print(prepare(Path(sys.argv[1] if len(sys.argv) > 1 else "downloads")))
