"""What bodies of requests and answers look like: the schemas of `/openapi.json`."""
