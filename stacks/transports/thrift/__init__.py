"""Thrift's framed transport over TCP."""
