"""What runs in Home Assistant's environment, and not in this project's."""
