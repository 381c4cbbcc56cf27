"""What people see while a study runs: live.py in a terminal, notebook.py in a notebook.

shown.py     which of the two, and what both can do
live.py      a picture that changes, or plain lines | notebook.py  the same in a cell of a notebook
console.py   Rich's console for texts of users      | words.py     values, verdicts and times as people read them
"""
