"""Calls of MessagePack messages over hashicorp's yamux."""
