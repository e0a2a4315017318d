"""The HTTP and WebSocket front: sessions, protocol, delivery."""
