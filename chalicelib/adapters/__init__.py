"""Light adapters of the ports, small enough for the Lambda zip."""
