"""Names that several rooms of the integration share."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

DOMAIN: Final = "spark_audio"

CONF_PARAKEET_URL: Final = "parakeet_url"
CONF_MAGPIE_URL: Final = "magpie_url"


class Service(StrEnum):
    """What a Spark serves. Each is a device of its own."""

    PARAKEET = "parakeet"
    MAGPIE = "magpie"


SERVICE_NAMES: Final[Mapping[Service, str]] = {Service.PARAKEET: "Parakeet", Service.MAGPIE: "Magpie"}
