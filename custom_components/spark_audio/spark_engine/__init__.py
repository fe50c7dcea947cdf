"""Parakeet and Magpie over HTTP: the part that Home Assistant and the proxy share.

Knows neither Home Assistant nor a web server. Imports inside are relative, since the integration imports it as
`.spark_engine` and the proxy as `spark_engine`.
"""

__version__ = "0.1.0"
