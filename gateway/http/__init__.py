"""The gateway's HTTP interface: one table of endpoints, from which routes and documentation are made."""
