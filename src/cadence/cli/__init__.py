"""The command line. One command per file; a command imports what it needs when it runs, so that help is immediate."""
