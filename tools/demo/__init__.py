"""The demo: a real Home Assistant, the embedded Spark and the proxy, brought up by one command."""
