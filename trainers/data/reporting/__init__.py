"""What can be said of data before anything is trained."""
