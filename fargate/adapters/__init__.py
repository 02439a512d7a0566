"""What the services stand on: the heavy adapters of the ports."""
