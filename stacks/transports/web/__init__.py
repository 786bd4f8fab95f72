"""What the stacks over HTTP/1.1 share: one client, one server, and how failures are told."""
