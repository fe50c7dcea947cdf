"""What a loaded config entry holds."""

from dataclasses import dataclass

from homeassistant.config_entries import ConfigEntry

from .coordinator import SparkCoordinator
from .spark_engine.servers.magpie_dialects import MagpieServer
from .spark_engine.spark import Spark

type SparkConfigEntry = ConfigEntry[SparkData]


@dataclass(frozen=True, kw_only=True, slots=True)
class SparkData:
    """The services of one Spark, and what is known of them at this moment."""

    coordinator: SparkCoordinator

    @property
    def spark(self) -> Spark:
        """The services."""
        return self.coordinator.spark

    @property
    def magpie(self) -> MagpieServer | None:
        """What its Magpie can say: None where it has none. The coordinator tells its listeners when it changes."""
        return self.coordinator.magpie
