#!/usr/bin/env python
"""Starts the proxy with the app's options as its settings, as a user without rights."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

DATA = Path("/data")
CONFIG = Path("/config")
USER = 65532
"""The image's user, and its group."""


def environment(options: Mapping[str, str | float | bool]) -> dict[str, str]:
    """Return the settings that these options stand for. Without a key the proxy listens on loopback only."""
    settings = {
        f"SPARK_AUDIO_{name.upper()}": ("on" if value else "off") if isinstance(value, bool) else str(value)
        for name, value in options.items()
    }
    open_to_network = options.get("api_key") or options.get("allow_anonymous")
    return settings | {
        "SPARK_AUDIO_HOST": "0.0.0.0" if open_to_network else "127.0.0.1",  # noqa: S104 - there is a key
        "SPARK_AUDIO_STATE_DIR": str(DATA / "state"),
        "HOME": str(DATA / "state"),
    }


def drop_rights() -> None:
    """Become the image's user, who owns the record of restarts and the files for SSH, and nothing else."""
    (DATA / "state").mkdir(exist_ok=True)
    for path in (DATA / "state", *(DATA / "state").iterdir(), *CONFIG.iterdir()):
        os.chown(path, USER, USER, follow_symlinks=False)
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


def main() -> None:
    """Become the proxy."""
    settings = environment(json.loads((DATA / "options.json").read_text()))
    drop_rights()
    if settings["SPARK_AUDIO_HOST"] == "127.0.0.1":
        print("No api_key is set: only Home Assistant and others on this machine reach the proxy.", file=sys.stderr)  # noqa: T201
    os.execvpe("spark-audio-proxy", ["spark-audio-proxy"], os.environ | settings)  # noqa: S606, S607 - the image's PATH


if __name__ == "__main__":
    main()
