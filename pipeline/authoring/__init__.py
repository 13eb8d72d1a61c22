"""For whoever writes a source: drafts, proposals of a mapping, conformance cases, rehearsal."""
