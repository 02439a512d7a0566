"""The shared core and the API edge: everything light enough for the Lambda zip."""

__version__ = "0.1.0"
