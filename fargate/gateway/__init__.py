"""The AI gateway: one door to every model."""
