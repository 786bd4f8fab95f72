"""Where messages begin and end in a stream of bytes, format by format."""
