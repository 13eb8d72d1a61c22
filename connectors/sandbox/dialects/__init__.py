"""The APIs that the sandbox speaks."""
