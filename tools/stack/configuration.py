"""What a new Home Assistant finds at its first start. Free of everything but the standard library."""

import json
from collections.abc import Iterable
from pathlib import Path

from .folders import LOOPBACK, REPOSITORY

CONFIGURATION = Path(__file__).with_name("configuration.yaml")
SPARK_AUDIO = REPOSITORY / "custom_components/spark_audio"

# This onboarding step installs integrations that live on the internet (weather, radio, Google's voices); marked as
# done beforehand, Home Assistant leaves them out. The other steps are taken over HTTP.
ONBOARDING = "onboarding", 4, {"done": ["core_config"]}


def lay_out(folder: Path, port: int, *, more: str = "", integrations: Iterable[Path] = (SPARK_AUDIO,)) -> None:
    """Put the configuration, the integrations (as links) and the address into `folder`; `more` is further YAML.

    The address goes into Home Assistant's storage: YAML may no longer say it, and a new one that is not confirmed in
    the interface is taken back after five minutes. Version 1 of that storage is the bare settings.
    """
    for name in (".storage", "custom_components", "logs"):
        (folder / name).mkdir()
    for name, version, data in (ONBOARDING, ("http", 1, {"server_host": [LOOPBACK], "server_port": port})):
        stored = {"version": version, "minor_version": 1, "key": name, "data": data}
        (folder / ".storage" / name).write_text(json.dumps(stored))
    for integration in integrations:
        (folder / "custom_components" / integration.name).symlink_to(integration)
    (folder / "configuration.yaml").write_text(CONFIGURATION.read_text() + more)
