"""What people see while a study runs: live.py in a terminal, with console.py and words.py for texts."""
