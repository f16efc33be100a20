"""What people read: text, table, picture, page."""
