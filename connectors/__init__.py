"""What is known of sources and CRMs: declarations, and the kit that reads them."""
