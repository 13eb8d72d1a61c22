"""A CRM to try with: real API, faults on request."""
