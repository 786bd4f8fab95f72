"""The messages of MessagePack-RPC over plain TCP."""
