"""GraphQL over HTTP/1.1."""
