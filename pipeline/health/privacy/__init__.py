"""Is what the law asks for kept up: the ledger whole and known to the database, rules of retention in force."""
