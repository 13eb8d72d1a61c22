"""The way of a lead from intake to CRM. flow.py tells it; docs/architecture.md shows the rooms."""
