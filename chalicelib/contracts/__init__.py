"""The wire: pydantic models of every request and response, one module per resource."""
