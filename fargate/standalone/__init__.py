"""The local platform: a stand-in for API Gateway, the server, the first start and its sample documents."""
