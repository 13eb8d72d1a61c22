"""Bodies that were posted, read into what is stored of their records: the large ones in processes of their own."""
