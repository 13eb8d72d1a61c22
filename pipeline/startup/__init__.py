"""What a process goes by from its start on: the rules in force, and what a node meets before it forks."""
