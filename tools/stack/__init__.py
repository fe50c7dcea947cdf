"""What demo, bench and screenshots share: processes, a Home Assistant and its client, a satellite, wedges, tables."""
