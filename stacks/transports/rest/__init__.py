"""REST over HTTP/1.1, in any format that has a media type."""
