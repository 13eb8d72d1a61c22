"""Kinds of intake that are collected on a schedule from elsewhere than an HTTP API: drop folders and mailboxes."""
