"""Where the files of trials are kept: folders and object stores."""
