"""How the parts of the service are started: in containers by docker-compose.yml, without an engine by `make stack`.

compose.py    docker-compose.yml, read: commands, environments, health checks
processes.py  processes by pid and start time: started, asked, ended
postgres.py   what PostgreSQL's image does before its server starts
plan.py       the services of a stack: the compose file with a machine's ports and folders
starting.py   a stack on its way up
state.py      what is known of it between two commands
stack.py      `python -m deploy.stack up|down|status|restart`
dotenv.py       the file .env: read as Compose reads it, and made with the passwords in secrets/
with_password.py  a command with the password of its database from a file
ray_node.py   runs a command on a host that is a node of the Ray cluster (used by a container)
probe.py      whether a port or a page answers (used by health checks)

Nothing here is part of the installed package.
"""
