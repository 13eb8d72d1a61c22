"""Keys of programs: made, listed, revoked; found again by those who are asked with one."""
