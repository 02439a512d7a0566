"""The API as Chalice serves it: validate, authorise, call, map errors."""
