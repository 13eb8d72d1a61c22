"""Consent by HTTP: statements by the API, confirmations of an opt-in, and what somebody chooses by their own link."""
