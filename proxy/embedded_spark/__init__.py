"""The embedded Spark: a CPU stand-in for a DGX Spark, with real speech engines behind the real HTTP contracts.

Parakeet is played by Moonshine (speech to text), Magpie by Piper (text to speech); both speak English only. Install it
with `pip install 'spark-audio-proxy[embedded]'`, run it with `python -m embedded_spark`, or use `EmbeddedSpark` inside
a running event loop.

Each server can be wedged, and is cured by a restart alone; it can lack memory, and unload its model (`wedge_routes`):
on this machine, `curl -d '{"mode": "cublas"}' URL/embedded/wedge` breaks inference while health pages stay green.
"""

from .engines import MissingEngine
from .server import EmbeddedSpark

__all__ = ["EmbeddedSpark", "MissingEngine"]
