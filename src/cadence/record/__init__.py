"""What happened in a run, in files that anyone can read: appended safely while it runs, read back as columns."""
