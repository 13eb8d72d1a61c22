"""The console: pages for people, without JavaScript. Sign-in stands; what comes stands on `routes.py`."""
