"""The admin console: an API client like any other, built with NiceGUI."""
