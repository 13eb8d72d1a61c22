"""Files that drop folders keep after they were read: records of erased people are taken out of them."""
