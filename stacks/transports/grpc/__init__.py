"""gRPC with any format."""
