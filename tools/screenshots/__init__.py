"""The pictures of the documentation: a real Home Assistant, the proxy's status page and Open WebUI, in Chromium."""
