"""The pictures of the documentation: a real Home Assistant and the proxy's status page, photographed in Chromium."""
