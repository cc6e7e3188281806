"""Packages of npm for tests that are marked `node`, installed once into the user's cache."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import platformdirs
import pytest

VERSIONS = {
    "axe-core": "4.10.3",
    "@foundry-rs/anvil": "1.7.1",
    "@oceanprotocol/ddo-js": "0.2.0",
    "azurite": "3.35.0",
}


def npm_folder(package: str) -> Path:
    """The folder whose `node_modules` has the package; skips the test if it cannot be installed."""
    version = VERSIONS[package]
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no Node.js and npm here")
    folder = Path(platformdirs.user_cache_dir("unionveil")) / "npm" / f"{package.replace('/', '-')}-{version}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", f"{package}@{version}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
        if done.returncode:
            pytest.skip(f"npm cannot install {package}: {done.stderr.strip()[-200:]}")
        (folder / "done").touch()
    return folder
