"""The shared core and the API edge: everything light enough for the Lambda zip."""
