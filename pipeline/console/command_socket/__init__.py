"""Commands for accounts of this machine that have neither the database nor the keys: typed by them, run by the console.

Who types is what the kernel says of the other end of a Unix socket. What an account may stands in `access.accounts`.
"""
