"""The services: each alone in its container on AWS, beside the others in one process locally."""
