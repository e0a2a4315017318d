"""The HTTP and WebSocket front: sessions, protocol, delivery.

The modules, in the order in which a session flows through them:

* The process: `main`, `app`, what all connections share (`context`), who may come in (`doors/`).
* Getting in: `handshake` greets, `admission` says if there is room, by `load` and `voice`; `open_sessions` counts.
* Beginning, or coming back: `opening` (`rules`, `started`), `resuming` takes over from another gateway, and `revival`
  works out where to go on.
* What clients say: `wire`, `reader`, `checks`, `messages` (parsed), `samples` (of audio), and `intake`, where it waits.
* The session, pure: `session`, made of `segmenter` and `segments` (audio to frames), `publishing` (frames to tasks),
  `reorder` (pictures in order), `speech` (what is told of it) and `idle`; what it wants done are `actions`.
* Carrying that out: `connection` with the socket, `writing` and `bus` with Redis, `keeping` for the session's keys;
  `replies` are what clients are told, `template` the idle avatar's pictures.
* What is kept of it: `recording` and `recorder`; `tally`, `totals` and `metrics`; `traces`.
* The installation: `watch` and `redis_figures` look at it now and then, `http/` answers for it, `console/` shows it.
* Beside all this: `schema` documents the protocol; `earlier/` speaks those of the servers before.
"""
