"""The version of rpcduel."""

VERSION = "0.1.0"
