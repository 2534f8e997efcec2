"""Other programs, which know nothing of us and read what we write.

What lives here: Mermaid in node, and a browser. What must not: rules. The law of this file: what a program says of a
picture is taken as it says it; what keeps it from saying anything is told loudly.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FILES = ("package.json", "package-lock.json", "parse.mjs")

NPM_SECONDS_MAX = 240
SECONDS_MAX = 120


class Unreachable(Exception):
    """Say that what a program is made of cannot be had."""


def mermaid_folder() -> Path:
    """Return a folder with Mermaid in it, as it is locked; what was installed once is there."""
    wanted = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    folder = Path(sys.prefix) / f"mermaid-{wanted}"
    if (folder / "done").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in FILES:
        shutil.copy(HERE / name, folder / name)
    install = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=NPM_SECONDS_MAX)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failed:
        raise Unreachable("the npm registry") from failed
    (folder / "done").touch()
    return folder


def told_by_mermaid(diagrams: Iterable[str], folder: Path) -> list[dict[str, str]]:
    """Let Mermaid read diagrams; return what it says of each: its kind, or an error."""
    done = subprocess.run(
        ["node", "parse.mjs"],
        cwd=folder,
        input=json.dumps(list(diagrams)),
        capture_output=True,
        check=True,
        text=True,
        timeout=SECONDS_MAX,
    )
    told: list[dict[str, str]] = json.loads(done.stdout)
    return told


BROWSER = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

LOOK = """
const told = [];
for (const svg of document.querySelectorAll("svg")) {
  const frame = svg.getBoundingClientRect();
  const boxOf = (one) => {
    const box = one.getBoundingClientRect();
    return { words: one.lastChild.textContent, left: box.left - frame.left, top: box.top - frame.top,
             right: box.right - frame.left, bottom: box.bottom - frame.top };
  };
  const texts = [...svg.querySelectorAll("text")].map(boxOf);
  const points = [];
  for (const line of svg.querySelectorAll("path.line")) {
    const length = line.getTotalLength();
    for (let at = 0; at <= length; at += 2) {
      const point = line.getPointAtLength(at);
      points.push([point.x, point.y]);
    }
  }
  told.push({ width: frame.width, height: frame.height, texts, points });
}
document.body.textContent = JSON.stringify(told);
"""


def seen_by_browser(pictures: Iterable[str], folder: Path) -> list[dict[str, Any]]:
    """Let a browser draw pictures; return for each its size, where its texts stand, and points on its lines."""
    page = folder / "page.html"
    body = "\n".join(pictures)
    page.write_text(f'<!DOCTYPE html><meta charset="utf-8"><body>{body}<script>{LOOK}</script></body>', "utf-8")
    look = [*BROWSER, f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(look, capture_output=True, check=True, text=True, timeout=SECONDS_MAX)
    told = done.stdout.partition("<body>")[2].partition("</body>")[0]
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", "\u00a0"), ("&amp;", "&")):
        told = told.replace(entity, sign)
    seen: list[dict[str, Any]] = json.loads(told)
    return seen
