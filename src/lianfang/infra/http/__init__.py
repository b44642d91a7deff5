"""A small, strict HTTP/1.1 server for the decider: parsed by httptools, answered in order, everything limited."""

from lianfang.infra.http.messages import Request, problem, problem_of, response
from lianfang.infra.http.server import Connection, Limits, Server, Slot

__all__ = ["Connection", "Limits", "Request", "Server", "Slot", "problem", "problem_of", "response"]
