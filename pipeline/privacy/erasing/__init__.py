"""The steps of an erasure: rows destroyed, bodies scanned, CRMs waited for, the certificate."""
