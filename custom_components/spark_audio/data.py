"""What a loaded config entry holds."""

from dataclasses import dataclass

from homeassistant.config_entries import ConfigEntry

from .spark_engine.magpie_dialects import MagpieServer
from .spark_engine.spark import Spark

type SparkConfigEntry = ConfigEntry[SparkData]


@dataclass(frozen=True, kw_only=True, slots=True)
class SparkData:
    """The services of one Spark, and what its Magpie can say: None where it has none."""

    spark: Spark
    magpie: MagpieServer | None
