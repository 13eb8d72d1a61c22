"""People to CRMs: claim what is due, take quota, send batches, record an answer for each."""
