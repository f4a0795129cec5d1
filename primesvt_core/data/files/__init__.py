"""What lies in folders and archives: names, members, contents."""
