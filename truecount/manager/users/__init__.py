"""Who may use the manager: users, their passwords, one-time links, sessions. All of it lies in users.sqlite."""
